"""Asking a worker: one message per entry and state, from however many readers, and none where it would be wrong."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from time import time
from typing import Any

import pytest
from celery import current_app
from django.core.cache import caches
from django.db import OperationalError, connections, transaction
from django_redis.cache import RedisCache
from kombu.transport import TRANSPORT_ALIASES
from pytest_django import Settings
from time_machine import Traveller

from statistics_cache import BEAT_SCHEDULE, statistic
from statistics_cache.api import Statistic
from statistics_cache.broker import queue
from statistics_cache.broker.queue import Wanted
from statistics_cache.broker.schedule import REFRESH, TICK
from statistics_cache.cold import proving
from statistics_cache.hot import asking
from statistics_cache.models import StatisticEntry
from tests.celery_conf import set_celery
from tests.conftest import BACKENDS, Backend
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, Stock, count_stock, shelf, stock
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

ON_LOCMEM = pytest.mark.parametrize("backend", BACKENDS[:1], indirect=True, ids="-".join)
ON_VALKEY = pytest.mark.parametrize("backend", BACKENDS[1:2], indirect=True, ids="-".join)
NOWHERE = "amqp://127.0.0.1:1//"  # refuses at once
RED = {"statistic": "tests.shelf", "parameters": '{"color":"red"}'}
READERS = 40


READS: dict[str, Callable[[Statistic[Any, Stock]], object]] = {
    "call": lambda read: read(Color.RED),
    "answer": lambda read: read.answer(Color.RED),
    "answer without waiting": lambda read: read.answer(Color.RED, wait=False),
    "get": lambda read: read.get(Color.RED),
    "get_many": lambda read: read.get_many([{"color": "red"}]),
}


@pytest.fixture
def atomic(backend: Backend) -> Callable[..., Any]:
    """Give `transaction.atomic` on the backend's database."""
    return lambda: transaction.atomic(using=backend.database)


@pytest.fixture
def changed(backend: Backend) -> None:
    """Let `shelf(RED)` be stale: its source has changed."""
    shelf(Color.RED)
    shelf.invalidate(Color.RED)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Wanted]:
    """Give what is handed to Celery from now on, whether it takes it or not."""
    handed: list[Wanted] = []
    send = queue.send

    def note(task: Any, wanted: Wanted) -> None:
        handed.append(wanted)
        send(task, wanted)

    monkeypatch.setattr(queue, "send", note)
    return handed


@pytest.fixture
def broker() -> Iterator[Callable[[str], None]]:
    """Give a function that has messages published to another broker."""
    with pytest.MonkeyPatch.context() as patch:  # undone before the messages of the test are cleared away

        def use(url: str) -> None:
            set_celery(patch, broker_url=url)
            patch.setattr(current_app.amqp, "_producer_pool", None)

        yield use


@pytest.fixture
def brief() -> Statistic[[Color], Stock]:
    """Give a statistic that is stale long before a note ends."""
    return statistic(name="tests.brief", ttl=timedelta(seconds=5), depends_on={Paint: "color"}, on_change="revalidate")(
        count_again
    )


def count_again(color: Color) -> Stock:
    """Count paint."""
    Computed.note("brief")
    return count_stock(color)


def give_back(number: int) -> int:
    """Give a number back."""
    return number


def fail(*_: object) -> Any:
    """Fail as a function does."""
    raise ZeroDivisionError("no paint")


def fail_with(error: Exception) -> None:
    """Fail as told."""
    raise error


def refuse(*_: object) -> Any:
    """Fail as a database that is out does."""
    raise OperationalError("no connection")


def found_by(statistic: Statistic[[Color], Stock]) -> str:
    """Give the state that a reader finds, asking a worker if it is stale."""
    return statistic.answer(Color.RED).state


def note_of(statistic: Statistic[..., Any]) -> str:
    """Name the note of the state that the entry of RED is in."""
    declaration = statistic.declaration
    variant = declaration.variant((Color.RED,), {})
    proofs = proving.prove(declaration, [variant])
    assert proofs is not None
    proof = proofs[variant.key]
    return Wanted(declaration, variant, proof.database, proof.row, proof.identity).note


# One message


