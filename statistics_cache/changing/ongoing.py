"""What a connection is in the middle of: writes that were announced, and whose statements are still to come."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

from django.db import connections
from django.db.models import Model

from statistics_cache.conf import settings

KEY = "_statistics_cache_ongoing"  # the attribute of a connection that holds this
Key = tuple[Any, ...]
Moment = list[Any]  # Django's list of hooks: another one after each commit and rollback, of a savepoint too


@dataclass(eq=False)
class Slot:
    """A save between its two signals: what is read of each table's row when its statement comes."""

    instance: Any  # a weak reference: a save that raised leaves its slot, and is no reason to keep the instance
    savings: dict[type[Model], Any]
    seen: set[type[Model]] = field(default_factory=set)


@dataclass(eq=False)
class Deletion:
    """Rows of one table whose deletion was announced; it counts in the transaction of that moment alone."""

    moment: Moment
    waiting: dict[Key, Any] = field(default_factory=dict)
    done: set[Key] = field(default_factory=set)


@dataclass(eq=False)
class Ongoing:
    """The writes of one connection that are under way."""

    announced: dict[type[Model], list[Callable[[], None]]] = field(default_factory=dict)
    slots: list[Slot] = field(default_factory=list)
    deletions: dict[type[Model], Deletion] = field(default_factory=dict)
    observed: dict[type[Model], Moment] = field(default_factory=dict)
    is_migrating: bool = False


def ongoing(alias: str) -> Ongoing:
    """Give what this thread's connection is in the middle of."""
    found: Ongoing = vars(connections[alias]).setdefault(KEY, Ongoing())
    return found


def moment(alias: str) -> Moment:
    """Give the moment: two are the same while nothing was committed or rolled back in between."""
    return connections[alias].run_on_commit


@contextmanager
def announced(alias: str, tables: Sequence[type[Model]], before: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Say that the caller logs what the statements inside do to tables; `before` runs when each comes."""
    state = ongoing(alias)
    for table in tables:
        state.announced.setdefault(table, []).append(before)
    try:
        yield
    finally:
        for table in tables:
            state.announced[table].pop()


def open_slot(alias: str, instance: Model, savings: dict[type[Model], Any]) -> None:
    """Note that a save has begun; what is left of instances that are gone is forgotten."""
    state = ongoing(alias)
    state.slots = [slot for slot in state.slots if slot.instance() is not None]
    state.slots.append(Slot(ref(instance), savings))


def close_slots(alias: str, instance: Model) -> list[Slot]:
    """Take the slots of an instance, the newest first: the others are of saves that raised."""
    state = ongoing(alias)
    taken = [slot for slot in state.slots if slot.instance() is instance]
    state.slots = [slot for slot in state.slots if slot.instance() is not instance]
    return taken[::-1]


def waiting_slot(alias: str, table: type[Model]) -> Slot | None:
    """Give the newest save whose statement on a table is still to come: saves nest, so it is the one under way."""
    for slot in reversed(ongoing(alias).slots):
        if table in slot.savings and table not in slot.seen and slot.instance() is not None:
            return slot
    return None


def deletion_of(alias: str, table: type[Model]) -> Deletion:
    """Give the deletion from a table that is under way in this transaction."""
    state, now = ongoing(alias), moment(alias)
    if (known := state.deletions.get(table)) is None or known.moment is not now:
        known = state.deletions[table] = Deletion(now)
    return known


def observe(alias: str, table: type[Model]) -> None:
    """Have statements on a table looked at for the rest of this deletion."""
    ongoing(alias).observed[table] = moment(alias)


def is_observed_now(alias: str, table: type[Model]) -> bool:
    """Tell whether statements on a table are looked at in this transaction."""
    return ongoing(alias).observed.get(table) is moment(alias)


# While the app is disabled


MISSED: set[str] = set()  # the databases on which this process wrote meanwhile


def is_missed(alias: str) -> bool:
    """Tell whether the app is disabled, and if so remember the database: of what changes nothing is read or logged."""
    if settings().ENABLED:
        return False
    MISSED.add(alias)
    return True
