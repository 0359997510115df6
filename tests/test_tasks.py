"""What a worker does with a message: promote, compute once, try again what an outage caused, tell of the rest."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from time import time
from typing import Any

import pytest
from celery import current_app
from celery.app.trace import build_tracer
from django.core.cache import caches
from django.db import InterfaceError, OperationalError, ProgrammingError
from time_machine import Traveller

from statistics_cache import computing, statistic, upkeep
from statistics_cache.api import registry
from statistics_cache.broker.schedule import REFRESH, TICK
from statistics_cache.cold import proving
from statistics_cache.cold import rows as cold
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from statistics_cache.signals import refresh_refused
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, Stock, count_stock, shelf, stock
from tests.spaces import identity, lease_of

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

NAMED = {"statistic": "tests.shelf", "parameters": '{"color":"red"}'}
RED = NAMED.values()
OUTAGES = [OperationalError("server closed the connection"), InterfaceError("connection already closed")]
FAILURES = [
    ZeroDivisionError("no paint"),
    ProgrammingError("no such column"),
    OperationalError("canceling statement due to statement timeout"),
]


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Give a function that says what the next computes give, or raise."""

    def give(what: Any, *_: object) -> Any:
        if isinstance(what, Exception):
            raise what
        return what

    return lambda what: monkeypatch.setattr("tests.samples.count_stock", partial(give, what))


def do(messages: Messages) -> list[tuple[str, Any]]:
    """Do what is queued as a worker does, and give the state and the result of each; what it retries is queued."""
    return [trace(message) for message in list(messages)]


def trace(message: Any) -> tuple[str, Any]:
    """Run one message through Celery's own tracer."""
    name, (args, kwargs, _) = message.headers["task"], message.payload
    request = message.headers | {"args": args, "kwargs": kwargs, "called_directly": False}
    request["delivery_info"] = message.delivery_info
    tracer = build_tracer(name, current_app.tasks[name], app=current_app)
    ended = tracer(message.headers["id"], args, kwargs, request)
    return (ended.info.state, ended.info.retval) if ended.info else ("SUCCESS", ended.retval)


def countdown(message: Any) -> float:
    """Give the seconds until a message is due."""
    return datetime.fromisoformat(message.headers["eta"]).timestamp() - time()


def row() -> StatisticEntry:
    """Give the one row there is."""
    return StatisticEntry.objects.get()


def refuse(*_: object) -> Any:
    """Fail as a database that is out does."""
    raise OUTAGES[0]


def count_slowly(color: Color) -> Stock:
    """Count paint, as slowly as a test makes it."""
    Computed.note("slow")
    return count_stock(color)


def send(statistic: object, parameters: object) -> None:
    """Send a message that anybody could send."""
    current_app.tasks[REFRESH].apply_async(kwargs={"statistic": statistic, "parameters": parameters})


@pytest.fixture
def stale(clock: Traveller, messages: Messages) -> Stock:
    """Let `shelf(RED)` be stale, and a message ask for it; give the old value."""
    old = shelf(Color.RED)
    clock.shift(400)
    shelf(Color.RED)
    return old


# What is refused


def by_text(text: str, days: int = 1) -> int:
    """Have parameters that may hold anything."""
    return len(text) + days


