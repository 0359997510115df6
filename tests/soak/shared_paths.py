"""Moves of rows that all writers move: the statement that moves one counts its version up."""

from collections.abc import Callable
from functools import partial
from time import sleep

from django.db.models import CharField, F, IntegerField, Model
from django.db.models.functions import Cast

from tests.models import Item, Order
from tests.soak.declared import COLORS, SHARED_ITEMS, SHARED_ORDERS
from tests.soak.paths import path
from tests.soak.picture import Desk
from tests.soak.sharing import Place, first_places

Run = Callable[[], object]
LONGEST = 0.15  # seconds for which a row stays locked: others come meanwhile


def prepare() -> None:
    """Make the rows."""
    places = first_places()
    Order.objects.bulk_create(Order(pk=key, region_id=places[key].first, note="0") for key in SHARED_ORDERS)
    Item.objects.bulk_create(
        Item(pk=key, color=COLORS[places[key].first], order_id=places[key].order, amount=0, sku=f"shared-{key}")
        for key in SHARED_ITEMS
    )


def write_down(desk: Desk, model: type[Model], key: int, name: str, place: Place) -> None:
    """Read the version that a row has now, under its lock, and write down where it is; go on a little later."""
    version = int(model._base_manager.values_list(name, flat=True).get(pk=key))
    desk.touched[key] = version
    desk.plan_shared(key, version, place)
    sleep(desk.random.uniform(0, LONGEST))


@path("shared update", "atomic")
def update(desk: Desk) -> Run:
    """Move an item by a statement."""
    return partial(update_item, desk, desk.random.choice(SHARED_ITEMS), desk.place())


def update_item(desk: Desk, key: int, place: Place) -> None:
    """Move it, and count up."""
    Item.objects.filter(pk=key).update(color=COLORS[place.first], order_id=place.order, amount=F("amount") + 1)
    write_down(desk, Item, key, "amount", place)


@path("shared save", "atomic")
def save(desk: Desk) -> Run:
    """Move an item by saving an instance that others may have overtaken."""
    return partial(save_item, desk, desk.random.choice(SHARED_ITEMS), desk.place())


def save_item(desk: Desk, key: int, place: Place) -> None:
    """Read, move, count up, save."""
    item = Item.objects.get(pk=key)
    item.color, item.order_id, item.amount = COLORS[place.first], place.order, F("amount") + 1
    item.save()
    write_down(desk, Item, key, "amount", place)


@path("shared move of a row on the path", "atomic")
def move_order(desk: Desk) -> Run:
    """Move an order, of a plain model, with all items that are in it."""
    return partial(save_order, desk, desk.random.choice(SHARED_ORDERS), desk.region())


def save_order(desk: Desk, key: int, region: int) -> None:
    """Read, move, count up, save."""
    order = Order.objects.get(pk=key)
    order.region_id = region
    order.note = Cast(Cast(F("note"), IntegerField()) + 1, CharField())
    order.save()
    write_down(desk, Order, key, "note", Place(region))
