"""A change is logged in its own transaction, once per scope, and delivered after the commit, all of it together."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connections

from statistics_cache.cold import changelog, tables
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import Change
from statistics_cache.cold.transactions import (
    Logged,
    after_commit,
    changes_of,
    deliver_after_commit,
    in_transaction,
    is_manual,
    note_change,
    whole,
)
from statistics_cache.declaring.keys import EVERY_SCOPE, UNCHECKED_SCOPE
from statistics_cache.hot import generations
from statistics_cache.identity import known
from statistics_cache.models import StatisticInvalidation
from statistics_cache.signals import invalidated, store_failed

from .checking import Record, check, via_of
from .concerning import Concern
from .ongoing import is_missed
from .watching import Watch

GATHERED = "_statistics_cache_gathered"  # the attribute of a connection that holds the changes of a write in pieces


@dataclass(frozen=True, order=True)
class Part:
    """A part of a statistic that was cleared or invalidated: its filter scope, and what moves in the hot tier.

    It is logged beside whatever else is: a change of every scope moves no epoch, and that of a part nothing else. What
    was cleared by its age has no log row, and no scope here.
    """

    scope: str | None
    hot: str


@dataclass(frozen=True)
class Written:
    """What a statement wrote whose scopes the database's triggers have logged: which, nobody here knows.

    Where it `is_far`, they may have logged keys, from which scopes are read after the commit.
    """

    is_far: bool


class Logging(NamedTuple):
    """Something to log of a statistic: scopes that changed, keys of a watch from which they are read later, parts."""

    statistic: str
    cause: str
    scopes: frozenset[str] = frozenset()
    watch: Watch | None = None
    records: frozenset[Record] = frozenset()
    parts: frozenset[Part] = frozenset()

    def changes(self, known: set[object]) -> list[Change]:
        """Give the rows to log beside those that are known, and note them as known."""
        parts = [Change(self.statistic, part.scope or "", self.cause) for part in sorted(self.parts - known)]
        known |= self.parts
        return parts + self.changes_of_scopes(known)

    def changes_of_scopes(self, known: set[object]) -> list[Change]:
        """Give the rows to log of scopes, and note them as known."""
        if EVERY_SCOPE in known:
            return []
        left = frozenset(record for record in self.records if (self.watch, record) not in known)
        via = via_of(self.watch, left) if self.watch and left else None
        if EVERY_SCOPE in self.scopes or (left and via is None):
            known.add(EVERY_SCOPE)
            return [Change(self.statistic, EVERY_SCOPE, self.cause)]
        scopes = sorted(self.scopes - known)
        known |= {*scopes, *((self.watch, record) for record in left)}
        unchecked = [Change(self.statistic, UNCHECKED_SCOPE, self.cause, via)] if via else []
        return [Change(self.statistic, scope, self.cause) for scope in scopes] + unchecked


def log(found: Iterable[Concern], using: str, cause: str) -> None:
    """Log what a write on a database concerns: in one statement for all statistics.

    A write on another database than a statistic's cannot be logged in its own transaction; it is logged after that
    one's commit.
    """
    if is_missed(using):
        return
    by_alias: dict[str, list[Logging]] = {}
    for concern in found:
        watch = concern.watch
        each = Logging(watch.declaration.name, cause, frozenset(concern.scopes), watch, frozenset(concern.records))
        by_alias.setdefault(cold.alias_of(watch.declaration), []).append(each)
    for alias, loggings in by_alias.items():
        if alias == using:
            log_all(alias, loggings)
        else:
            after_commit(using, lambda alias=alias, loggings=loggings: log_all(alias, loggings))  # type: ignore[misc]


@contextmanager
def gathered(alias: str) -> Any:
    """Log what the writes inside concern in one statement at the end; nothing where they raise."""
    known = vars(connections[alias])
    if GATHERED in known:
        yield
        return
    loggings = known[GATHERED] = []
    try:
        yield
    finally:
        del known[GATHERED]
    log_all(alias, loggings)


def change(alias: str, statistic: str, scopes: Iterable[str], cause: str) -> None:
    """Log a change of scopes of one statistic and deliver it, as `log_all` does."""
    log_all(alias, [Logging(statistic, cause, frozenset(scopes))])


def change_parts(alias: str, statistic: str, parts: Iterable[Part], cause: str) -> None:
    """Log that parts of one statistic were cleared or invalidated, a row for each, all or none; deliver it as
    `log_all` does."""
    with whole(alias):
        log_all(alias, [Logging(statistic, cause, parts=frozenset(parts))])


def log_all(alias: str, loggings: Sequence[Logging]) -> None:
    """Log changes and deliver them: at once outside a transaction, else after the commit.

    One log row per transaction, statistic and scope, however many rows have changed. Nothing is logged while the app's
    tables are not there.
    """
    if (pending := vars(connections[alias]).get(GATHERED)) is not None:
        pending.extend(loggings)
        return
    known = known_facts(alias, {each.statistic for each in loggings})
    before = {statistic: set(facts) for statistic, facts in known.items()}
    changes = [change for each in loggings for change in each.changes(known[each.statistic])]
    if changes and tables.are_ready(alias):
        rows = changelog.write(alias, changes)
        hand_over(alias, {name: facts - before[name] for name, facts in known.items() if facts - before[name]}, rows)


def known_facts(alias: str, statistics: Iterable[str]) -> dict[str, set[object]]:
    """Give what this transaction has logged of statistics; nothing in the user's own, where commits are not seen."""
    is_known = connections[alias].in_atomic_block and in_transaction(alias) and not is_manual(connections[alias])
    return {name: set(changes_of(alias).of(name)) if is_known else set() for name in statistics}


