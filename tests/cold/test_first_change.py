"""The moment of the first change that a value lacks is never late, though folds merge log rows."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, permutations, product
from math import inf
from random import Random
from typing import Any, NamedTuple

import pytest
from django.db import connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from pytest_django import DjangoDbBlocker

from statistics_cache.cold import changelog, proving
from statistics_cache.cold.changelog import Change
from statistics_cache.cold.proving import Moves
from statistics_cache.models import (
    StatisticChange,
    StatisticEntry,
    StatisticIdentity,
    StatisticInvalidation,
    StatisticScope,
)
from tests.figures import Figure
from tests.interleaving.database import DEFAULTS
from tests.samples import Color, shelf

ONE, TWO = ('color="red"',), ('color="red"', "*")  # the scopes of changes, in turn: each has a sum of its own
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp()
PACES = ((5.0,), (0.4,), (5.0, 0.4), (0.4, 0.4, 5.0))  # seconds between events, again and again
ALIAS = "past"
LOG, SCOPES = StatisticInvalidation.objects.using(ALIAS), StatisticScope.objects.using(ALIAS)
RED = shelf.declaration.variant((Color.RED,), {})

# A change is noted in the log by its statement, and is there for others from its commit on.
Event = tuple[str, int]
History = Sequence[Event]
CAPTURE, FOLD = ("capture", 0), ("fold", 0)


class Ended(NamedTuple):
    """What the rule says of the first change that is lacking, when that was committed, and when the value was captured;
    seconds."""

    said: float
    true: float
    captured: float

    @property
    def fault(self) -> str:
        """Say what is wrong with it."""
        if self.captured <= self.said <= self.true:
            return ""
        return f"said {self.said - NOON:g}, committed at {self.true - NOON:g}, captured at {self.captured - NOON:g}"


class Past:
    """A database whose clock tests set."""

    now = NOON

    def spell(self, *_: object) -> str:
        """Give the time as SQLite's own `strftime` does."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]

    def play(self, history: History, pace: Sequence[float], scopes: Sequence[str] = ONE) -> Ended | None:
        """Play a history at a pace; None where nothing is lacking at its end."""
        LOG.all()._raw_delete(ALIAS)
        SCOPES.all()._raw_delete(ALIAS)
        self.now = NOON
        noted: dict[int, float] = {}
        committed: dict[int, float] = {}
        captured, held = 0.0, 0
        for (what, which), gap in zip(history, islice(cycle(pace), len(history)), strict=True):
            self.now += gap
            if what == "note":
                noted[which] = self.now
            elif what == "commit":
                committed[which] = self.now
                self.log(scopes[which % len(scopes)], noted[which])
            elif what == "fold":
                changelog.fold(ALIAS)
            else:
                captured, held = self.now, len(committed)
        lacking = list(committed.values())[held:]
        return Ended(self.first_since(captured), min(lacking), captured) if lacking else None

    def log(self, scope: str, at: float) -> None:
        """Log a change as of its statement."""
        now, self.now = self.now, at
        changelog.write(ALIAS, [Change(shelf.name, scope, "a test")])
        self.now = now

    def first_since(self, captured: float) -> float:
        """Ask the rule."""
        proofs = proving.prove_on(ALIAS, [(shelf.declaration, RED)], payloads=False)
        return proofs[RED.key].moves.first_since(captured, self.now)


@pytest.fixture
def past(django_db_blocker: DjangoDbBlocker) -> Iterator[Past]:
    """Give a database of its own, whose clock tests set."""
    past = Past()
    wrapper = DatabaseWrapper(DEFAULTS | {"NAME": ":memory:", "OPTIONS": {}, "TIME_ZONE": None}, ALIAS)
    connections[ALIAS] = wrapper
    with django_db_blocker.unblock():
        with wrapper.schema_editor() as editor:
            for model in (StatisticEntry, StatisticInvalidation, StatisticScope, StatisticIdentity, StatisticChange):
                editor.create_model(model)
        wrapper.connection.create_function("strftime", -1, past.spell)
        yield past
    wrapper.connection.close()  # Django's own `close` leaves a database in memory open
    del connections[ALIAS]


def histories(changes: int, folds: int) -> list[History]:
    """Give every order of changes, folds and one capture that may lack one."""
    events = [(what, which) for which in range(changes) for what in ("note", "commit")] + [FOLD] * folds + [CAPTURE]
    orders = dict.fromkeys(permutations(events))
    return [each for each in orders if is_possible(each, range(changes)) and is_lacking(each, range(changes))]


def is_possible(history: History, changes: range) -> bool:
    """Tell whether each change is noted before it is committed."""
    return all(history.index(("note", which)) < history.index(("commit", which)) for which in changes)


def is_lacking(history: History, changes: range) -> bool:
    """Tell whether a change is committed after the capture."""
    return any(history.index(CAPTURE) < history.index(("commit", which)) for which in changes)


def at_random(random: Random) -> History:
    """Give a longer history."""
    changes = random.randint(3, 7)
    events = [("note", which) for which in range(changes)] * 2 + [FOLD] * random.randint(1, 6) + [CAPTURE]
    random.shuffle(events)
    seen: set[int] = set()
    found = []
    for what, which in events:
        again = what == "note" and which in seen
        found.append(("commit" if again else what, which))
        seen |= {which} if what == "note" else set()
    return found


