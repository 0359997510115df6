"""What writes cost, by counting: however many statistics watch, one INSERT for all, and one trip to Redis."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections, transaction

from statistics_cache import Statistic, statistic
from tests.conftest import BACKENDS, Backend
from tests.counting import Count, count
from tests.models import Line, Order, PlainLine, QuietLine, Region, SourceLine

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
    pytest.mark.parametrize("model", [PlainLine, SourceLine]),
]

MANY = 10  # statistics that watch a model
LOG = 3  # BEGIN, one INSERT for all statistics, COMMIT
DELETED = 300  # rows


def whole() -> int:
    """Count all lines, of whatever model."""
    return 0


def by_color(color: str = "red") -> int:
    """Count the lines of a colour."""
    return 0


def by_region(region: str = "north") -> int:
    """Count the lines of a region."""
    return 0


def watch(model: type[Line], function: Callable[..., int], scope: Any) -> None:
    """Have ten statistics watch a model, and a copy of each be there to fall."""
    for at in range(MANY):
        declared: Statistic[..., Any] = statistic(name=f"tests.price_{at}", depends_on={model: scope})(function)
        declared()


def new(model: Any, number: int) -> list[Any]:
    """Store lines of one order."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    created: list[Any] = model.objects.bulk_create([model(order=order, color="red") for _ in range(number)])
    return created


def price(backend: Backend, model: Any, write: Callable[[Any], object]) -> tuple[Count, Count]:
    """Count what a write of a row costs, and the same write of one that nobody watches."""
    (row,), (quiet,) = new(model, 1), new(QuietLine, 1)
    connection = connections[backend.database]
    return count(connection, lambda: write(row)), count(connection, lambda: write(quiet))


def save(row: Line) -> None:
    """Save a row that is there."""
    row.save()


def save_in_atomic(row: Line) -> None:
    """Save a row that is there in a transaction."""
    with transaction.atomic(using=row._state.db):
        row.save()


def create(row: Any) -> None:
    """Store a row more."""
    type(row)(order_id=row.order_id, color="red").save()


def test_a_write_watched_by_ten(backend: Backend, model: type[Line]) -> None:
    """Ten statistics make a write cost three statements more, and one trip to Redis."""
    watch(model, whole, None)
    for write in (save, save_in_atomic, create):
        watched, own = price(backend, model, write)
        assert (watched.statements - own.statements <= LOG, watched.trips) == (True, 1), (write, watched, own)


def test_a_save_that_may_move_its_row(backend: Backend, model: type[Line]) -> None:
    """Where scopes are columns, a save reads them once more: one statement for ten statistics."""
    watch(model, by_color, "color")
    watched, own = price(backend, model, save)
    assert (watched.statements - own.statements <= 1 + LOG, watched.trips) == (True, 1), (watched, own)
    watched, own = price(backend, model, save_in_atomic)
    assert (watched.statements - own.statements <= LOG, watched.trips) == (True, 1), (watched, own)


def test_a_delete_of_many_rows(backend: Backend, model: type[Any]) -> None:
    """A delete costs ten statements more, however many its rows, though their scopes lie on other rows."""
    watch(model, by_region, {"region": "order__region__name"})
    new(model, DELETED)
    quiet: Any = QuietLine
    new(quiet, DELETED)
    connection = connections[backend.database]
    watched = count(connection, model.objects.all().delete)
    own = count(connection, quiet.objects.all().delete)
    assert (watched.statements - own.statements <= 10, watched.trips) == (True, 1), (watched, own)
