"""Busy sources: what changes all the time is refreshed so often and no more, and given for so long and no longer."""

from datetime import timedelta
from time import time
from typing import Any

import pytest
from django.core.cache import caches
from django.test import Client
from time_machine import Traveller

from statistics_cache import DeclarationError, Statistic, statistic, upkeep
from statistics_cache.cold import rows as cold
from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from tests.admin.conftest import LIST
from tests.conftest import BACKENDS, Backend, Queries
from tests.messages import Messages
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, Computed, Stock, count_stock
from tests.test_tasks import do, trace

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])
ON_BOTH = pytest.mark.parametrize("backend", [BACKENDS[0], BACKENDS[2]], indirect=True, ids="-".join)
IN_MEMORY = pytest.mark.parametrize("backend", BACKENDS[:1], indirect=True, ids="-".join)  # notes end by tests' clock

SECOND = timedelta(seconds=1)
FLOOR, CHANGED_TTL = 30 * SECOND, 120 * SECOND
BUSY: dict[str, Any] = {"on_change": "revalidate", "refresh_every": FLOOR, "changed_ttl": CHANGED_TTL}


def tally(color: Color) -> Stock:
    """Count how often it is computed."""
    Computed.note("tally")
    return count_stock(color)


def declare(**options: Any) -> Statistic[[Color], Stock]:
    """Declare a statistic of a busy table."""
    options = {"ttl": TTL, "stale_ttl": STALE_TTL, "depends_on": {Paint: "color"}, **BUSY, **options}
    return statistic(name="tests.tally", **options)(tally)


def write(database: str) -> None:
    """Change the source now: the database's own clock is no test's."""
    known = set(StatisticInvalidation.objects.values_list("pk", flat=True))
    Paint.objects.using(database).create(color="red", litres=1)
    StatisticInvalidation.objects.exclude(pk__in=known).update(created_at=cold.time_for(time()))


def fold(database: str) -> None:
    """Fold the log now."""
    upkeep.fold(database)
    StatisticScope.objects.update(folded_at=cold.time_for(time()))


def found_by(busy: Statistic[[Color], Stock]) -> tuple[str, str | None]:
    """Give the state and the reason that a call finds; a computed answer is fresh."""
    answer = busy.answer(Color.RED)
    return answer.state, answer.reason


STALE, FRESH = ("stale", "source"), ("fresh", None)


@ON_BOTH
def test_a_change_makes_stale_at_once(clock: Traveller, backend: Backend) -> None:
    """The first read after a change says that the value is stale, and why."""
    busy = declare()
    assert found_by(busy) == FRESH
    write(backend.database)
    assert found_by(busy) == STALE
    assert Computed.of("tally") == 1


