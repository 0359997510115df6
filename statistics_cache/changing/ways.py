"""How the changes of each table that a statistic watches are seen, in words."""

from typing import Any, NamedTuple

from statistics_cache.declaring.declaration import Declaration

from .receiving import TRIGGERED, WATCHES, is_source, is_through
from .walking import chain
from .watching import Watch, models_of

SEEN = {
    "triggers": "the database's triggers: every write, whoever makes it",
    "StatisticsSource": "StatisticsSource: every write through the ORM, and SQL on Django's connections",
    "statements": "the statements of Django's connections",
    "signals": "signals: save() and delete(); not update(), bulk_create(), bulk_update(), raw SQL or other programs",
}


class Way(NamedTuple):
    """A table that is watched: why, and by what means ("signals", "StatisticsSource", "statements" or "triggers")."""

    model: str
    role: str
    means: str

    @property
    def text(self) -> str:
        """Say what is seen."""
        return f"{self.role}, by {SEEN[self.means]}"


def ways_of(declaration: Declaration[..., Any]) -> list[Way]:
    """Give how each table of a statistic is watched: its sources first, then what lies on their paths."""
    every = (each for watches in (*WATCHES.values(), *TRIGGERED.values()) for each in watches)
    found = {way_of(each): None for each in every if each.declaration is declaration}
    return sorted(found, key=lambda way: (ROLES.index(way.role), way.model))


ROLES = ("a source", "part of a source", "on a path", "a many-to-many table")


def way_of(watch: Watch) -> Way:
    """Say of one table how it is watched."""
    table, sources = watch.table, models_of(watch.declaration)
    if table in sources:
        role = "a source"
    elif any(table in chain(each) for each in sources):
        role = "part of a source"
    else:
        role = "a many-to-many table" if is_through(table) else "on a path"
    return Way(table._meta.label, role, means_of(watch))


def means_of(watch: Watch) -> str:
    """Name the means by which changes are seen."""
    if watch.by_triggers:
        return "triggers"
    if is_source(watch.table):
        return "StatisticsSource"
    return "statements" if is_through(watch.table) else "signals"
