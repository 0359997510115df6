"""What fails in Python while a change is worked out fails no write: every scope falls, and a signal says so."""

from collections.abc import Callable
from typing import Any

import pytest

from statistics_cache import statistic
from statistics_cache.changing import creating, observing, receiving, saving
from statistics_cache.models import StatisticInvalidation
from statistics_cache.signals import scope_failed
from tests.commanding import refuse
from tests.models import Item, Order, Paint, Region

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


def new_item() -> Item:
    """Give an item that is not stored."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    return Item(order=order, color="red")


def stored(row: Any) -> Any:
    """Store a row."""
    row.save()
    return row


Made = Callable[[], Any]
Act = Callable[[Any], object]

WRITES: dict[str, tuple[Any, str, Made, Act]] = {
    "a plain model saved": (saving, "rows_by_key", lambda: stored(Paint(color="red")), lambda row: row.save()),
    "a plain model deleted": (receiving, "rows_by_key", lambda: stored(Paint(color="red")), lambda row: row.delete()),
    "a source saved": (saving, "rows_by_key", lambda: stored(new_item()), lambda row: row.save()),
    "a source deleted": (observing, "select", lambda: stored(new_item()), lambda row: row.delete()),
    "an update": (observing, "select", lambda: stored(new_item()), lambda _: Item.objects.update(amount=5)),
    "an update by key": (
        observing,
        "select",
        lambda: stored(new_item()),
        lambda row: Item.objects.filter(pk=row.pk).update(amount=5),
    ),
    "a bulk_create": (creating, "rows_of", new_item, lambda row: Item.objects.bulk_create([row])),
}


def count(color: str) -> int:
    """Count the items of a colour."""
    return Item.objects.filter(color=color).count()


@pytest.mark.parametrize("write", [name for name in WRITES if name != "an update"])  # it reads no row
def test_what_cannot_be_read_fails_no_write(write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write is done, every scope of who watches falls, and the error is told by the statistic's name."""
    module, name, make, act = WRITES[write]
    row = make()
    StatisticInvalidation.objects.all().delete()
    told: list[str] = []

    def tell(statistic: str, **_: Any) -> None:
        told.append(statistic)

    scope_failed.connect(tell)
    monkeypatch.setattr(module, name, refuse(ValueError("odd")))
    act(row)
    scope_failed.disconnect(tell)
    watching = {watch.declaration.name for watch in receiving.watches_on(type(row))}
    assert type(row).objects.filter(pk=row.pk).exists() != ("deleted" in write)
    assert set(told) == watching
    assert {*StatisticInvalidation.objects.values_list("statistic", "scope")} >= {(name, "*") for name in watching}


@pytest.mark.parametrize("write", [name for name in WRITES if "plain" not in name])
def test_a_callable_that_raises_fails_no_write(write: str) -> None:
    """So it is with the user's own callable: the write is done, and every scope falls."""
    statistic(name="tests.raising", depends_on={Item: lambda _: 1 / 0})(count)
    *_, make, act = WRITES[write]
    row = make()
    StatisticInvalidation.objects.all().delete()
    act(row)
    assert {*StatisticInvalidation.objects.filter(statistic="tests.raising").values_list("scope", flat=True)} == {"*"}
