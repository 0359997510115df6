"""What came of an operation, told so that two families can be compared."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db import Error, connections
from django.db.models import Model
from django.db.transaction import TransactionManagementError

from .families import Family, Nothing
from .operations import Operation
from .tables import Rows

Outcome = dict[str, Any]


def told(family: Family, value: Any) -> Any:
    """Give a value in words that hold for every family."""
    if isinstance(value, Model):
        return family.plainly(type(value).__name__), value.pk, memory(family, value)
    if isinstance(value, list | tuple):
        return [told(family, each) for each in value]
    if isinstance(value, dict):
        return {family.plainly(str(key)): told(family, each) for key, each in value.items() if each != 0}
    if isinstance(value, str | int | Decimal | None):
        return value
    return family.plainly(repr(value))


def memory(family: Family, instance: Model) -> dict[str, Any]:
    """Give what an instance holds in memory: a column that was not read must stay so, for it would be saved."""
    held = {field.attname for field in instance._meta.concrete_fields} & set(vars(instance))
    values = {name: vars(instance)[name] for name in sorted(held) if name != "content_type_id"}
    state = {"adding": instance._state.adding, "database": instance._state.db}
    return {name: told(family, value) for name, value in {**values, **state}.items()}


def told_error(error: BaseException | None) -> str:
    """Give the kind of an error."""
    return "" if error is None else type(error).__name__


def usable(alias: str) -> str:
    """Tell whether a transaction can go on: as Django sees it, and as the database does."""
    connection = connections[alias]
    marked = "to be rolled back" if connection.in_atomic_block and connection.needs_rollback else "good"
    if marked != "good":
        return marked
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (Error, TransactionManagementError) as error:
        return told_error(error)
    return marked


def is_usable(alias: str) -> bool:
    """Tell whether statements can be run."""
    return usable(alias) == "good"


def came_of(family: Family, operation: Operation, alias: str, result: Any, error: Exception | None) -> Outcome:
    """Tell of one operation."""
    if isinstance(error, Nothing):
        return {"operation": operation.name, "result": "nothing to do it to"}
    return {
        "operation": operation.name,
        "error": told_error(error),
        "result": told(family, result),
        "transaction": usable(alias),
    }


def end_of(error: Exception | None, alias: str) -> Outcome:
    """Tell how a block ended, and what it leaves."""
    return {"error": told_error(error), "transaction": usable(alias)}


def differing_outcome(right: list[Outcome], given: list[Outcome]) -> Iterator[tuple[str, str]]:
    """Give the first thing that came out otherwise: what follows may follow from it."""
    for one, other in zip(right, given, strict=False):
        for kind in one:
            if one[kind] != other.get(kind):
                yield kind, f"{one.get('operation', 'the end')}: {other.get(kind)!r}, and not {one[kind]!r}"
                return
    if len(right) != len(given):
        yield "error", f"{len(given)} operations and ends, and not {len(right)}"


def differing_rows(right: Rows, given: Rows) -> Iterator[tuple[str, str]]:
    """Give each table whose rows are others."""
    for name, table in right.items():
        if given[name] != table:
            more = [row for row in given[name] if row not in table]
            less = [row for row in table if row not in given[name]]
            yield "rows", f"{name} has {more}, and not {less}"
