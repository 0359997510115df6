"""The tick and hydration: every sum survives a fold; what is hydrated is asked for in time, once, and no more."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from time import time
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connections, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from time_machine import Traveller

from statistics_cache import statistic, tidying, upkeep
from statistics_cache.api import Statistic
from statistics_cache.broker import queue
from statistics_cache.cold import changelog, proving
from statistics_cache.cold import rows as cold
from statistics_cache.cold.sweeping import Swept
from statistics_cache.entry import Generations
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from statistics_cache.signals import hydration_failed
from statistics_cache.upkeep import Ticked
from tests.changing.meanwhile import wait_for_lock
from tests.conftest import BACKENDS, Backend
from tests.jumps import record
from tests.messages import Messages
from tests.models import Paint
from tests.outages.world import connected
from tests.samples import TTL, Color, Computed, Stock, count_stock, shelf, stock
from tests.spaces import identity, lease_of
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

WITH_THREADS = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
RED: dict[str, Any] = {"color": Color.RED, "doubled": False}
BLUE = RED | {"color": Color.BLUE}
RED_TWICE, BLUE_TWICE = RED | {"doubled": True}, BLUE | {"doubled": True}
EACH = [RED, RED_TWICE, BLUE, BLUE_TWICE]


def text_of(parameters: dict[str, Any]) -> str:
    """Give the JSON text of parameters of `stock`."""
    return stock.declaration.variant((), parameters).json


def asked(messages: Messages) -> list[str]:
    """Take what is queued, and give the parameters of each."""
    return [message["parameters"] for message in messages.take()]


def texts(*some: dict[str, Any]) -> list[str]:
    """Give the JSON texts of several."""
    return list(map(text_of, some))


def tick(*statistics: Statistic[..., Any]) -> Ticked:
    """Tick for some statistics, or for `stock`."""
    return upkeep.tick([found.declaration for found in statistics or (stock,)])


def set_row(parameters: dict[str, Any], **columns: Any) -> None:
    """Change the stored row of a variant of `stock`."""
    assert StatisticEntry.objects.filter(params=text_of(parameters)).update(**columns) == 1


def closing(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread, and close the thread's connections."""
    try:
        return function(*args)
    finally:
        connections.close_all()


def fail(*_: object) -> Any:
    """Fail as a function does."""
    raise ZeroDivisionError("no paint")


def refuse(*_: object) -> Any:
    """Fail as a database that is out does."""
    raise OperationalError("no connection")


def fail_for_red(color: Color) -> Stock:
    """Fail for one colour."""
    return fail() if color is Color.RED else count_stock(color)


# The fold

SCOPES = ["*", "", 'color="red"', 'color="blue"']
CHANGES = st.tuples(st.sampled_from([stock, shelf]), st.lists(st.sampled_from(SCOPES), min_size=1, unique=True))