@pytest.mark.parametrize("read", READS)
def test_a_stale_read_gives_at_once_and_queues_one_message(read: str, changed: None, messages: Messages) -> None:
    """Every verb that gives a stale value asks for one refresh, however often it is read, and computes nothing."""
    for _ in range(5):
        READS[read](shelf)
    assert messages.take() == [RED]
    assert Computed.of("shelf") == 1


@pytest.mark.parametrize("step", [400, -20])
def test_whatever_made_it_stale_one_message_is_queued(step: int, clock: Traveller, messages: Messages) -> None:
    """An entry that is stale by age, or by a clock that stepped back, is asked for as one whose source changed."""
    shelf(Color.RED)
    clock.shift(step)
    assert {found_by(shelf) for _ in range(5)} == {"stale"}
    assert messages.take() == [RED]


def test_what_only_looks_queues_nothing(changed: None, messages: Messages) -> None:
    """`entry` and `is_fresh` change nothing, not even what is queued."""
    assert shelf.entry(Color.RED) is not None
    assert not shelf.is_fresh(Color.RED)
    assert messages.take() == []


def test_forty_threads_queue_one_message(changed: None, messages: Messages) -> None:
    """However many readers find it stale at once, one message is published."""
    together = Barrier(READERS)

    def read(_: int) -> str:
        try:
            together.wait(PATIENCE)
            return found_by(shelf)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(READERS) as threads:
        assert set(threads.map(read, range(READERS))) == {"stale"}
    assert messages.take() == [RED]
    assert Computed.of("shelf") == 1


def test_each_entry_is_asked_for_by_itself(messages: Messages) -> None:
    """A message for one variant says nothing of another."""
    for color in Color:
        shelf(color)
    shelf.invalidate()
    for color in Color:
        shelf(color)
    assert [asked["parameters"] for asked in messages.take()] == ['{"color":"red"}', '{"color":"blue"}']


# What it says


def test_a_message_is_names_and_json_text(clock: Traveller, messages: Messages) -> None:
    """It names the task, the statistic and its parameters as JSON; asks for no result; ends before the note does."""
    shelf(Color.RED)
    clock.shift(400)
    shelf(Color.RED)
    (message,) = messages
    assert message.content_type == "application/json"
    assert (message.headers["task"], message.payload[:2]) == ("statistics_cache.refresh", [[], RED])
    assert message.headers["ignore_result"] is True
    assert message.headers["timelimit"] == [None, None]
    assert datetime.fromisoformat(message.headers["expires"]).timestamp() - time() == 60


@pytest.mark.parametrize("name", [REFRESH, TICK])
def test_no_message_is_a_pickle(name: str, messages: Messages, settings: Settings) -> None:
    """Whatever serializer Celery is told to use, ours are JSON; so are their retries, and what beat sends."""
    settings.CELERY_TASK_SERIALIZER = "pickle"
    task, arguments = current_app.tasks[name], RED if name == REFRESH else {}
    task.apply_async(kwargs=arguments)
    task.signature_from_request(task.request, (), arguments).apply_async()
    current_app.send_task(name, **BEAT_SCHEDULE[TICK]["options"])
    assert [message.content_type for message in messages] == ["application/json"] * 3


def test_a_statistic_has_its_own_queue_and_time_limits(monkeypatch: pytest.MonkeyPatch, messages: Messages) -> None:
    """`queue=` and `time_limit=` go with the message: a soft limit first, the kill some seconds later."""
    options: dict[str, Any] = {"queue": "slow", "time_limit": timedelta(seconds=90)}
    slow = statistic(name="tests.slow", depends_on={Paint: "color"}, **options)(count_again)
    assert slow.answer(Color.RED, wait=False) is None
    assert messages.take() == []
    monkeypatch.setattr("tests.messages.QUEUE", "slow")
    (message,) = messages
    assert message.headers["timelimit"] == [100, 90]
    assert message.headers["shadow"] == "statistics_cache.refresh tests.slow", "Celery's own lines do not name it"


def test_the_queue_of_the_settings_is_used(conf: Any, monkeypatch: pytest.MonkeyPatch, messages: Messages) -> None:
    """Where a statistic names no queue, QUEUE does; where that is None, Celery's routes do."""
    conf(QUEUE="others")
    stock.answer(Color.RED, wait=False)
    assert messages.take() == []
    monkeypatch.setattr("tests.messages.QUEUE", "others")
    assert len(messages.take()) == 1


# What queues again


