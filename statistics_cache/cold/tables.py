"""Whether the app's own tables are there and may be written: asked before, so that no statement of ours fails."""

from typing import Any

from django.db import connections
from django.db.models import Model

from statistics_cache.identity.facts import Place, place_of
from statistics_cache.models import (
    StatisticChange,
    StatisticEntry,
    StatisticIdentity,
    StatisticInvalidation,
    StatisticScope,
)
from statistics_cache.signals import tables_missing

MODELS: tuple[type[Model], ...] = (
    StatisticEntry,
    StatisticInvalidation,
    StatisticScope,
    StatisticIdentity,
    StatisticChange,
)
_ready: set[Place] = set()  # the databases whose tables are there: once they are, nobody asks again
_complete: set[Place] = set()
_told: set[Place] = set()


def are_ready(alias: str) -> bool:
    """Tell whether a database has the log in its present form and lets us write it; a No is signalled once."""
    name = name_of(alias)
    if name in _ready:
        return True
    if has_log(connections[alias]):
        _ready.add(name)
        return True
    tell(alias)
    return False


def are_complete(alias: str) -> bool:
    """Tell whether a database has all our tables in their present form: a proof, a store or a fold wants each."""
    name = name_of(alias)
    if name in _complete:
        return True
    if not are_ready(alias):
        return False
    if not all_there(connections[alias]):
        tell(alias)
        return False
    _complete.add(name)
    return True


def tell(alias: str) -> None:
    """Signal once that `migrate` has to run."""
    name = name_of(alias)
    if name not in _told:
        _told.add(name)
        tables_missing.send_robust(sender=None, database=alias)


def forget(alias: str) -> None:
    """Ask again: a migration may have made the tables, or taken them away."""
    _ready.discard(name_of(alias))
    _complete.discard(name_of(alias))


def name_of(alias: str) -> Place:
    """Name a database, as its identity does."""
    return place_of(connections[alias])


def has_log(connection: Any) -> bool:
    """Look for the table, then for our rights on it, then for its columns: each asks nothing that may fail."""
    table = StatisticInvalidation._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor) or not may_write(connection, cursor, table):
            return False
        return has_columns(connection, cursor, StatisticInvalidation)


def all_there(connection: Any) -> bool:
    """Tell whether each of our tables is there with every column that we know."""
    with connection.cursor() as cursor:
        there = connection.introspection.table_names(cursor)
        return all(model._meta.db_table in there and has_columns(connection, cursor, model) for model in MODELS)


def has_columns(connection: Any, cursor: Any, model: type[Model]) -> bool:
    """Tell whether a table that is there has every column that we know."""
    there = {column.name for column in connection.introspection.get_table_description(cursor, model._meta.db_table)}
    return {field.column for field in model._meta.concrete_fields} <= there


def may_write(connection: Any, cursor: Any, table: str) -> bool:
    """Ask PostgreSQL for our rights; elsewhere whoever may write a source may write the log."""
    if connection.vendor != "postgresql":
        return True
    cursor.execute("SELECT has_table_privilege(%s, 'SELECT') AND has_table_privilege(%s, 'INSERT')", [table, table])
    return bool(cursor.fetchone()[0])
