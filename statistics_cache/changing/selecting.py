"""Reading rows' own columns, by SQL that is made once: no manager, no order, no join, no lock but the statement's."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Field, Model, QuerySet

from statistics_cache.cold.proving import marks
from statistics_cache.models import StatisticInvalidation

from .watching import Row, Watch

AT_ONCE = 500  # keys in one statement; SQLite takes at least 32,766 arguments, and a key may have several
Key = tuple[Any, ...]


class Chosen(NamedTuple):
    """The end of a statement that chooses rows of one table: SQL after WHERE, and its arguments."""

    where: str
    arguments: Sequence[Any]


def select(
    alias: str, table: type[Model], columns: Sequence[str], chosen: Chosen, *, verb: str, most: int | None = None
) -> list[Row]:
    """Read columns (attnames) of rows as a statement with this verb is about to write them.

    Inside a transaction they are locked as that statement will lock them, and as no other.
    """
    connection = connections[alias]
    lock = lock_for(connection, verb)
    with connection.cursor() as cursor:
        cursor.execute(select_sql(alias, table, tuple(columns), chosen.where, lock, most), list(chosen.arguments))
        found = cursor.fetchall()
    readers = [reader(connection, field_of(table, column)) for column in columns]
    return [{column: read(value) for column, read, value in zip(columns, readers, row, strict=True)} for row in found]


def lock_for(connection: Any, verb: str) -> str:
    """Give the lock that a statement takes on the rows that it writes; none outside a transaction.

    SQLite has one lock for all, which a transaction has to take before it reads: one that read first, while another
    wrote, may never write. (Note [SQLite's lock])
    """
    if not connection.in_atomic_block or not verb:
        return ""
    if connection.vendor == "sqlite":
        take_write_lock(connection)
    if not connection.features.has_select_for_update:
        return ""
    no_key = verb != "DELETE" and connection.features.has_select_for_no_key_update
    return f" {connection.ops.for_update_sql(no_key=no_key)}"


def take_write_lock(connection: Any) -> None:
    """Write nothing, as a transaction that is not IMMEDIATE has to before it reads."""
    if str(connection.transaction_mode).upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return
    log = connection.ops.quote_name(StatisticInvalidation._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {log} SET jump = jump WHERE 0")  # noqa: S608


@lru_cache(maxsize=4_096)
def select_sql(alias: str, table: type[Model], columns: Sequence[str], where: str, lock: str, most: int | None) -> str:
    """Give the statement."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    name = quote(table._meta.db_table)
    wanted = ", ".join(f"{name}.{quote(column_of(table, column))}" for column in columns) or "1"
    limit = "" if most is None else f" {connection.ops.limit_offset_sql(0, most)}"
    return f"SELECT {wanted} FROM {name} WHERE {where}{limit}{lock}"  # noqa: S608  (names only; values are bound)


def field_of(table: type[Model], column: str) -> "Field[Any, Any]":
    """Give the field of a column, by its attname."""
    found: Field[Any, Any] = table._meta.get_field(column)  # type: ignore[assignment]
    return found


@lru_cache(maxsize=4_096)
def names_by_column(table: type[Model]) -> dict[str, str]:
    """Give the attnames of a table's own columns by their names in the database."""
    return {str(field.column): field.attname for field in table._meta.local_concrete_fields}


def column_of(table: type[Model], name: str) -> str:
    """Give the name of a column in the database."""
    return str(field_of(table, name).column)


def reader(connection: Any, field: "Field[Any, Any]") -> Any:
    """Give what makes of a column's value what the ORM makes of it."""
    column = field.get_col(field.model._meta.db_table)
    converters = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]

    def read(value: Any) -> Any:
        for convert in converters:
            value = convert(value, column, connection)
        return value

    return read


def key_columns(table: type[Model]) -> tuple[str, ...]:
    """Give the columns of a table's primary key."""
    return tuple(field.attname for field in table._meta.pk_fields)


def by_keys(alias: str, table: type[Model], names: Sequence[str], keys: Sequence[Key]) -> Chosen:
    """Choose the rows that have these values in these columns."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    fields = [field_of(table, name) for name in names]
    columns = [f"{quote(table._meta.db_table)}.{quote(column_of(table, name))}" for name in names]
    arguments = [
        field.get_db_prep_value(value, connection) for key in keys for field, value in zip(fields, key, strict=True)
    ]
    if len(columns) == 1:
        return Chosen(f"{columns[0]} = %s" if len(keys) == 1 else f"{columns[0]} IN ({marks(len(keys))})", arguments)
    each = " AND ".join(f"{column} = %s" for column in columns)
    return Chosen(" OR ".join([f"({each})"] * len(keys)), arguments)


def rows_by_key(
    alias: str, table: type[Model], columns: Sequence[str], keys: Iterable[Key], *, verb: str = ""
) -> dict[Key, Row]:
    """Read rows by their primary keys, 500 in one statement; without a verb, as they are, and unlocked."""
    names = key_columns(table)
    wanted = tuple(dict.fromkeys((*names, *columns)))
    every = list(dict.fromkeys(keys))
    found: dict[Key, Row] = {}
    for start in range(0, len(every), AT_ONCE):
        chosen = by_keys(alias, table, names, every[start : start + AT_ONCE])
        for row in select(alias, table, wanted, chosen, verb=verb):
            found[tuple(row[name] for name in names)] = row
    return found


def key_of(table: type[Model], instance: Model) -> Key | None:
    """Give an instance's primary key in a table; None while it has none."""
    key = tuple(getattr(instance, name) for name in key_columns(table))
    return None if None in key else key


def instances(alias: str, model: type[Model], keys: Iterable[Key]) -> dict[Key, Any]:
    """Read whole rows by their primary keys, for a callable that takes an instance."""
    wanted = [key[0] if len(key) == 1 else key for key in keys]
    found: dict[Key, Any] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows: QuerySet[Any] = QuerySet(model=model, using=alias)
        for row in rows.order_by().filter(pk__in=wanted[start : start + AT_ONCE]):
            found[tuple(getattr(row, name) for name in key_columns(model))] = row
    return found


def instances_for(watches: Iterable[Watch], alias: str, table: type[Model], keys: Iterable[Key]) -> dict[Key, Any]:
    """Read whole rows, if a callable of any of these watches asks for them."""
    return instances(alias, table, keys) if any(watch.decide for watch in watches) else {}


# Note [SQLite's lock]
# In a deferred transaction, SQLite's default, the first SELECT takes a snapshot. A write after another process wrote
# since then fails at once with "database is locked", however long the timeout is; the statement alone would wait.