@examples(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(CHANGES | st.none(), max_size=12))
def test_a_fold_keeps_every_generation(
    operations: list[tuple[Statistic[..., Any], list[str]] | None], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is logged, and whenever some of it is folded (None), each sum is that of all jumps ever logged."""
    monkeypatch.setattr(changelog, "FOLDED_AT_ONCE", 3)
    for model in (StatisticInvalidation, StatisticScope):
        model.objects.all().delete()
    logged: Counter[tuple[str, str]] = Counter()
    for operation in operations:
        if operation is None:
            changelog.fold(backend.database)
        else:
            changed, scopes = operation
            jump = record(backend.database, changed.name, scopes, "a test")
            logged.update(dict.fromkeys([(changed.name, scope) for scope in scopes], jump))
        sums_are(logged)
    upkeep.fold(backend.database)
    assert not StatisticInvalidation.objects.exists()
    sums_are(logged)


def sums_are(logged: Counter[tuple[str, str]]) -> None:
    """Compare what the database says of each entry with what was logged."""
    for found in (stock, shelf):
        for color in Color:
            total = sum(logged[found.name, scope] for scope in ("*", "", f'color="{color}"'))
            assert generations(found, color) == Generations(total, logged[found.name, ""])


def generations(found: Statistic[..., Any], color: Color) -> Generations:
    """Ask the database."""
    variant = found.declaration.variant((color,), {})
    proofs = proving.prove(found.declaration, [variant])
    assert proofs is not None
    return proofs[variant.key].database


@WITH_THREADS
@ON_POSTGRES
def test_folds_at_the_same_time_lose_and_double_nothing(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """While writers log and four processes fold, no reader sees a sum go back, and in the end none is missing."""
    monkeypatch.setattr(changelog, "FOLDED_AT_ONCE", 7)
    done = Event()

    def fold() -> int:
        count = 0
        while not done.is_set():
            count += len(changelog.fold(backend.database) or ())
        return count

    def read() -> list[int]:
        seen = []
        while not done.is_set():
            seen.append(generations(stock, Color.RED).generation)
        return seen

    with ThreadPoolExecutor(5) as threads:
        folding = [threads.submit(closing, fold) for _ in range(4)]
        reading = threads.submit(closing, read)
        jumps = [record(backend.database, stock.name, ["*", 'color="red"'], "a test") for _ in range(200)]
        done.set()
        folded = sum(each.result(PATIENCE) for each in folding)
        seen = reading.result(PATIENCE)
    assert seen == sorted(seen)
    assert folded + len(upkeep.fold(backend.database)) == 400
    assert generations(stock, Color.RED).generation == 2 * sum(jumps)
    assert dict(StatisticScope.objects.values_list("scope", "base")) == {"*": sum(jumps), 'color="red"': sum(jumps)}


@WITH_THREADS
@ON_POSTGRES
def test_folds_of_other_rows_add_to_one_sum(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were logged first may commit last: two folds then have no row in common, and wait for each other."""
    monkeypatch.setattr(changelog, "FOLDED_AT_ONCE", 1)
    jumps = [record(backend.database, stock.name, ['color="red"'], "before")]
    upkeep.fold(backend.database)
    logged, later = Event(), Event()

    def log_and_commit_late() -> int:
        with transaction.atomic(using=backend.database):
            jump = record(backend.database, stock.name, ['color="red"'], "logged first")
            logged.set()
            assert later.wait(PATIENCE)
            return jump

    with ThreadPoolExecutor(2) as threads:
        late = threads.submit(closing, log_and_commit_late)
        assert logged.wait(PATIENCE)
        jumps.append(record(backend.database, stock.name, ['color="red"'], "committed first"))
        with transaction.atomic(using=backend.database):
            assert len(changelog.fold(backend.database) or ()) == 1
            later.set()
            jumps.append(late.result(PATIENCE))
            other = threads.submit(closing, changelog.fold, backend.database)
            wait_for_lock(backend)
        assert len(other.result(PATIENCE)) == 1
    assert StatisticScope.objects.get().base == sum(jumps)


def test_the_newest_cause_is_kept(backend: Backend) -> None:
    """A scope keeps what changed it last, and when, over any number of folds; another scope keeps its own."""
    for cause in ("first", "second"):
        record(backend.database, stock.name, ['color="red"', 'color="blue"'], cause)
    second = StatisticInvalidation.objects.filter(cause="second").latest("pk").created_at
    tick()
    last = record(backend.database, stock.name, ['color="red"'], "third")
    third = StatisticInvalidation.objects.get(cause="third").created_at
    tick()
    red, blue = StatisticScope.objects.get(scope='color="red"'), StatisticScope.objects.get(scope='color="blue"')
    assert (red.last_cause, red.changed_at, blue.last_cause, blue.changed_at) == ("third", third, "second", second)
    assert red.folded_at
    assert red.folded_at >= third
    assert red.base == blue.base + last


# What is wanted


def test_what_was_never_computed_is_queued_once(messages: Messages) -> None:
    """Of a hydrated statistic every variant is asked for, by one message over any number of ticks."""
    assert tick().queued == 4
    assert sorted(asked(messages)) == sorted(texts(*EACH))
    tick()
    assert asked(messages) == []
    assert Computed.of("stock") == 0


@pytest.mark.parametrize(("age", "cost", "due"), [(239, 0, 0), (241, 0, 4), (189, 50, 0), (191, 50, 4), (301, 0, 4)])
def test_what_is_due_is_queued_once(age: int, cost: float, due: int, clock: Traveller, messages: Messages) -> None:
    """What will be stale before the tick after next, its own cost included, is asked for; nothing earlier."""
    stock.hydrate()
    StatisticEntry.objects.update(cost=cost)
    clock.shift(age)
    for number in (due, 0):
        tick()
        assert len(asked(messages)) == number


def test_what_has_changed_is_queued_once(messages: Messages) -> None:
    """A change with no reader is asked for at the next tick: the variants of its scope, and no others."""
    stock.hydrate()
    Paint.objects.create(color="blue", litres=2)
    tick()
    assert asked(messages) == texts(BLUE, BLUE_TWICE)
    tick()
    assert asked(messages) == []


def test_what_the_tick_asked_for_is_current_after_it(clock: Traveller, messages: Messages) -> None:
    """Every wish is met by its message: then there is nothing left to do."""
    tick()
    messages.work()
    clock.shift(200)
    stock.invalidate(Color.BLUE)
    for due in (2, 0):
        tick()
        assert messages.work() == due
    assert all(stock.is_fresh(**parameters) for parameters in EACH)
    clock.shift(50)
    tick()
    assert messages.work() == 2


def test_the_oldest_then_the_costliest_come_first(clock: Traveller, conf: Any, messages: Messages) -> None:
    """At most BATCH are queued by a tick: what was never computed, then the oldest, of equals the costliest."""
    conf(BATCH=3)
    stock.refresh(Color.RED)
    stock.refresh(Color.BLUE)
    clock.shift(10)
    stock.refresh(Color.RED, doubled=True)
    set_row(RED, cost=1.0)
    set_row(BLUE, cost=2.0)
    clock.shift(280)
    assert tick().queued == 3
    assert asked(messages) == texts(BLUE_TWICE, BLUE, RED)
    for parameters in (BLUE_TWICE, BLUE, RED):
        stock.refresh(**parameters)
    tick()
    assert asked(messages) == texts(RED_TWICE)


def test_what_is_not_hydrated_is_never_queued(clock: Traveller, messages: Messages) -> None:
    """Missing, due, changed or stale: of other statistics a tick asks for nothing."""
    tick(shelf)
    shelf(Color.RED)
    shelf.invalidate(Color.RED)
    tick(shelf)
    for age in (250, 100, 4_000):
        clock.shift(age)
        tick(shelf)
    assert messages.take() == []


def test_what_is_not_to_be_repeated_yet_is_left_alone(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variant that failed is asked for when it may be tried again, and by a change of its source at once."""
    with monkeypatch.context() as failing:
        failing.setattr("tests.samples.count_stock", fail)
        for parameters in (RED, BLUE):
            with pytest.raises(ZeroDivisionError):
                stock.refresh(**parameters)
    tick()
    assert asked(messages) == texts(RED_TWICE, BLUE_TWICE)
    stock.invalidate(Color.BLUE)
    tick()
    assert asked(messages) == texts(BLUE, BLUE_TWICE)
    clock.shift(2)
    tick()
    assert asked(messages) == texts(RED)


def test_without_hydration_a_tick_folds_and_prunes_only(clock: Traveller, conf: Any, messages: Messages) -> None:
    """HYDRATION_ENABLED stops what would be queued, and nothing else; ENABLED stops all, and is made up for later."""
    stock(Color.RED)
    clock.shift(4_000)
    stock.invalidate()
    conf(HYDRATION_ENABLED=False, ENABLED=False)
    assert tick() == Ticked(folded=0, queued=0, pruned=0)
    conf(ENABLED=True)
    assert tick() == Ticked(folded=1, queued=0, pruned=1)
    assert messages.take() == []


GRIDS_OF_FAULTS: list[Callable[[], Any]] = [
    fail,
    lambda: [{"colour": "red"}],
    lambda: [{"color": "green"}],
    lambda: ["red"],
    lambda: None,
]


@pytest.mark.parametrize("given", GRIDS_OF_FAULTS)
def test_a_callable_that_fails_keeps_no_other_from_its_own(given: Callable[[], Any], messages: Messages) -> None:
    """What `hydrate=` raises, or names wrongly, is told by a signal with its statistic; the others are queued."""
    told: list[tuple[str, Exception]] = []
    hydration_failed.connect(note := lambda statistic, error, **_: told.append((statistic, error)))
    broken = statistic(name="tests.broken", hydrate=given)(count_by_color)
    assert tick(broken, stock).queued == 4
    hydration_failed.disconnect(note)
    assert len(asked(messages)) == 4
    assert [name for name, _ in told] == ["tests.broken"]


def count_by_color(color: Color) -> int:
    """Count paint."""
    return count_stock(color).pots


def test_with_the_broker_out_a_tick_ends_and_the_next_one_asks(messages: Messages) -> None:
    """What could not be queued is wanted still."""
    queue.breaker.failed(ConnectionError())
    queue.breaker.retry_at += 1000
    assert tick().queued == 0
    queue.breaker.succeeded()
    assert tick().queued == 4
    assert len(asked(messages)) == 4


# Grids that are too large to look at whole

SIZE, SOME = 37, 10
SPREAD = (10, 23, 36)  # more than the ten that are looked at in turn lie between any two


def count_by_size(number: int) -> int:
    """Count paint of one size."""
    Computed.note(str(number))
    return Paint.objects.filter(litres=number).count()


@pytest.fixture
def large(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> Statistic[[int], int]:
    """Give a statistic of 37 variants, of which a tick looks at 10 of a kind."""
    monkeypatch.setattr(upkeep, "LOOKED_AT", SOME)
    grid = [{"number": number} for number in range(SIZE)]
    return statistic(name="tests.large", ttl=TTL, depends_on={Paint: {"number": "litres"}}, hydrate=grid)(count_by_size)


def ticks_until_all(large: Statistic[[int], int], clock: Traveller, messages: Messages, computes: int) -> int:
    """Tick, and do what is queued, until every variant was computed so often; give the number of ticks."""
    for count in range(1, 20):
        tick(large)
        messages.work()
        if all(Computed.of(str(number)) >= computes for number in range(SIZE)):
            return count
        clock.shift(30)
    raise AssertionError(f"after 20 ticks: {Computed.counts}")


def test_a_large_grid_is_filled_in_turn(large: Statistic[[int], int], clock: Traveller, messages: Messages) -> None:
    """What was never computed is found within as many ticks as it takes to look at all, and computed once."""
    assert ticks_until_all(large, clock, messages, 1) == 4
    assert sum(Computed.counts.values()) == SIZE


def test_of_a_large_grid_what_is_due_is_found_by_age(
    large: Statistic[[int], int], clock: Traveller, messages: Messages
) -> None:
    """The oldest are looked at by every tick, wherever in the grid they are."""
    large.hydrate()
    clock.shift(1)
    for number in set(range(SIZE)) - set(SPREAD):
        large.refresh(number)
    clock.shift(239.5)
    tick(large)
    assert sorted(asked(messages)) == [f'{{"number":{number}}}' for number in SPREAD]


def test_of_a_large_grid_what_is_due_is_found_behind_other_old_rows(
    large: Statistic[[int], int], clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that readers asked for, and rows that failed and are not to be tried yet, hide none of the grid."""
    monkeypatch.setattr(cold, "PAGE", SOME)
    for number in range(100, 100 + 3 * SOME):
        large(number)
    clock.shift(1)
    large.hydrate()
    blocked = {"failures": 1, "retry_at": cold.time_for(time() + 540), "failed_generation": 0}
    rows = StatisticEntry.objects.filter(statistic=large.name)
    rows.filter(params__in=[f'{{"number":{number}}}' for number in range(11, 22)]).update(**blocked)
    clock.shift(1)
    for number in set(range(SIZE)) - set(SPREAD) - set(range(11, 22)):
        large.refresh(number)
    clock.shift(239.5)
    tick(large)
    assert sorted(asked(messages)) == [f'{{"number":{number}}}' for number in SPREAD]


def test_of_a_large_grid_no_more_than_some_pages_of_other_rows_are_read(
    large: Statistic[[int], int], clock: Traveller, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tick reads twenty pages and no more; what is behind them is found in turn."""
    monkeypatch.setattr(cold, "PAGE", 1)
    large(100)
    row = dict(StatisticEntry.objects.filter(statistic=large.name).values()[0])
    del row["id"]
    StatisticEntry.objects.bulk_create(StatisticEntry(**row | {"key": f"{number}"}) for number in range(30))
    clock.shift(301)
    with CaptureQueriesContext(connections[backend.database]) as captured:
        upkeep.to_look_at(large.declaration, large.declaration.hydrated(), {})
    assert len(captured) == cold.PAGES


def test_of_a_large_grid_what_is_due_at_once_is_found_in_the_end(
    large: Statistic[[int], int], clock: Traveller, messages: Messages
) -> None:
    """However many are due at a time, each is computed, and once."""
    large.hydrate()
    clock.shift(241)
    assert ticks_until_all(large, clock, messages, 2) <= 4
    assert sum(Computed.counts.values()) == 2 * SIZE


def test_of_a_large_grid_what_has_changed_is_found_at_once(
    large: Statistic[[int], int], clock: Traveller, messages: Messages
) -> None:
    """A changed scope is looked at in the tick that folds it, wherever in the grid it is; each, in the end."""
    large.hydrate()
    for number in SPREAD:
        Paint.objects.create(litres=number)
    tick(large)
    assert sorted(asked(messages)) == [f'{{"number":{number}}}' for number in SPREAD]
    large.invalidate()
    assert ticks_until_all(large, clock, messages, 2) <= 4
    assert sum(Computed.counts.values()) == 2 * SIZE


def test_of_a_large_grid_a_tick_looks_at_some(
    large: Statistic[[int], int], clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At most so many of each kind, whatever happened to all of them; but the whole of a small one."""
    looked_at: list[int] = []
    prove = proving.prove

    def note(declaration: Any, variants: Any, **options: Any) -> Any:
        looked_at.append(len(variants))
        return prove(declaration, variants, **options)

    large.hydrate()
    clock.shift(241)
    large.invalidate()
    monkeypatch.setattr(proving, "prove", note)
    tick(large)
    monkeypatch.setattr(upkeep, "LOOKED_AT", SIZE)
    tick(large)
    assert SOME <= looked_at[0] <= 3 * SOME
    assert looked_at[1] == SIZE


# What is left behind


def test_what_no_policy_may_serve_is_pruned(clock: Traveller) -> None:
    """Expired rows go, of an older schema, too; not those that are stale, failed lately, or another statistic's."""
    for parameters in EACH:
        stock(**parameters)
    shelf(Color.RED)
    set_row(RED_TWICE, schema="older")
    clock.shift(3_599)
    stock.refresh(**BLUE_TWICE)
    assert tick().pruned == 0
    clock.shift(1.001)
    set_row(BLUE, retry_at=cold.time_for(time() - 3_599), failures=9)
    stock.invalidate()
    assert tick().pruned == 2
    left = StatisticEntry.objects.values_list("params", flat=True)
    assert sorted(left) == sorted(['{"color":"red"}', *texts(BLUE, BLUE_TWICE)])
    assert StatisticScope.objects.exists()
    clock.shift(100_000)
    assert tick().pruned == 2
    assert StatisticScope.objects.exists(), "a sum that went back would prove old entries"


def test_a_row_that_records_a_failure_alone_is_pruned_in_time(
    clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is there for as long as a value would be, counted from when it may be tried again; then it goes, too."""
    monkeypatch.setattr("tests.samples.count_stock", fail)
    with pytest.raises(ZeroDivisionError):
        stock(**RED)
    clock.shift(3_600)
    assert tick().pruned == 0
    clock.shift(2)
    assert tick().pruned == 1


@WITH_THREADS
@pytest.mark.parametrize("backend", BACKENDS[:1], indirect=True, ids="-".join)
def test_a_database_that_is_out_costs_the_others_nothing(clock: Traveller, messages: Messages) -> None:
    """A tick folds, queues and prunes on all others, asks that one once, raises its error, and is not noted as done."""
    elsewhere = statistic(name="tests.elsewhere", using="postgres", hydrate=[{"number": 1}])(count_by_size)
    shelf(Color.RED)
    clock.shift(4_000)
    stock.invalidate()
    with connected("postgres", PORT="1"), pytest.raises(OperationalError, match="connection"):
        tick(elsewhere, stock, shelf)
    assert not StatisticInvalidation.objects.exists()
    assert sorted(asked(messages)) == sorted(texts(*EACH))
    assert not StatisticEntry.objects.exists()
    assert hot.last_tick(identity()) is None


@pytest.mark.parametrize("forever", [timedelta(days=999_999), timedelta.max])
def test_what_lives_longer_than_time_was_counted_is_kept(forever: timedelta, messages: Messages) -> None:
    """Limits that reach back before any time a database holds, or ahead of all, prune nothing and raise nothing."""
    eternal = statistic(name="tests.eternal", ttl=forever, stale_ttl=forever, hydrate=[{"number": 1}])(count_by_size)
    eternal(1)
    assert tick(eternal).pruned == 0
    entry = eternal.entry(1)
    assert entry
    assert (entry.state, entry.expires_in > timedelta(days=36_000)) == ("fresh", True)


def test_a_tick_is_noted(clock: Traveller) -> None:
    """When the last one ended is there for whoever wonders, in whole seconds."""
    assert hot.last_tick(identity()) is None
    tick()
    clock.shift(31.7)
    assert hot.last_tick(identity()) == int(time() - 31)
    tick()
    assert hot.last_tick(identity()) == int(time())


def test_a_tick_asks_no_more_of_a_database_that_holds_more(backend: Backend) -> None:
    """Its queries are for what is declared and what happened, however many fresh rows there are."""
    stock.hydrate()
    counts = [count_queries(backend)]
    row = dict(StatisticEntry.objects.filter(statistic=stock.name).values()[0])
    del row["id"]
    many = [
        StatisticEntry(**row | {"key": f"{statistic}{number}", "statistic": statistic})
        for number in range(500)
        for statistic in (stock.name, shelf.name)
    ]
    StatisticEntry.objects.bulk_create(many)
    counts.append(count_queries(backend))
    assert counts[0] == counts[1] <= 12


def count_queries(backend: Backend) -> int:
    """Give the number of queries of one tick."""
    with CaptureQueriesContext(connections[backend.database]) as captured:
        assert tick(stock, shelf) == Ticked(0, 0, 0)
    return len(captured)


@WITH_THREADS
def test_ticks_at_the_same_time_do_nothing_twice(clock: Traveller, messages: Messages) -> None:
    """Four beats, or four workers with one message each: one fold, one message per variant, one prune."""
    shelf(Color.RED)
    clock.shift(4_000)
    stock.hydrate()
    stock.invalidate(Color.RED)
    logged = StatisticInvalidation.objects.count()
    before = generations(stock, Color.RED)
    together = Barrier(4)

    def tick_together() -> Ticked:
        together.wait(PATIENCE)
        return tick(stock, shelf)

    with ThreadPoolExecutor(4) as threads:
        ticks = [threads.submit(closing, tick_together) for _ in range(4)]
        done = [each.result(PATIENCE) for each in ticks]
    assert (sum(each.folded for each in done), sum(each.pruned for each in done)) == (logged, 1)
    assert sorted(asked(messages)) == sorted(texts(RED, RED_TWICE))
    assert generations(stock, Color.RED) == before


# Hydration


def test_after_a_flush_nothing_is_computed(messages: Messages) -> None:
    """An empty cache fills from the cold tier, by `hydrate` or by its first readers; a tick asks for nothing."""
    stock.hydrate()
    caches["statistics"].clear()
    assert {answer.tier for answer in stock.hydrate()} == {"cold"}
    assert {answer.tier for answer in stock.get_many(EACH)} == {"hot"}
    caches["statistics"].clear()
    tick()
    assert messages.take() == []
    assert Computed.of("stock") == 4


@pytest.mark.parametrize("age", [0, 400, 4_000])
def test_hydrate_computes_what_is_stale_or_missing(age: int, clock: Traveller, messages: Messages) -> None:
    """By age or by its source; there and then, not by a worker."""
    stock(**RED)
    stock(**BLUE)
    clock.shift(age)
    stock.invalidate(Color.RED)
    assert [answer.state for answer in stock.hydrate()] == ["fresh"] * 4
    assert Computed.of("stock") == 2 + 3 + (age > 0)
    assert messages.take() == []


def test_a_variant_that_fails_keeps_no_other_from_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are tried; then the first exception is raised."""
    monkeypatch.setattr("tests.samples.count_stock", fail_for_red)
    with pytest.raises(ZeroDivisionError):
        stock.hydrate()
    assert Computed.of("stock") == 4
    assert [stock.is_fresh(**parameters) for parameters in EACH] == [False, False, True, True]


# What came of a refresh


def refreshed(color: Color = Color.RED) -> upkeep.Outcome:
    """Refresh a variant of `shelf` as a worker does."""
    return upkeep.refresh(shelf.declaration, shelf.declaration.variant((color,), {}))


def test_a_refresh_tells_what_came_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was missing or stale and is computed; it was fresh; another computes it; it failed; the database is out."""
    assert [refreshed(), refreshed()] == ["refreshed", "fresh"]
    shelf.invalidate(Color.RED)
    name = lease_of(shelf, Color.RED)
    caches["statistics"].add(name, "another")
    assert refreshed() == "busy"
    caches["statistics"].delete(name)
    with monkeypatch.context() as failing, pytest.raises(ZeroDivisionError):
        failing.setattr("tests.samples.count_stock", fail)
        refreshed()
    assert refreshed() == "blocked"
    monkeypatch.setattr(proving, "prove_at_once", refuse)
    assert refreshed(Color.BLUE) == "unproven"
    assert Computed.of("shelf") == 2


def test_a_failure_meanwhile_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process failed to compute after the first look is not to be repeated, and is not called fresh."""
    shelf(Color.RED)
    shelf.invalidate(Color.RED)

    def fail_elsewhere(_: object) -> None:
        with pytest.raises(ZeroDivisionError):
            shelf.refresh(Color.RED)

    monkeypatch.setattr("tests.samples.count_stock", fail)
    monkeypatch.setattr(queue, "keep_note", fail_elsewhere)
    assert refreshed() == "blocked"
    assert Computed.of("shelf") == 2


def test_ticks_that_end_a_sweep_together_both_end() -> None:
    """Of two threads whose ticks swept the same statistic, the one that ends last finds it ended."""
    assert tidying.note_swept(("default", "tests.stock"), Swept(2, None)) == 2