def change(_: Traveller, statistic: Statistic[[Color], Stock], __: pytest.MonkeyPatch) -> None:
    """Change the source."""
    statistic.invalidate(Color.RED)


def store(clock: Traveller, statistic: Statistic[[Color], Stock], _: pytest.MonkeyPatch) -> None:
    """Compute anew, and let that be stale again."""
    statistic.refresh(Color.RED)
    clock.shift(6)


def fail_once(clock: Traveller, statistic: Statistic[[Color], Stock], patch: pytest.MonkeyPatch) -> None:
    """Let a compute fail, and the time pass until it may be tried again."""
    with patch.context() as failing, pytest.raises(ZeroDivisionError):
        failing.setattr(f"{__name__}.count_stock", fail)
        statistic.refresh(Color.RED)
    clock.shift(2)
    forget_held_notes()


def forget_held_notes() -> None:
    """Let the time come at which a note ends that stands until a failure may be tried again: a server's clock goes on
    as it does."""
    if isinstance(cache := caches["statistics"], RedisCache):
        cache.delete_pattern("*:queued:*.0")


@pytest.mark.parametrize("happen", [change, store, fail_once])
def test_another_state_is_asked_for_anew(
    happen: Callable[..., None],
    brief: Statistic[[Color], Stock],
    clock: Traveller,
    messages: Messages,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was queued before a change, a compute or a failure never hides that it is stale since."""
    brief(Color.RED)
    clock.shift(6)
    assert [found_by(brief) for _ in range(2)] == ["stale"] * 2
    happen(clock, brief, monkeypatch)
    assert [found_by(brief) for _ in range(2)] == ["stale"] * 2
    assert len(messages.take()) == 2


def test_a_change_during_a_refresh_is_asked_for(
    changed: None, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that changes while a worker computes: the next reader has it computed again, at once."""
    change_while_computing(monkeypatch)
    shelf(Color.RED)
    assert messages.work() == 2
    answer = shelf.answer(Color.RED)
    assert (answer.state, answer.value.pots) == ("fresh", 1)


def test_a_note_without_the_state_loses_a_change(
    changed: None, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken version: a note of the entry alone hides a change during a refresh; nobody computes it anew."""
    monkeypatch.setattr(Wanted, "state", "0")
    change_while_computing(monkeypatch)
    shelf(Color.RED)
    assert messages.work() == 1
    answer = shelf.answer(Color.RED)
    assert (answer.state, answer.value.pots) == ("stale", 0)
    assert messages.take() == []


def change_while_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next compute read the source, and then the source change and a reader come."""

    def count(color: Color) -> Stock:
        found = count_stock(color)
        if Paint.objects.exists():
            return found
        Paint.objects.create(color=color)
        shelf(color)
        return found

    monkeypatch.setattr("tests.samples.count_stock", in_a_compute_of_nobody(count))


def in_a_compute_of_nobody(function: Callable[[Color], Stock]) -> Callable[[Color], Stock]:
    """Call a function in another thread, where what it reads is no part of a compute."""

    def call(color: Color) -> Stock:
        try:
            return function(color)
        finally:
            connections.close_all()

    def run(color: Color) -> Stock:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(call, color).result(PATIENCE)

    return run


# How long a note lasts


@ON_LOCMEM
def test_a_note_outlives_the_lease(clock: Traveller, messages: Messages) -> None:
    """Who queues again finds the lease of the first one expired; until then nobody queues, and the message ends."""
    shelf(Color.RED)
    clock.shift(400)
    shelf(Color.RED)
    (first,) = messages
    assert datetime.fromisoformat(first.headers["expires"]).timestamp() == time() + 60
    clock.shift(60.9)
    shelf(Color.RED)
    assert messages.take() == []
    clock.shift(0.2)
    shelf(Color.RED)
    assert messages.take() == [RED]


@ON_VALKEY
def test_a_note_outlives_the_lease_on_a_server(changed: None, conf: Any) -> None:
    """A server keeps a note for LEASE_TTL and a second, counted from the read that took it."""
    conf(LEASE_TTL=100)
    shelf(Color.RED)
    cache: Any = caches["statistics"]
    assert 100_000 < cache.pttl(note_of(shelf)) <= 101_000


@ON_LOCMEM
def test_who_computes_is_not_asked_for_again(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that takes the lease late keeps the note for as long: readers meanwhile queue nothing."""
    shelf(Color.RED)
    clock.shift(400)
    shelf(Color.RED)
    clock.shift(50)

    def count(color: Color) -> Stock:
        clock.shift(50)
        shelf(color)
        return Stock(pots=0, litres=0)

    monkeypatch.setattr("tests.samples.count_stock", in_a_compute_of_nobody(count))
    assert messages.work() == 1


# What is out


def test_without_the_hot_tier_each_process_queues_one(changed: None, messages: Messages) -> None:
    """While the hot tier is out the notes are the process's own, and of a state as well."""
    asking.breaker.failed(ConnectionError())
    asking.breaker.retry_at += 1000
    assert {found_by(shelf) for _ in range(5)} == {"stale"}
    assert messages.take() == [RED]
    shelf.invalidate(Color.RED)
    assert {found_by(shelf) for _ in range(5)} == {"stale"}
    assert messages.take() == [RED]


@ON_LOCMEM
def test_without_the_hot_tier_many_entries_queue_one_each(messages: Messages) -> None:
    """A process remembers what it has queued of a large dashboard, too."""
    numbered = statistic(name="tests.numbered", on_change="revalidate")(give_back)
    variants = [{"number": number} for number in range(400)]
    numbered.get_many(variants)
    numbered.invalidate()
    asking.breaker.failed(ConnectionError())
    asking.breaker.retry_at += 1000
    for _ in range(2):
        assert {answer.state for answer in numbered.get_many(variants)} == {"stale"}
    assert len(messages.take()) == len(variants)


def test_a_broker_that_refuses_costs_readers_nothing(
    changed: None, sent: list[Wanted], broker: Callable[[str], None], messages: Messages
) -> None:
    """The read keeps its contract; then nobody asks until a pause is over, and then one does."""
    broker(NOWHERE)
    assert [found_by(shelf) for _ in range(5)] == ["stale"] * 5
    assert stock.answer(Color.RED, wait=False) is None
    assert len(sent) == 1
    assert queue.breaker.is_open
    assert caches["statistics"].get(note_of(shelf)) is None, "nothing is queued, so nothing says so"
    queue.breaker.retry_at = 0.0
    assert [found_by(shelf) for _ in range(5)] == ["stale"] * 5
    assert len(sent) == 2
    broker("memory://")
    queue.breaker.retry_at = 0.0
    assert [found_by(shelf) for _ in range(5)] == ["stale"] * 5
    assert messages.take() == [RED]
    assert not queue.breaker.is_open


@pytest.mark.parametrize("url", ["redsi://127.0.0.1:1", "bare://127.0.0.1:1"], ids=["misspelt", "not installed"])
def test_a_broker_without_a_transport_is_one_that_refuses(
    url: str,
    changed: None,
    broker: Callable[[str], None],
    messages: Messages,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Readers have their stale value, one line says so, and nobody tries again until the pause is over."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "bare", "tests.not_installed:Transport")
    broker(url)
    assert {found_by(shelf) for _ in range(5)} == {"stale"}
    assert [each.getMessage().split(": ")[:3] for each in caplog.records] == [
        ["breaker opened", "broker", "NoTransport"]
    ]
    assert shelf.refresh_later(Color.RED) is False
    broker("memory://")
    queue.breaker.retry_at = 0.0
    assert {found_by(shelf) for _ in range(5)} == {"stale"}
    assert messages.take() == [RED]


@pytest.mark.parametrize("error", [KeyError("color"), ImportError("no module"), ValueError("no pots")], ids=repr)
def test_an_error_that_only_looks_like_no_transport_is_raised(
    error: Exception, changed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What sending raises after the transport is there is ours."""
    monkeypatch.setattr(queue, "send", lambda *_: fail_with(error))
    with pytest.raises(type(error)):
        shelf(Color.RED)
    assert not queue.breaker.is_open


def test_an_error_of_ours_is_no_outage(changed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker's transport does not name as its own is raised, and opens nothing."""
    monkeypatch.setattr(queue, "send", fail)
    with pytest.raises(ZeroDivisionError):
        shelf(Color.RED)
    assert not queue.breaker.is_open


@pytest.mark.parametrize("state", ["stale", "missing"])
def test_with_the_database_out_nothing_is_queued(
    state: str, clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be stored is not asked for, whether it is given unproven or is not there."""
    if state == "stale":
        shelf(Color.RED)
    clock.shift(31)
    monkeypatch.setattr(proving, "prove_at_once", refuse)
    answer = shelf.answer(Color.RED, wait=False)
    assert (answer and answer.reason) == ("unproven" if state == "stale" else None)
    assert messages.take() == []


# Transactions


def test_in_a_transaction_it_is_published_after_the_commit(changed: None, atomic: Any, messages: Messages) -> None:
    """However often it is read in a transaction, one message is published, and not before the commit."""
    with atomic():
        with atomic():
            assert found_by(shelf) == "stale"
        assert {found_by(shelf) for _ in range(5)} == {"stale"}
        assert messages.take() == []
    assert messages.take() == [RED]


def test_after_a_rollback_nothing_is_published(
    changed: None, atomic: Any, backend: Backend, messages: Messages
) -> None:
    """What a transaction asked for goes with it, and the next reader asks for itself."""
    with atomic():
        assert found_by(shelf) == "stale"
        transaction.set_rollback(True, using=backend.database)
    assert messages.take() == []
    shelf(Color.RED)
    assert messages.take() == [RED]


def test_after_an_inner_rollback_an_outer_read_is_published(
    changed: None, atomic: Any, backend: Backend, messages: Messages
) -> None:
    """A read in a block that is rolled back asks for nothing, and keeps no later read from asking."""
    for is_read in (False, True):
        with atomic():
            with atomic():
                shelf(Color.RED)
                transaction.set_rollback(True, using=backend.database)
            if is_read:
                shelf(Color.RED)
        assert messages.take() == ([RED] if is_read else [])


def test_a_transaction_that_changed_a_source_queues_nothing(changed: None, atomic: Any, messages: Messages) -> None:
    """Not even after the commit: its own reads say nothing of what others will find."""
    with atomic():
        Paint.objects.create(color="red")
        assert shelf.answer(Color.RED).tier == "computed"
        assert shelf.get(Color.RED) is not None
        assert shelf.answer(Color.RED, wait=False) is not None
        assert shelf.answer(Color.BLUE, wait=False) is None
    assert messages.take() == []


# What asks for nothing


def read_inside() -> int:
    """Read a stale statistic and a missing one in every way."""
    shelf.get(Color.RED)
    shelf.answer(Color.RED, wait=False)
    shelf.answer(Color.BLUE, wait=False)
    return shelf(Color.RED).pots


def test_within_a_compute_nothing_is_queued(changed: None, messages: Messages) -> None:
    """A statistic that another one uses is computed there and then."""
    statistic(name="tests.outer", depends_on=[shelf])(read_inside)()
    assert messages.take() == []


def test_a_failure_that_is_not_to_be_repeated_is_not_queued(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is time to try again, readers are given what is stale and ask for nothing."""
    shelf(Color.RED)
    clock.shift(400)
    StatisticEntry.objects.update(failures=6)  # a pause of a minute, which no slow test outlasts
    with monkeypatch.context() as failing, pytest.raises(ZeroDivisionError):
        failing.setattr("tests.samples.count_stock", fail)
        shelf.refresh(Color.RED)
    for read in READS.values():
        read(shelf)
    assert messages.take() == []
    clock.shift(71)
    forget_held_notes()
    shelf(Color.RED)
    assert messages.take() == [RED]


def test_a_miss_without_waiting_is_queued(messages: Messages) -> None:
    """`wait=False` on a miss gives None and asks once for all; `get` gives None and asks for nothing."""
    assert shelf.get(Color.RED) is None
    assert messages.take() == []
    assert {shelf.answer(Color.RED, wait=False) for _ in range(5)} == {None}
    assert messages.work() == 1
    assert shelf.answer(Color.RED).tier == "hot"
    assert Computed.of("shelf") == 1


def test_where_a_change_expires_nothing_is_queued(messages: Messages) -> None:
    """A changed entry is a miss there: a call computes it itself, `get` gives None, and neither asks a worker."""
    stock(Color.RED)
    stock.invalidate(Color.RED)
    assert stock.get(Color.RED) is None
    assert stock.answer(Color.RED).tier == "computed"
    assert messages.take() == []


def test_disabled_nothing_is_queued(changed: None, conf: Any, messages: Messages) -> None:
    """ENABLED = False asks nobody for anything."""
    conf(ENABLED=False)
    for read in READS.values():
        read(shelf)
    assert shelf.refresh_later(Color.RED) is False
    assert messages.take() == []


# Without a worker


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run tasks where they are sent, and let what they raise be raised there, as far as Celery has a say."""
    set_celery(monkeypatch, task_always_eager=True, task_eager_propagates=True)


@pytest.mark.usefixtures("eager")
def test_eager_the_reader_computes_behind_its_own_answer(changed: None, messages: Messages) -> None:
    """Where tasks run eagerly a stale read gives what is stale, and what it computed is there for the next one."""
    assert [shelf.answer(Color.RED).state for _ in range(2)] == ["stale", "fresh"]
    assert Computed.of("shelf") == 2
    assert messages.take() == []


@pytest.mark.usefixtures("eager")
def test_eager_what_fails_is_not_the_readers(changed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What such a compute raises is recorded on the entry, and the reader has its answer."""
    monkeypatch.setattr("tests.samples.count_stock", fail)
    assert [shelf.answer(Color.RED).state for _ in range(2)] == ["stale"] * 2
    row = StatisticEntry.objects.get()
    assert (row.failures, row.last_error) == (1, "ZeroDivisionError: no paint")


@pytest.mark.usefixtures("eager")
def test_eager_in_a_transaction_it_waits_for_the_commit(changed: None, atomic: Any) -> None:
    """Nothing is computed inside a reader's transaction."""
    with atomic():
        assert {shelf.answer(Color.RED).state for _ in range(2)} == {"stale"}
    assert Computed.of("shelf") == 2
    assert shelf.answer(Color.RED).tier == "hot"


# By hand


def test_refresh_later_computes_what_is_fresh(clock: Traveller, messages: Messages) -> None:
    """A worker computes it whatever is stored, once for all who asked, for as long as the old value may be served."""
    shelf(Color.RED)
    assert [shelf.refresh_later(Color.RED) for _ in range(3)] == [True] * 3
    Paint.objects.create(color="red")
    shelf.set(Color.RED, result=Stock(pots=7, litres=7))
    assert shelf.refresh_later(Color.RED) is True
    assert messages.work() == 2
    assert shelf(Color.RED).pots == 1
    shelf.refresh_later(Color.BLUE)
    (message,) = messages
    assert message.payload[1] == RED | {"parameters": '{"color":"blue"}', "forced": True}
    assert datetime.fromisoformat(message.headers["expires"]).timestamp() - time() == 3600


def test_refresh_later_waits_for_the_commit(atomic: Any, backend: Backend, messages: Messages) -> None:
    """In a transaction that changed a source, too: then a worker finds what was committed."""
    with atomic():
        Paint.objects.create(color="red")
        assert shelf.refresh_later(Color.RED) is True
        assert messages.take() == []
    assert messages.work() == 1
    assert shelf.answer(Color.RED).tier == "hot"
    assert shelf(Color.RED).pots == 1
    with atomic():
        shelf.refresh_later(Color.RED)
        transaction.set_rollback(True, using=backend.database)
    assert messages.take() == []


def test_refresh_later_tells_of_an_outage(
    broker: Callable[[str], None], messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """False means that nothing is queued: the broker is out, or the database, which could not tell the state."""
    broker(NOWHERE)
    assert shelf.refresh_later(Color.RED) is False
    broker("memory://")
    queue.breaker.succeeded()
    with monkeypatch.context() as out:
        out.setattr(proving, "prove_at_once", refuse)
        assert shelf.refresh_later(Color.RED) is False
    assert messages.take() == []
    assert shelf.refresh_later(Color.RED) is True
    assert len(messages.take()) == 1


@ON_LOCMEM
def test_who_has_nothing_to_send_takes_nobodys_turn_to_probe(changed: Any, broker: Any, messages: Messages) -> None:
    """A reader that finds its refresh queued already leaves the probe of a broker that was out to the next one."""
    shelf(Color.RED)
    assert len(messages.take()) == 1
    broker(NOWHERE)
    stock.answer(Color.RED, wait=False)
    assert queue.breaker.is_open
    broker("memory://")
    queue.breaker.retry_at = 0.0
    shelf(Color.RED)
    stock.answer(Color.RED, wait=False)
    assert not queue.breaker.is_open