REFUSED = {
    "an unknown statistic": ("tests.nobody", '{"text":"SECRET"}'),
    "an unknown parameter": ("tests.by_text", '{"txt":"SECRET"}'),
    "a missing parameter": ("tests.by_text", '{"days":1}'),
    "a wrong value": ("tests.by_text", '{"text":"x","days":"SECRET"}'),
    "what no database keeps": ("tests.by_text", '{"text":"SECRET\\u0000"}'),
    "what is no text": ("tests.by_text", '{"text":"SECRET\\ud800"}'),
    "no JSON": ("tests.by_text", "SECRET"),
    "no end": ("tests.by_text", '{"text":"SECRET'),
    "no object": ("tests.by_text", '["SECRET"]'),
    "no bottom": ("tests.by_text", "[" * 100_000),
    "a number without end": ("tests.by_text", f'{{"text":"SECRET","days":{"1" * 5_000}}}'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_message_that_means_nothing_here_is_told_of_and_dropped(
    name: str, messages: Messages, caplog: pytest.LogCaptureFixture
) -> None:
    """Other code has sent it, or an older one of ours: one signal, one line without a value in it, and no failure."""
    statistic(name="tests.by_text")(by_text)
    told: list[tuple[object, Exception]] = []
    refresh_refused.connect(note := lambda statistic, error, **_: told.append((statistic, error)))
    named, parameters = REFUSED[name]
    send(named, parameters)
    with caplog.at_level("DEBUG", logger="statistics_cache"):
        assert do(messages) == [("SUCCESS", None)]
    refresh_refused.disconnect(note)
    assert [statistic for statistic, _ in told] == [named]
    (record,) = [record for record in caplog.records if record.name == "statistics_cache"]
    assert (record.levelname, named in str(vars(record))) == ("WARNING", True)
    assert "SECRET" not in str(vars(record))
    assert not StatisticEntry.objects.exists()
    assert messages.take() == []


# What is fresh


def test_what_is_fresh_is_promoted_and_no_more(stale: Stock, messages: Messages) -> None:
    """A task that finds the entry fresh in the database puts it into the hot tier and computes nothing."""
    shelf.refresh(Color.RED)
    caches["statistics"].clear()
    assert do(messages) == [("SUCCESS", None)]
    assert Computed.of("shelf") == 2
    assert shelf.answer(Color.RED).tier == "hot"


def test_a_message_that_comes_twice_computes_once(stale: Stock, messages: Messages) -> None:
    """Delivered again, or queued by processes that know nothing of each other: what the first one stored is proved."""
    send(*RED)
    assert do(messages) == [("SUCCESS", None)] * 2
    assert Computed.of("shelf") == 2


def test_without_looking_first_a_message_that_comes_twice_computes_twice(
    stale: Stock, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken version: a refresh that ignores a proven row does the same work for each message."""
    monkeypatch.setattr(
        upkeep, "look_for_work", lambda declaration, variant, _: computing.capture(declaration, variant)
    )
    send(*RED)
    assert do(messages) == [("SUCCESS", None)] * 2
    assert Computed.of("shelf") == 3


@pytest.mark.parametrize(("age", "computes"), [(239, 1), (241, 2)])
def test_what_is_hydrated_is_computed_when_it_is_due(
    age: int, computes: int, clock: Traveller, messages: Messages
) -> None:
    """What will be stale before the tick after next is computed though it is fresh; what is not hydrated is not."""
    for color_of in (stock, shelf):
        color_of(Color.RED)
    clock.shift(age)
    send("tests.stock", '{"color":"red","doubled":false}')
    send(*RED)
    assert do(messages) == [("SUCCESS", None)] * 2
    assert (Computed.of("stock"), Computed.of("shelf")) == (computes, 1)


def test_disabled_a_worker_does_nothing(stale: Stock, messages: Messages, conf: Any) -> None:
    """ENABLED = False drops what was queued before."""
    conf(ENABLED=False)
    assert do(messages) == [("SUCCESS", None)]
    assert Computed.of("shelf") == 1


# What is computed


def test_a_stale_entry_is_computed_and_stored(stale: Stock, messages: Messages) -> None:
    """What a reader asked for is there for the next one, in both tiers."""
    Paint.objects.create(color="red", litres=5)
    assert do(messages) == [("SUCCESS", None)]
    answer = shelf.answer(Color.RED)
    assert (answer.tier, answer.state, answer.age, answer.value) == (
        "hot",
        "fresh",
        timedelta(0),
        Stock(pots=1, litres=5),
    )
    caches["statistics"].clear()
    assert shelf.answer(Color.RED).tier == "cold"


def test_what_another_computes_is_left_to_it(stale: Stock, messages: Messages) -> None:
    """A worker that finds the lease taken does not wait: the other one stores."""
    caches["statistics"].add(lease_of(shelf, Color.RED), "another")
    assert do(messages) == [("SUCCESS", None)]
    assert Computed.of("shelf") == 1


def test_a_compute_that_outlives_its_ttl_is_asked_for_anew(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that is stale as soon as it is stored is queued by its next reader, though the first note lasts."""

    def count(_: Color) -> Stock:
        clock.shift(6)
        return Stock(pots=0, litres=0)

    monkeypatch.setattr(f"{__name__}.count_stock", count)
    slow = statistic(name="tests.slow", ttl=timedelta(seconds=5))(count_slowly)
    slow(Color.RED)
    for computes in (1, 2, 3):
        answer = slow.answer(Color.RED)
        assert (answer.state, answer.reason, Computed.of("slow")) == ("stale", "age", computes)
        assert do(messages) == [("SUCCESS", None)]


# What is forced


def test_a_backlog_of_forced_refreshes_is_computed_once(clock: Traveller, messages: Messages) -> None:
    """While no worker takes them there is one a minute; the first one that is worked on computes for all."""
    shelf(Color.RED)
    for _ in range(4):
        assert shelf.refresh_later(Color.RED) is True
        clock.shift(61.5)
        caches["statistics"].clear()  # a server's notes end by its own clock
    Paint.objects.create(color="red")
    assert do(messages) == [("SUCCESS", None)] * 4
    assert (Computed.of("shelf"), shelf(Color.RED).pots) == (2, 1)


@pytest.mark.parametrize("happens", ["asked again", "changed", "clock set back"])
def test_a_forced_refresh_computes_what_was_not_computed_since(
    happens: str, clock: Traveller, messages: Messages
) -> None:
    """One that is asked for after the compute began; one whose source has changed since; one of the future."""
    shelf(Color.RED)
    if happens == "clock set back":
        clock.shift(-600)
    shelf.refresh_later(Color.RED)
    if happens != "clock set back":
        clock.shift(5)
        shelf.refresh(Color.RED)
    computed = Computed.of("shelf")
    if happens == "asked again":
        assert len(messages.take()) == 1
        shelf.refresh_later(Color.RED)
    if happens == "changed":
        shelf.invalidate(Color.RED)
    assert do(messages) == [("SUCCESS", None)]
    assert Computed.of("shelf") == computed + 1


@pytest.mark.parametrize("asked_at", [None, "noon", float("nan"), 10**400, [1]], ids=repr)
def test_a_forced_refresh_that_does_not_say_when_computes(asked_at: object, messages: Messages) -> None:
    """Other code has sent it, or an older one of ours."""
    shelf(Color.RED)
    shelf.refresh_later(Color.RED)
    (message,) = messages
    message.headers["asked_at"] = asked_at
    assert trace(message) == ("SUCCESS", None)
    assert Computed.of("shelf") == 2


# What fails


@pytest.fixture
def unwritable(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Let no failure be recorded, until this is undone."""
    with monkeypatch.context() as patch:
        patch.setattr(cold, "record_failure", refuse)
        yield patch


@pytest.mark.parametrize("error", OUTAGES, ids=["operational", "interface"])
def test_what_an_outage_caused_is_tried_again_and_then_raised(
    error: Exception, stale: Stock, messages: Messages, result: Callable[[Any], None], unwritable: pytest.MonkeyPatch
) -> None:
    """A compute that met a database that is out is tried five times more, later each time; then a worker fails."""
    result(error)
    (message,) = messages
    for pause in (1, 2, 4, 8, 16):
        assert trace(message)[0] == "RETRY"
        (message,) = messages
        assert message.payload[1] == NAMED
        assert pause <= countdown(message) <= 1.5 * pause
    assert trace(message) == ("FAILURE", error)
    assert messages.take() == []
    assert row().failures == 0
    assert Computed.of("shelf") == 1 + 6


def test_the_first_try_that_can_record_does(
    stale: Stock, messages: Messages, result: Callable[[Any], None], unwritable: pytest.MonkeyPatch
) -> None:
    """A failure that outlasts the outage is recorded as soon as the database takes it, and not tried again here."""
    result(OUTAGES[0])
    assert [state for state, _ in do(messages)] == ["RETRY"]
    unwritable.undo()
    assert do(messages) == [("FAILURE", OUTAGES[0])]
    assert messages.take() == []
    assert (row().failures, Computed.of("shelf")) == (1, 3)


def test_an_outage_that_ends_costs_a_retry_alone(
    stale: Stock, messages: Messages, result: Callable[[Any], None], unwritable: pytest.MonkeyPatch
) -> None:
    """What is tried again when the database is back is stored as if nothing had been."""
    result(OUTAGES[0])
    assert [state for state, _ in do(messages)] == ["RETRY"]
    unwritable.undo()
    result(Stock(pots=7, litres=7))
    assert do(messages) == [("SUCCESS", None)]
    assert shelf.answer(Color.RED)[:3] == (Stock(pots=7, litres=7), "fresh", None)


def test_while_the_database_is_out_it_is_tried_again(
    stale: Stock, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot even be looked for is tried again as long, then left to the next reader; nothing is computed."""
    (message,) = messages
    with monkeypatch.context() as out:
        out.setattr(proving, "prove_at_once", refuse)
        for pause in (1, 2, 4, 8, 16):
            assert trace(message)[0] == "RETRY"
            (message,) = messages
            assert pause <= countdown(message) <= 1.5 * pause
        assert trace(message) == ("SUCCESS", None)
    assert messages.take() == []
    assert Computed.of("shelf") == 1
    assert row().failures == 0


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_what_fails_is_recorded_and_tried_ever_later(
    error: Exception, stale: Stock, clock: Traveller, messages: Messages, result: Callable[[Any], None]
) -> None:
    """What can be recorded is, at once, and raised, be it the database's; the old value stays; the pause doubles."""
    result(error)
    for failures, pause in enumerate((1, 2, 4, 8), 1):
        assert do(messages) == [("FAILURE", error)]
        retry_at = row().retry_at
        assert retry_at is not None
        assert pause <= retry_at.timestamp() - time() <= 1.1 * pause
        assert (row().failures, row().last_error) == (failures, f"{type(error).__name__}: {error}")
        shelf.clear(tier="hot")  # what is only old is given hot, and there the note tells (test_old_hits.py)
        answer = shelf.answer(Color.RED)
        assert (answer.value, answer.state, answer.reason) == (stale, "stale", "age")
        assert messages.take() == [], "it is not asked for until then"
        clock.shift(1.2 * pause)
        shelf.clear(tier="hot")
        shelf(Color.RED)
    result(Stock(pots=7, litres=7))
    assert do(messages) == [("SUCCESS", None)]
    assert (row().failures, row().last_error, row().retry_at) == (0, "", None)


class Unwritable(Exception):
    """Has no text."""

    def __str__(self) -> str:
        """Fail at that, too."""
        raise RuntimeError("no text")


ODD = {
    "ValueError: file ???": ValueError("file \udcff\ud800\udfff"),
    "ValueError: ab": ValueError("a\0b"),
    "Unwritable": Unwritable(),
    "KeyError: 'x": KeyError("x" * 1_000_000),
}


@pytest.mark.parametrize("text", ODD)
def test_an_error_whose_text_no_database_keeps_is_recorded(
    text: str, stale: Stock, messages: Messages, result: Callable[[Any], None]
) -> None:
    """It reaches the caller as it is; the entry keeps what can be kept, at most a thousand characters; it backs off."""
    result(ODD[text])
    with pytest.raises(type(ODD[text])):
        shelf.refresh(Color.RED)
    assert (row().failures, row().last_error[: len(text)]) == (1, text)
    assert row().retry_at is not None
    assert len(row().last_error) <= 1_000
    assert do(messages) == [("SUCCESS", None)]
    assert Computed.of("shelf") == 2


def test_what_is_not_to_be_repeated_yet_is_left_alone(
    stale: Stock, messages: Messages, result: Callable[[Any], None]
) -> None:
    """A message that comes while a failure is young computes nothing and fails no more."""
    result(ZeroDivisionError("no paint"))
    send(*RED)
    send(*RED)
    assert [state for state, _ in do(messages)] == ["FAILURE", "SUCCESS", "SUCCESS"]
    assert (Computed.of("shelf"), row().failures) == (2, 1)


# The tasks themselves


def test_the_tasks_are_what_a_worker_must_know() -> None:
    """A refresh is acknowledged when it is done, so that a killed worker loses none; nobody waits for a result."""
    refresh, tick = current_app.tasks[REFRESH], current_app.tasks[TICK]
    assert (refresh.acks_late, refresh.ignore_result, tick.ignore_result) == (True, True, True)
    assert (refresh.name, tick.name) == ("statistics_cache.refresh", "statistics_cache.tick")


def test_the_tick_is_of_every_statistic(messages: Messages) -> None:
    """One task, without arguments, queues what is wanted of all that are declared, and says that it was there."""
    assert hot.last_tick(identity()) is None
    current_app.tasks[TICK].apply_async()
    (message,) = messages
    assert trace(message) == ("SUCCESS", None)
    assert hot.last_tick(identity()) is not None
    asked = {message["statistic"] for message in messages.take()}
    assert asked == {name for name, found in registry.named.items() if found.declaration.hydrate is not False}
    assert "tests.stock" in asked