EVERY = [*histories(1, 1), *histories(2, 1), *histories(2, 2)]


def faults(past: Past) -> Iterator[str]:
    """Play every short history, and give what is wrong with each; pace and scopes change with each."""
    for history, (pace, scopes) in zip(EVERY, cycle(product(PACES, (ONE, TWO))), strict=False):
        if (ended := past.play(history, pace, scopes)) and ended.fault:
            yield f"{ended.fault}: {history} at {pace} in {scopes}"


def test_it_is_never_late(past: Past, figure: Figure) -> None:
    """No later than the commit of the first change that is lacking, no earlier than the capture: in every order of two
    changes and two folds, and in longer ones at random."""
    assert list(faults(past)) == []
    random = Random(1)
    paces = [[random.choice((0.4, 1, 2, 6)) for _ in range(7)] for _ in range(100)]
    longer = [past.play(at_random(random), pace, random.choice((ONE, TWO))) for pace in paces]
    assert [ended.fault for ended in longer if ended and ended.fault] == []
    lacking = sum(1 for ended in longer if ended)
    figure("first change", f"{len(EVERY)} short histories, {len(longer)} longer ones, {lacking} of them lacking one")


def test_it_tells_a_change_from_the_compute(past: Past) -> None:
    """What changed long after the compute changed then, until the log is folded: then it is as old as the compute."""
    quiet = [CAPTURE, ("note", 0), ("commit", 0)]
    assert past.play(quiet, (40.0,)) == Ended(NOON + 80, NOON + 120, NOON + 40)
    assert past.play([*quiet, FOLD], (40.0,)) == Ended(NOON + 40, NOON + 120, NOON + 40)


def test_a_fold_of_unknown_time_is_the_strictest(past: Past) -> None:
    """Older code that folds says no time: what is lacking is taken to be as old as the compute."""
    past.play([("note", 0), ("commit", 0), FOLD, CAPTURE, ("note", 1), ("commit", 1)], (40.0,))
    assert past.first_since(NOON + 160) == NOON + 200
    SCOPES.update(folded_at=None)
    assert past.first_since(NOON + 160) == NOON + 160


def test_a_change_of_the_future_is_the_strictest(past: Past) -> None:
    """Where the clocks of the database and of readers differ, nobody can tell how long a change has been lacking."""
    past.play([CAPTURE, ("note", 0), ("commit", 0)], (40.0,))
    past.now = NOON + 50
    assert past.first_since(NOON + 40) == NOON + 40


# Broken versions

Break = Callable[[pytest.MonkeyPatch, Past], object]


def stamp_by_the_newest_row(patch: pytest.MonkeyPatch, _: Past) -> None:
    """Say that a scope was folded when its newest row was made: the first change is folded away."""
    fold = changelog.fold

    def then(alias: str) -> Any:
        rows = fold(alias)
        for row in rows or ():
            SCOPES.filter(statistic=row.statistic, scope=row.scope).update(folded_at=row.created_at)
        return rows

    patch.setattr(changelog, "fold", then)


def stamp_before_reading(patch: pytest.MonkeyPatch, _: Past) -> None:
    """Take a fold's time from a transaction that began before the rows were read."""
    fold = changelog.fold

    def then(alias: str) -> Any:
        rows = fold(alias)
        for row in rows or ():
            own = SCOPES.filter(statistic=row.statistic, scope=row.scope)
            own.update(folded_at=own.get().folded_at - timedelta(seconds=12))
        return rows

    patch.setattr(changelog, "fold", then)


def take_the_newest(patch: pytest.MonkeyPatch, _: Past) -> None:
    """Take the newest row that is left."""
    patch.setattr(changelog, "sums_sql", replaced(changelog.sums_sql))
    patch.setattr(proving, "sums_sql", changelog.sums_sql)
    proving.proof_sql.cache_clear()


def replaced(real: Callable[..., str]) -> Callable[..., str]:
    """Give the greatest time where the least is asked for."""
    return lambda *arguments: real(*arguments).replace("MIN(", "MAX(")


def forget_the_open(patch: pytest.MonkeyPatch, _: Past) -> None:
    """Count only rows that were made after the compute began."""

    def first_since(_: Moves, computed_at: float, now: float) -> float:
        found = LOG.filter(created_at__gte=datetime.fromtimestamp(computed_at, UTC))
        return min((row.created_at.timestamp() for row in found), default=inf)

    patch.setattr(Moves, "first_since", first_since)


@pytest.mark.parametrize(
    "broken",
    [stamp_by_the_newest_row, stamp_before_reading, take_the_newest, forget_the_open],
    ids=["first change folded away", "fold time before the SELECT", "max instead of min", "only rows since"],
)
def test_a_broken_rule_is_late(broken: Break, past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these says of some short history that the first change came later than it did."""
    broken(monkeypatch, past)
    try:
        assert next(faults(past), None)
    finally:
        proving.proof_sql.cache_clear()
