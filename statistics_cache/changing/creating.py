"""Rows that were created in bulk: which scopes they are in, and those that they have overwritten."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from .concerning import Concern, Guarded, columns_for, concerns
from .delivering import log
from .receiving import watches_on
from .selecting import Key, instances_for, key_of, rows_by_key
from .trusting import are_kept
from .watching import Row

DEFERRED = object()  # the value of a column that an object does not have


class BulkOptions(NamedTuple):
    """What a bulk_create was told, by position or by name as Django allows."""

    batch_size: int | None = None
    ignore_conflicts: bool = False
    update_conflicts: bool = False
    update_fields: Collection[str] | None = None
    unique_fields: Collection[str] | None = None

    @property
    def overwrites(self) -> bool:
        """Tell whether rows that are there may be updated."""
        return bool(self.update_conflicts)

    def written(self, table: type[Model]) -> set[str]:
        """Give the columns (attnames) that such rows have updated."""
        names = set(self.update_fields or ())
        return {field.attname for field in table._meta.local_concrete_fields if names & {field.name, field.attname}}


def log_created(table: type[Model], objs: Sequence[Any], options: BulkOptions, alias: str) -> None:
    """Log the scopes of rows that were created in bulk; every scope where the database does not tell their values."""
    found = concerns([watch for watch in watches_on(table) if watch.created or options.overwrites], alias)
    work = Guarded()
    work.guarded(lambda: gather(found, table, objs, options, alias))
    work.fall(found)
    log(found, alias, f"{table._meta.label} created in bulk")


def gather(found: Sequence[Concern], table: type[Model], objs: Sequence[Any], options: BulkOptions, alias: str) -> None:
    """Gather the scopes of created rows."""
    watches = [concern.watch for concern in found]
    rows = rows_of(table, columns_for(watches), objs, options, alias)
    keys = keys_of(table, objs) if any(watch.decide for watch in watches) else None
    whole = instances_for(watches, alias, table, keys or ())
    for concern in found:
        is_moved = options.overwrites and concern.watch.is_moved_by(options.written(table))
        if rows is None or is_moved or (concern.watch.decide and keys is None):
            concern.add_every()
        elif concern.watch.decide:
            concern.add_instances(whole.values())
        else:
            for row in rows:
                concern.add(row)


def rows_of(
    table: type[Model], columns: Sequence[str], objs: Sequence[Any], options: BulkOptions, alias: str
) -> list[Row] | None:
    """Give the columns of created rows as the database has them; None where it does not tell."""
    rows: list[Row] = [{column: vars(obj).get(column, DEFERRED) for column in columns} for obj in objs]
    if not options.overwrites and all(are_kept(table, row.items()) for row in rows):
        return rows
    if (keys := keys_of(table, objs)) is None:
        return None
    found = rows_by_key(alias, table, columns, keys)
    return list(found.values()) if len(found) == len(set(keys)) else None


def keys_of(table: type[Model], objs: Sequence[Any]) -> list[Key] | None:
    """Give the keys of created rows; None where the database did not tell all of them."""
    keys = [key for obj in objs if (key := key_of(table, obj)) is not None]
    return keys if len(keys) == len(objs) else None
