"""What a compute reads and its statistic does not name: told once of each table, or raised."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import random
from typing import Any

from django.db import connections
from django.db.models import Model

from statistics_cache.cold.rows import alias_of
from statistics_cache.conf import is_tried_out, settings
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.exceptions import UndeclaredSource
from statistics_cache.signals import source_undeclared

from .recording import Notes, noted
from .tables import declared_tables, ignored_tables, models_by_table

SAMPLE = 100  # of so many computes in production one is watched: its texts are read, on PostgreSQL each asks twice more
_begun: set[str] = set()  # the statistics of which this process has watched a compute
_told: set[tuple[str, str, str]] = set()


@contextmanager
def watched(declaration: Declaration[..., Any]) -> Iterator[None]:
    """Note what a compute reads, if it is one to watch, and tell what its statistic does not name.

    Raises UndeclaredSource where WATCH_SOURCES says "raise".
    """
    if not is_watched(declaration):
        yield
        return
    with noted() as notes:
        yield
    judge(declaration, notes)


def is_watched(declaration: Declaration[..., Any]) -> bool:
    """Tell whether to watch a compute: each one where the setting says so, under DEBUG and in tests; elsewhere the
    first of each statistic in a process, and a sample."""
    how = settings().WATCH_SOURCES
    if how is not None:
        return how != "off"
    if is_tried_out():
        return True
    is_first = declaration.name not in _begun
    _begun.add(declaration.name)
    return is_first or random() * SAMPLE < 1


def judge(declaration: Declaration[..., Any], notes: Notes) -> None:
    """Tell of each table that was read and is not declared, or on another database than its changes are logged on."""
    home, ignored = alias_of(declaration), ignored_tables(declaration)
    declared = declared_tables(declaration)
    for alias, tables in notes.tables().items():
        is_home = is_same(alias, home)
        for table in sorted(tables - ignored - (declared if is_home else set())):
            tell(declaration, table, alias, home if table in declared else None)


def is_same(alias: str, home: str) -> bool:
    """Tell whether two aliases mean one database."""
    facts = [[connections[each].settings_dict.get(key) for key in ("NAME", "HOST", "PORT")] for each in (alias, home)]
    return alias == home or facts[0] == facts[1]


def tell(declaration: Declaration[..., Any], table: str, alias: str, home: str | None) -> None:
    """Tell of one table, once in this process. Raises UndeclaredSource where that is wanted."""
    model = models_by_table().get(table)
    source = model._meta.label if model else table
    line = line_to_write(model, table, home)
    if settings().WATCH_SOURCES == "raise":
        where = f" on database {alias!r}" if home else ""
        raise UndeclaredSource(f"{declaration.name} reads {source}{where}, and nobody tells it of changes. {line}")
    if (declaration.name, table, alias) not in _told:
        _told.add((declaration.name, table, alias))
        facts = {"statistic": declaration.name, "source": source, "database": alias, "line": line}
        source_undeclared.send_robust(sender=type(declaration), **facts)


def line_to_write(model: type[Model] | None, table: str, home: str | None) -> str:
    """Say what to write."""
    if model is None:
        return f"Give the table a model and name that, or write Source({table!r}, ignored=True) if its ttl bounds it."
    name = model.__name__ if not model._meta.auto_created else repr(model._meta.label)
    if home is not None:
        where = f"Read it from {home!r}, where its changes are logged: a replica lacks what it has not received yet."
        return f"{where} Or write Source({name}, ignored=True) if its ttl bounds it."
    return f"Write depends_on={{…, {name}: None}}, or Source({name}, ignored=True) if its ttl bounds it."
