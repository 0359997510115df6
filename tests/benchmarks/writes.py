"""The writes that are measured, and what each may cost above the same write on a model nobody watches."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.db import router, transaction
from django.db.models import F

from tests.counting import Count

from .lines import KEY, new


class Write(NamedTuple):
    """A write of a model with so many rows stored before; `more` and `times` are the most that it may cost.

    `more` is counted above the write's own, `times` is the factor of its own time; None is no limit.
    """

    name: str
    form: str  # the statistics that watch: "columns" have scopes of the row's own, of "mixed" half have paths
    rows: int
    do: Callable[[Any, list[Any]], object]
    more: Count | None = None
    times: float | None = None


def save(_: Any, rows: list[Any]) -> None:
    """Save a row that is there."""
    rows[0].amount += 1
    rows[0].save()


def save_in_atomic(model: Any, rows: list[Any]) -> None:
    """Save a row that is there in a transaction."""
    with transaction.atomic(using=router.db_for_write(model)):
        save(model, rows)


def create(model: Any, _: list[Any]) -> None:
    """Store a new row."""
    model.objects.create(order_id=KEY, color="red")


def update(model: Any, _: list[Any]) -> None:
    """Update all rows."""
    model.objects.filter(color="red").update(amount=F("amount") + 1)


def bulk_create(model: Any, _: list[Any]) -> None:
    """Store 500 new rows."""
    model.objects.bulk_create(new(model, 500))


def bulk_update(model: Any, rows: list[Any]) -> None:
    """Update all rows by their instances."""
    model.objects.bulk_update(rows, ["amount"])


def delete(model: Any, _: list[Any]) -> None:
    """Delete all rows."""
    model.objects.filter(color="red").delete()


def add_tag(_: Any, rows: list[Any]) -> None:
    """Add to a many-to-many relation."""
    rows[0].tags.add(KEY)


TRIP = 1  # for all deliveries of a write
LOG = 3  # BEGIN, one INSERT for all statistics, COMMIT
READ = 1  # of the scope that a row leaves
WRITES = (
    Write("save, scopes on the row", "columns", 1, save, Count(READ + LOG, TRIP)),
    Write("save in atomic(), the same", "columns", 1, save_in_atomic, Count(LOG, TRIP)),
    Write("create, the same", "columns", 1, create, Count(LOG, TRIP)),
    Write("save, paths too", "mixed", 1, save),
    Write("create, paths too", "mixed", 1, create),
    Write("update of 300", "mixed", 300, update),
    Write("bulk_create of 500", "mixed", 1, bulk_create),
    Write("bulk_update of 2,000", "mixed", 2_000, bulk_update, times=1.3),
    Write("delete of 300", "mixed", 300, delete, Count(10, TRIP)),
    Write("add to a many-to-many", "mixed", 1, add_tag),
)
