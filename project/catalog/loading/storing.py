"""Makes the catalogue say what the records say, writing only what differs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from django.db import transaction

from project.catalog.loading.reference import Record
from project.catalog.models import Category, ModelRecord

STORED_FIELDS = tuple(field for field in Record.model_fields if field != "name")
BATCH = 500
"""Rows in one statement: well below SQLite's limit on the parts of an expression, and few round trips."""


class Changes(NamedTuple):
    """How many records of a category a load touched."""

    added: int
    updated: int
    removed: int
    unchanged: int


def store_catalogue(
    catalogue: Mapping[Category, Sequence[Record]], *, progress: Callable[[Category], None] | None = None
) -> dict[Category, Changes]:
    """Each category given holds exactly these records afterwards, or nothing at all has changed.

    A record keeps its primary key while its name stays, so the work done with it stays too. Categories not
    given are left alone. `progress` is called after each category.
    """
    changes = {}
    with transaction.atomic():
        for category, records in catalogue.items():
            changes[category] = _store_category(category, records)
            if progress:
                progress(category)
    return changes


def _store_category(category: Category, records: Iterable[Record]) -> Changes:
    """One category, inside the caller's transaction."""
    rows = {row.name: row for row in ModelRecord.objects.select_for_update().filter(category=category)}
    wanted = {record.name: record for record in records}
    added = [_row(category, record) for name, record in wanted.items() if name not in rows]
    updated = [rows[name] for name, record in wanted.items() if name in rows and _rewrite(rows[name], record)]
    gone = [row.pk for name, row in rows.items() if name not in wanted]
    ModelRecord.objects.filter(pk__in=gone).delete()
    ModelRecord.objects.bulk_update(updated, STORED_FIELDS, batch_size=BATCH)
    ModelRecord.objects.bulk_create(added, batch_size=BATCH)
    return Changes(len(added), len(updated), len(gone), len(wanted) - len(added) - len(updated))


def _row(category: Category, record: Record) -> ModelRecord:
    """A new row."""
    return ModelRecord(category=category, **record.model_dump())


def _rewrite(row: ModelRecord, record: Record) -> bool:
    """Puts the record's values into the row, and says whether any of them differed."""
    before = {field: getattr(row, field) for field in STORED_FIELDS}
    after = {field: getattr(record, field) for field in STORED_FIELDS}
    for field, value in after.items():
        setattr(row, field, value)
    return _as_text(before) != _as_text(after)


def _as_text(values: Mapping[str, object]) -> str:
    """The values as text, in which true is not 1 and the order of keys says nothing."""
    return json.dumps(values, sort_keys=True)