def hand_over(alias: str, facts: Mapping[str, set[object]], rows: Sequence[StatisticInvalidation]) -> None:
    """Deliver what is logged now, or after the commit. In the user's own transactions the commit is not seen: there
    readers notice by their proofs."""
    for statistic in facts:
        note_change(alias, statistic)
    logged = LoggedRows(alias, facts, rows)
    if not in_transaction(alias):
        deliver_together([logged])
    elif not is_manual(connections[alias]):
        deliver_after_commit(logged)


class LoggedRows(Logged):
    """What one write has logged, with its rows that are unchecked."""

    def __init__(self, alias: str, facts: Mapping[str, set[object]], rows: Sequence[StatisticInvalidation]) -> None:
        """Note it."""
        super().__init__(alias, facts, deliver_together)
        self.rows = rows


def deliver_together(several: Sequence[Any]) -> None:
    """Check what is unchecked, then move the hot generations of all that was logged, in one round trip.

    Where scopes were read after the commit, that of every scope moves: others may have moved them in between. It moves
    even if they could not be read, for the database is out: until somebody has, no proof makes anything hot again.
    """
    alias = several[0].alias
    moves: dict[str, dict[str, None]] = {}
    far: set[str] = set()
    by_triggers: set[str] = set()  # whose unchecked rows we have not written, and do not know
    for logged in several:
        for statistic, facts in logged.facts.items():
            scopes = moves.setdefault(statistic, {})
            scopes.update(dict.fromkeys(sorted(scope for fact in facts if (scope := hot_scope(fact)) is not None)))
            far |= {statistic for fact in facts if hot_scope(fact) is None}
            by_triggers |= {statistic for fact in facts if isinstance(fact, Written) and fact.is_far}
    if far - by_triggers:
        check_logged(alias, far - by_triggers, [row for logged in several for row in logged.rows])
    if by_triggers:
        check_logged(alias, by_triggers, ())
    if far:
        moves |= {statistic: {EVERY_SCOPE: None} for statistic in far}
    bump(alias, {statistic: list(scopes) for statistic, scopes in moves.items()})


def identity_of(alias: str) -> str | None:
    """Give whose generations are to move; None where the database does not say: its readers notice by their proofs."""
    try:
        return known.find(alias)
    except known.ERRORS as error:
        store_failed.send_robust(sender=None, statistic="*", error=error)
        return None


def move_hot(alias: str, moves: Mapping[str, Iterable[str]]) -> None:
    """Move the hot generations of scopes, by statistic, and tell nobody. None are hot while there is no identity."""
    if moves and (identity := identity_of(alias)) is not None:
        generations.bump(identity, moves)


def hot_scope(fact: object) -> str | None:
    """Give the scope that moves in the hot tier for what was logged; None for keys from which scopes are to be read."""
    if isinstance(fact, Part):
        return fact.hot
    if isinstance(fact, Written):
        return None if fact.is_far else EVERY_SCOPE
    return fact if isinstance(fact, str) else None


def check_logged(alias: str, statistics: Iterable[str], rows: Sequence[StatisticInvalidation]) -> None:
    """Check what a commit has left unchecked; readers will do it where that is not possible."""
    try:
        check(alias, rows or changelog.unchecked(alias, statistics))
    except cold.OUTAGES as error:
        for statistic in statistics:
            store_failed.send_robust(sender=None, statistic=statistic, error=error)


def bump(alias: str, moves: dict[str, list[str]]) -> None:
    """Move the hot generations of scopes, by statistic, and tell of it."""
    move_hot(alias, moves)
    for statistic, scopes in moves.items():
        invalidated.send_robust(sender=None, statistic=statistic, scopes=scopes)
