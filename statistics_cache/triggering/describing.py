"""What is declared, by table: the watches whose changes triggers log, in an order that every process agrees on."""

from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Model

from statistics_cache.changing.receiving import TRIGGERED
from statistics_cache.changing.watching import Watch
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration

PREFIX = "statistics_cache_"  # of all that is created in a database: what has it is ours to remove
VENDORS = ("postgresql", "sqlite")


class Unfit(LookupError):
    """A table cannot have triggers of ours, or not yet; the text says why."""


class Watched(NamedTuple):
    """A table and all who watch it by triggers on one database."""

    table: type[Model]
    watches: tuple[Watch, ...]


class Definition(NamedTuple):
    """A trigger: the table and the name that it has there, what makes it, and the text that tells it from others.

    `pieces` say which part of the text is of which watch: a statistic's own are asked for where others' do not matter.
    """

    table: str
    name: str
    sql: tuple[str, ...]
    text: str
    pieces: tuple[tuple[Watch, str], ...] = ()

    @property
    def place(self) -> tuple[str, str]:
        """Give what identifies it in a database."""
        return self.table, self.name


def watched_on(alias: str) -> list[Watched]:
    """Give the tables of a database that are watched by triggers, and who does."""
    found: dict[str, tuple[type[Model], list[Watch]]] = {}  # by the table's name: two models may have one
    for table, watches in sorted(TRIGGERED.items(), key=lambda each: each[0]._meta.label):
        if ours := [watch for watch in watches if cold.alias_of(watch.declaration) == alias]:
            found.setdefault(table._meta.db_table, (table, []))[1].extend(ours)
    return [Watched(table, tuple(sorted(watches, key=order))) for table, watches in found.values()]


def order(watch: Watch) -> tuple[Any, ...]:
    """Give what watches are sorted by."""
    return watch.declaration.name, watch.name, sorted(watch.fields or ()), watch.created, watch.columns


def declared_on(alias: str) -> list[Declaration[..., Any]]:
    """Give the statistics of a database whose sources are watched by triggers, by name."""
    found = {watch.declaration.name: watch.declaration for each in watched_on(alias) for watch in each.watches}
    return [found[name] for name in sorted(found)]


def homes() -> list[str]:
    """Give the databases that have statistics whose sources are watched by triggers."""
    found = {cold.alias_of(watch.declaration) for watches in TRIGGERED.values() for watch in watches}
    return sorted(alias for alias in found if alias in connections.databases)


def cause_label(table: type[Model]) -> str:
    """Name a model as log rows do."""
    return str(table._meta.label)
