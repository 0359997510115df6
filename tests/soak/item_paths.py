"""Every way to write rows of a `StatisticsSource`."""

from collections.abc import Callable
from functools import partial

from django.db import connection
from django.db.models import F

from statistics_cache import invalidates
from tests.models import Item
from tests.soak.declared import OWNERS
from tests.soak.paths import path
from tests.soak.picture import Desk, Row

Run = Callable[[], object]


def fields(row: Row) -> dict[str, object]:
    """Give a row's columns."""
    return {"color": row.color, "amount": row.amount, "order_id": row.order}


def instance(sku: str, row: Row) -> Item:
    """Make an item that is not stored yet."""
    return Item(sku=sku, color=row.color, amount=row.amount, order_id=row.order)


def written(sku: str, row: Row) -> Item:
    """Give a stored item with a row's values, in memory."""
    item = Item.objects.get(sku=sku)
    item.color, item.amount, item.order_id = row.color, row.amount, row.order
    return item


@path("create")
def create(desk: Desk) -> Run:
    """Create one item."""
    ((sku, row),) = desk.new_items(1).items()
    return lambda: Item.objects.create(sku=sku, **fields(row))


@path("save of a new row")
def save_new(desk: Desk) -> Run:
    """Save an instance for the first time."""
    ((sku, row),) = desk.new_items(1).items()
    return lambda: instance(sku, row).save()


@path("get_or_create")
def get_or_create(desk: Desk) -> Run:
    """Create an item that is not there."""
    ((sku, row),) = desk.new_items(1).items()
    return lambda: Item.objects.get_or_create(sku=sku, defaults=fields(row))


@path("update_or_create that creates")
def create_by_update(desk: Desk) -> Run:
    """Create an item that is not there."""
    ((sku, row),) = desk.new_items(1).items()
    return lambda: Item.objects.update_or_create(sku=sku, defaults=fields(row))


@path("bulk_create")
def bulk_create(desk: Desk) -> Run:
    """Create several items at once."""
    rows = desk.new_items(3)
    return lambda: Item.objects.bulk_create([instance(sku, row) for sku, row in rows.items()])


@path("update_or_create")
def update_or_create(desk: Desk) -> Run | None:
    """Update an item that is there."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, color=desk.color(), amount=desk.amount())
        return lambda: Item.objects.update_or_create(sku=sku, defaults=fields(row))
    return None


@path("save")
def save(desk: Desk) -> Run | None:
    """Save new values, which may move the row."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, color=desk.color(), amount=desk.amount())
        return lambda: written(sku, row).save()
    return None


@path("save of some fields")
def save_fields(desk: Desk) -> Run | None:
    """Save what moves a row, and nothing else."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, color=desk.color())
        return lambda: written(sku, row).save(update_fields=["color"])
    return None


@path("save of an instance out of date", "atomic")  # what is written meanwhile is nobody's to see
def save_outdated(desk: Desk) -> Run | None:
    """Save a row over what an update has done to it since its instance was read."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, color=desk.color(), amount=desk.amount(), order=desk.order())
        return partial(save_over, sku, row, desk.color())
    return None


def save_over(sku: str, row: Row, meanwhile: str) -> None:
    """Read, have another write, save."""
    item = written(sku, row)
    Item.objects.filter(sku=sku).update(color=meanwhile, amount=F("amount") + OWNERS)
    item.save()


@path("move to another order")
def move(desk: Desk) -> Run | None:
    """Move a row by its foreign key."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, order=desk.order())
        return lambda: written(sku, row).save()
    return None


@path("delete")
def delete(desk: Desk) -> Run | None:
    """Delete an instance."""
    for sku in desk.some(desk.picture.items, 1):
        del desk.picture.items[sku]
        return lambda: Item.objects.get(sku=sku).delete()
    return None


@path("queryset.delete")
def delete_all(desk: Desk) -> Run | None:
    """Delete what a queryset selects."""
    chosen = desk.some(desk.picture.items)
    for sku in chosen:
        del desk.picture.items[sku]
    return (lambda: Item.objects.filter(sku__in=chosen).delete()) if chosen else None


@path("_raw_delete")
def delete_raw(desk: Desk) -> Run | None:
    """Delete without collecting; only items without tags may go so."""
    chosen = desk.some(sku for sku, row in desk.picture.items.items() if not row.tags)
    for sku in chosen:
        del desk.picture.items[sku]
    return (lambda: Item.objects.filter(sku__in=chosen)._raw_delete("default")) if chosen else None


@path("update")
def update(desk: Desk) -> Run | None:
    """Give several rows one amount."""
    amount, chosen = desk.amount(), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, amount=amount)
    return (lambda: Item.objects.filter(sku__in=chosen).update(amount=amount)) if chosen else None


@path("update by expression")
def update_by(desk: Desk) -> Run | None:
    """Have the database add something."""
    more, chosen = OWNERS * desk.random.randint(1, 1000), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, amount=desk.picture.items[sku].amount + more)
    return (lambda: Item.objects.filter(sku__in=chosen).update(amount=F("amount") + more)) if chosen else None


@path("update that moves")
def update_color(desk: Desk) -> Run | None:
    """Move several rows to one colour."""
    color, chosen = desk.color(), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, color=color)
    return (lambda: Item.objects.filter(sku__in=chosen).update(color=color)) if chosen else None


@path("update of a relation")
def update_order(desk: Desk) -> Run | None:
    """Move several rows to one order."""
    order, chosen = desk.order(), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, order=order)
    return (lambda: Item.objects.filter(sku__in=chosen).update(order_id=order)) if chosen else None


@path("bulk_update")
def bulk_update(desk: Desk) -> Run | None:
    """Give several rows values of their own."""
    rows = {sku: desk.change(sku, color=desk.color(), amount=desk.amount()) for sku in desk.some(desk.picture.items)}
    if not rows:
        return None
    return lambda: Item.objects.bulk_update([written(*pair) for pair in rows.items()], ["color", "amount"])


def poured_over(desk: Desk) -> dict[str, Row]:
    """Plan a new item, and to write over some of those that are there, moving them; nothing where none is."""
    old = desk.some(desk.picture.items)
    if not old:
        return {}
    return desk.new_items(1) | {
        sku: desk.change(sku, color=desk.color(), amount=desk.amount(), order=desk.order()) for sku in old
    }


@path("bulk_create with update_conflicts")
def upsert(desk: Desk) -> Run | None:
    """Create some rows and write over others, moving them."""
    rows = poured_over(desk)
    if not rows:
        return None
    return lambda: Item.objects.bulk_create(
        [instance(sku, row) for sku, row in rows.items()],
        update_conflicts=True,
        unique_fields=["sku"] if connection.features.supports_update_conflicts_with_target else None,
        update_fields=["color", "amount", "order"],
    )


@path("raw SQL within invalidates")
def raw(desk: Desk) -> Run | None:
    """Write by SQL, and say so."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, amount=desk.amount())
        return partial(write_raw, sku, row, desk.picture.orders[row.order])
    return None


def write_raw(sku: str, row: Row, region: int) -> None:
    """Set an amount in a way that Django cannot see."""
    with invalidates(Item, color=row.color, order__region=region), connection.cursor() as cursor:
        cursor.execute("UPDATE tests_item SET amount = %s WHERE sku = %s", [row.amount, sku])
