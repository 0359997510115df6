"""Managers of the user's own: whatever they hide, join, count or sort by, writes are Django's own, and are seen."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from django.db import transaction

from statistics_cache import Statistic, statistic
from tests.conftest import BACKENDS, Backend
from tests.models import Crate, Order, Region, Tag

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]

COLORS = ("red", "blue", "gray")


def crates(color: str) -> int:
    """Count the crates of a colour, gone ones too."""
    return Crate.everything.filter(color=color).count()


@pytest.fixture
def counted(backend: Backend) -> Statistic[..., int]:
    """Declare what counts crates."""
    return statistic(name="tests.crates", depends_on={Crate: "color"})(crates)


@pytest.fixture
def crate(backend: Backend) -> Any:
    """Give a crate that its own manager does not find: gone, without an order, with a tag."""
    crate = Crate.objects.create(color="red", is_gone=True)
    crate.tags.add(Tag.objects.create(name="new"))
    return crate


def save(crate: Any, **values: Any) -> None:
    """Change a crate and save it."""
    for name, value in values.items():
        setattr(crate, name, value)
    crate.save()


def blue(crate: Any) -> Any:
    """Paint a crate blue in memory."""
    crate.color = "blue"
    return crate


def in_the_north(crate: Any) -> Order:
    """Give a crate an order, and order to it."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    Crate.everything.filter(pk=crate.pk).update(order=order)
    return order


# What is done to the crate, and the crates that are left: their colours, and whether each is gone.
WRITES: dict[str, tuple[Callable[[Any], object], list[tuple[str, bool]]]] = {
    "save": (lambda crate: save(crate, color="blue"), [("blue", True)]),
    "save of some fields": (
        lambda crate: blue(crate).save(update_fields=["color"]),
        [("blue", True)],
    ),
    "bring back": (lambda crate: save(crate, is_gone=False), [("red", False)]),
    "delete": (lambda crate: crate.delete(), []),
    "read again": (lambda crate: crate.refresh_from_db(), [("red", True)]),
    "update by another manager": (
        lambda crate: Crate.everything.filter(pk=crate.pk).update(color="blue", is_gone=False),
        [("blue", False)],
    ),
    "update by its own": (lambda _: Crate.objects.update(color="blue"), [("red", True)]),
    "bulk_update by another manager": (
        lambda crate: Crate.everything.bulk_update([blue(crate)], ["color"]),
        [("blue", True)],
    ),
    "bulk_update by its own": (
        lambda crate: Crate.objects.bulk_update([blue(crate)], ["color"]),
        [("red", True)],
    ),
    "delete by another manager": (lambda _: Crate.everything.all().delete(), []),
    "delete by its own": (lambda _: Crate.objects.all().delete(), [("red", True)]),
    "bulk_create": (lambda _: Crate.objects.bulk_create([Crate(color="blue")]), [("blue", False), ("red", True)]),
    "get_or_create": (lambda _: Crate.objects.get_or_create(color="red"), [("red", False), ("red", True)]),
    "update_or_create": (
        lambda crate: Crate.everything.update_or_create(pk=crate.pk, defaults={"color": "blue"}),
        [("blue", True)],
    ),
    "set to null": (lambda crate: in_the_north(crate).delete(), [("red", True)]),
    "clear tags": (lambda crate: crate.tags.clear(), [("red", True)]),
    "raw delete": (lambda crate: Crate.everything.filter(pk=crate.pk)._raw_delete(Crate.objects.db), []),
}


@pytest.mark.parametrize("in_block", [False, True])
@pytest.mark.parametrize("name", WRITES)
def test_a_manager_that_hides_joins_and_counts_is_in_nobody_s_way(
    counted: Statistic[..., int], crate: Any, backend: Backend, name: str, in_block: bool
) -> None:
    """What is written is what Django writes of such a model, in a block or not; and each colour is answered as it is
    computed."""
    for color in COLORS:
        counted(color)
    act, left = WRITES[name]
    block: AbstractContextManager[Any] = transaction.atomic(using=backend.database) if in_block else nullcontext()
    with block:
        if name == "raw delete":
            crate.tags.clear()
        act(crate)
    assert sorted(Crate.everything.values_list("color", "is_gone")) == left
    assert [counted(color) for color in COLORS] == [crates(color) for color in COLORS]