@IN_MEMORY
def test_a_quiet_table_is_exact(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """What was left in peace for longer than the floor is refreshed as soon as its first reader finds it changed."""
    busy = declare()
    busy(Color.RED)
    clock.shift(FLOOR)
    write(backend.database)
    assert found_by(busy) == STALE
    assert messages.work() == 1
    assert (found_by(busy), busy(Color.RED).pots) == (FRESH, 1)


@IN_MEMORY
def test_a_worker_is_asked_so_often_and_no_more(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """Of a table that is written all the time a value is computed once per `refresh_every`, however many read it."""
    busy = declare()
    busy(Color.RED)
    asked = []
    for second in range(5, 125, 5):
        clock.shift(5)
        write(backend.database)
        assert {found_by(busy) for _ in range(3)} <= {STALE, FRESH}
        if messages.work():
            asked.append(second)
    assert asked == [30, 60, 90, 120]
    assert Computed.of("tally") == 5


@IN_MEMORY
def test_what_is_lost_is_asked_for_after_the_floor(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """While no worker takes messages there is one per `refresh_every`, whatever changes meanwhile."""
    busy = declare(changed_ttl=None)
    busy(Color.RED)
    taken = 0
    for _ in range(30):
        clock.shift(5)
        write(backend.database)
        found_by(busy)
        taken += len(messages.take())
    assert taken == 5


@IN_MEMORY
def test_what_is_dear_is_asked_for_less_often(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """A compute that costs more than a fourth of the floor has a worker busy for a fourth of the time at most."""
    busy = declare(changed_ttl=None)
    busy(Color.RED)
    StatisticEntry.objects.update(cost=20.0)
    caches["statistics"].clear()
    write(backend.database)
    clock.shift(79)
    found_by(busy)
    assert messages.take() == []
    clock.shift(1)
    found_by(busy)
    assert len(messages.take()) == 1


@IN_MEMORY
def test_what_fails_is_asked_for_no_more_often(
    clock: Traveller, backend: Backend, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The floor counts from when a worker began, though nothing was stored and the source has changed again."""
    busy = declare(changed_ttl=None)
    busy(Color.RED)
    clock.shift(FLOOR)
    write(backend.database)
    found_by(busy)
    clock.shift(25)
    monkeypatch.setitem(globals(), "count_stock", fail)
    assert messages.work() == 1
    for seconds, asked in ((10, 0), (20, 1)):
        write(backend.database)
        clock.shift(seconds)
        found_by(busy)
        assert len(messages.take()) == asked


def fail(_: Color) -> Stock:
    """Fail as a function does."""
    raise ZeroDivisionError("no paint")


@IN_MEMORY
def test_what_is_only_old_obeys_it(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """Whatever makes it stale, and whichever tier tells."""
    busy = declare(refresh_every=TTL + FLOOR, changed_ttl=None)
    busy(Color.RED)
    clock.shift(TTL)
    assert {found_by(busy) for _ in range(3)} == {("stale", "age")}
    assert messages.take() == []
    clock.shift(FLOOR)
    assert {found_by(busy) for _ in range(3)} == {("stale", "age")}
    assert len(messages.take()) == 1


@ON_BOTH
def test_a_changed_value_is_given_for_so_long(clock: Traveller, backend: Backend) -> None:
    """It counts from the first change that is lacking, not from the compute, nor from the last; then the reader
    computes."""
    busy = declare()
    busy(Color.RED)
    clock.shift(100)
    write(backend.database)
    clock.shift(60)
    write(backend.database)
    clock.shift(59.9)
    assert found_by(busy) == STALE
    clock.shift(0.1)
    assert busy.get(Color.RED, allow_stale=True) is None
    answer = busy.answer(Color.RED)
    assert (answer.tier, answer.value.pots) == ("computed", 2)


@ON_BOTH
def test_where_a_fold_hides_the_time_it_counts_from_the_compute(clock: Traveller, backend: Backend) -> None:
    """Of what was folded since nobody knows when it changed: the strictest is taken."""
    busy = declare()
    busy(Color.RED)
    clock.shift(100)
    write(backend.database)
    clock.shift(10)
    assert found_by(busy) == STALE
    fold(backend.database)
    clock.shift(10)
    assert found_by(busy) == FRESH
    assert Computed.of("tally") == 2


@ON_BOTH
def test_a_fold_before_the_compute_hides_nothing(clock: Traveller, backend: Backend) -> None:
    """What was folded before the value was computed is in it."""
    write(backend.database)
    fold(backend.database)
    clock.shift(10)
    busy = declare()
    busy(Color.RED)
    clock.shift(200)
    write(backend.database)
    assert found_by(busy) == STALE


@ON_BOTH
def test_clearing_counts_as_no_change(clock: Traveller, backend: Backend) -> None:
    """What is folded of a clearing says nothing of when the source changed."""
    busy = declare()
    busy.clear_all()
    busy(Color.RED)
    clock.shift(10)
    fold(backend.database)
    clock.shift(200)
    write(backend.database)
    assert found_by(busy) == STALE


@ON_BOTH
def test_it_takes_no_more_queries(clock: Traveller, backend: Backend, queries: Queries) -> None:
    """When the source changed is told by the statement that tells that it did."""
    busy = declare()
    busy(Color.RED)
    write(backend.database)
    with queries(1):
        assert found_by(busy) == STALE


@ON_BOTH
def test_what_is_left_of_a_value_is_told(clock: Traveller, backend: Backend) -> None:
    """A peek says for how long it may still be given."""
    busy = declare()
    busy(Color.RED)
    clock.shift(10)
    write(backend.database)
    clock.shift(40)
    entry = busy.entry(Color.RED)
    assert entry is not None
    assert entry.expires_in == CHANGED_TTL - 40 * SECOND
    clock.shift(80)
    entry = busy.entry(Color.RED)
    assert entry is not None
    assert (entry.state, entry.reason, entry.expires_in) == ("expired", "source", timedelta(0))


# Who obeys the floor


@IN_MEMORY
def test_what_is_done_by_hand_ignores_the_floor(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """`.refresh` computes, and `.refresh_later` is queued, at any time."""
    busy = declare()
    busy(Color.RED)
    write(backend.database)
    assert busy.refresh_later(Color.RED)
    do(messages)
    assert busy.answer(Color.RED).value.pots == 1
    write(backend.database)
    assert busy.refresh(Color.RED).value.pots == 2


@IN_MEMORY
def test_the_tick_obeys_it(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """What is kept warm is queued once per floor, and what a reader has asked for is not queued again."""
    busy = declare(hydrate=[{"color": "red"}])
    busy(Color.RED)
    write(backend.database)
    clock.shift(29)
    assert upkeep.tick([busy.declaration]).queued == 0
    clock.shift(1)
    assert upkeep.tick([busy.declaration]).queued == 1
    found_by(busy)
    assert len(messages.take()) == 1
    write(backend.database)
    assert upkeep.tick([busy.declaration]).queued == 0


@IN_MEMORY
def test_what_is_cleared_is_asked_for_at_once(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """Where there is nothing to give there is no floor."""
    busy = declare()
    busy(Color.RED)
    write(backend.database)
    clock.shift(FLOOR)
    found_by(busy)
    assert messages.work() == 1
    busy.clear_all()
    assert busy.answer(Color.RED, wait=False) is None
    assert len(messages.take()) == 1


@ON_BOTH
def test_a_message_that_comes_twice_computes_once(clock: Traveller, backend: Backend, messages: Messages) -> None:
    """Though the source has changed again: the floor is not over."""
    busy = declare()
    busy(Color.RED)
    clock.shift(FLOOR)
    write(backend.database)
    found_by(busy)
    (message,) = list(messages)
    for _ in range(2):
        clock.shift(2)
        assert trace(message)[0] == "SUCCESS"
        write(backend.database)
    assert Computed.of("tally") == 2


# What is refused, and what is shown

REFUSED = [
    ({"on_change": "expire", "changed_ttl": None}, "refresh_every is given, and on_change is 'expire'"),
    ({"on_change": "expire", "refresh_every": None}, "changed_ttl is given, and on_change is 'expire'"),
    ({"refresh_every": timedelta(0)}, "refresh_every is .* above 0"),
    ({"changed_ttl": -SECOND}, "changed_ttl is .* above 0"),
    ({"refresh_every": 30}, "refresh_every is 30. Give a timedelta"),
    ({"refresh_every": CHANGED_TTL + SECOND}, "refresh_every .* is above changed_ttl"),
    ({"changed_ttl": STALE_TTL + SECOND}, "changed_ttl .* is above stale_ttl"),
    ({"refresh_every": STALE_TTL + SECOND, "changed_ttl": None}, "refresh_every .* is above stale_ttl"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_means_nothing_is_refused(options: dict[str, Any], message: str) -> None:
    """At import, by name and with the cure."""
    with pytest.raises(DeclarationError, match=message):
        declare(**options)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (10, "Its source changed 10 s ago, next refresh in 15 s: tests.Paint"),
        (40, "Its source changed 40 s ago: tests.Paint"),
        (120, "Its source changed 2 min ago, longer than its changed_ttl of 2 min: tests.Paint"),
    ],
)
@IN_MEMORY
def test_the_admin_says_when(seconds: int, said: str, clock: Traveller, backend: Backend, admin_client: Client) -> None:
    """In the list and on the entry's page: for how long it has been changed, and when a worker is asked next."""
    busy = declare()
    busy(Color.RED)
    clock.shift(5)
    write(backend.database)
    clock.shift(seconds)
    row = StatisticEntry.objects.using(backend.database).get()
    for page in (LIST, f"{LIST}{row.pk}/change/"):
        assert said in admin_client.get(page).content.decode()


@IN_MEMORY
def test_the_list_counts_what_it_shows(clock: Traveller, backend: Backend, admin_client: Client) -> None:
    """What has been changed for too long is expired."""
    busy = declare()
    busy(Color.RED)
    write(backend.database)
    clock.shift(CHANGED_TTL)
    assert "color=&quot;red&quot;" in admin_client.get(f"{LIST}?state=expired").content.decode()
    assert "color=&quot;red&quot;" not in admin_client.get(f"{LIST}?state=stale").content.decode()
