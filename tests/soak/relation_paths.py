"""Every way to move items without writing them: their orders, and what ties tags to them.

Orders and tags are plain models, written in transactions.
"""

from collections.abc import Callable
from functools import partial

from statistics_cache import invalidates
from tests.models import Item, Order, Tag
from tests.soak.paths import path
from tests.soak.picture import Desk

Run = Callable[[], object]


@path("move of a row on the path", "atomic")
def move_order(desk: Desk) -> Run:
    """Move an order with all its items."""
    order, region = desk.order(), desk.region()
    desk.picture.orders[order] = region
    return partial(save_region, order, region)


def save_region(order: int, region: int) -> None:
    """Save an order elsewhere."""
    found = Order.objects.get(pk=order)
    found.region_id = region
    found.save()


@path("update of a plain model within invalidates", "atomic")
def update_order(desk: Desk) -> Run:
    """Move an order in a way that sends no signal, and say so."""
    order, new = desk.order(), desk.region()
    old, desk.picture.orders[order] = desk.picture.orders[order], new
    return partial(update_region, order, old, new)


def update_region(order: int, old: int, new: int) -> None:
    """Update an order, from a region to another."""
    with invalidates(Order, region=old), invalidates(Order, region=new):
        Order.objects.filter(pk=order).update(region=new)


@path("cascade", "atomic")
def cascade(desk: Desk) -> Run | None:
    """Delete an order with all its items, and make another."""
    order, new, region = desk.order(), desk.new_key(), desk.region()
    gone = [sku for sku, row in desk.picture.items.items() if row.order == order]
    if len(gone) > 6:  # else there would soon be nothing to write to
        return None
    del desk.picture.orders[order]
    desk.picture.orders[new] = region
    for sku in gone:
        del desk.picture.items[sku]
    return partial(replace_order, order, new, region)


def replace_order(order: int, new: int, region: int) -> None:
    """Delete an order and make another."""
    Order.objects.get(pk=order).delete()
    Order.objects.create(pk=new, region_id=region)


def tie(desk: Desk, sku: str, tags: frozenset[int]) -> None:
    """Say which tags an item has."""
    desk.change(sku, tags=tags)


def tied(desk: Desk) -> list[str]:
    """Choose an item that has tags, if there is one."""
    return desk.some((sku for sku, row in desk.picture.items.items() if row.tags), 1)


@path("m2m add")
def add(desk: Desk) -> Run | None:
    """Add a tag to an item."""
    tag = desk.random.choice(desk.picture.tags)
    for sku in desk.some((sku for sku, row in desk.picture.items.items() if tag not in row.tags), 1):
        tie(desk, sku, desk.picture.items[sku].tags | {tag})
        return lambda: Item.objects.get(sku=sku).tags.add(tag)
    return None


@path("m2m add from the other side")
def add_to_tag(desk: Desk) -> Run | None:
    """Add items to a tag."""
    tag = desk.random.choice(desk.picture.tags)
    chosen = desk.some(sku for sku, row in desk.picture.items.items() if tag not in row.tags)
    for sku in chosen:
        tie(desk, sku, desk.picture.items[sku].tags | {tag})
    return (lambda: Tag.objects.get(pk=tag).item_set.add(*Item.objects.filter(sku__in=chosen))) if chosen else None


@path("m2m remove")
def remove(desk: Desk) -> Run | None:
    """Remove a tag from an item."""
    for sku in tied(desk):
        tag = desk.random.choice(sorted(desk.picture.items[sku].tags))
        tie(desk, sku, desk.picture.items[sku].tags - {tag})
        return lambda: Item.objects.get(sku=sku).tags.remove(tag)
    return None


@path("m2m remove from the other side")
def remove_from_tag(desk: Desk) -> Run | None:
    """Remove an item from a tag."""
    for sku in tied(desk):
        tag = desk.random.choice(sorted(desk.picture.items[sku].tags))
        tie(desk, sku, desk.picture.items[sku].tags - {tag})
        return lambda: Tag.objects.get(pk=tag).item_set.remove(Item.objects.get(sku=sku))
    return None


@path("m2m clear")
def clear(desk: Desk) -> Run | None:
    """Remove all tags from an item."""
    for sku in tied(desk):
        tie(desk, sku, frozenset())
        return partial(untie_item, sku)
    return None


@path("m2m clear from the other side")
def clear_tag(desk: Desk) -> Run:
    """Remove a tag from all items."""
    tag = desk.random.choice(desk.picture.tags)
    for sku, row in list(desk.picture.items.items()):
        tie(desk, sku, row.tags - {tag})
    return partial(untie_tag, tag)


def untie_item(sku: str) -> None:
    """Clear from the item's side."""
    Item.objects.get(sku=sku).tags.clear()


def untie_tag(tag: int) -> None:
    """Clear from the tag's side."""
    Tag.objects.get(pk=tag).item_set.clear()


@path("m2m set")
def set_tags(desk: Desk) -> Run | None:
    """Give an item other tags."""
    for sku in desk.some(desk.picture.items, 1):
        tags = frozenset(desk.some(desk.picture.tags))
        tie(desk, sku, tags)
        return lambda: Item.objects.get(sku=sku).tags.set(sorted(tags))
    return None


@path("m2m set from the other side")
def set_items(desk: Desk) -> Run | None:
    """Give a tag other items."""
    tag, chosen = desk.random.choice(desk.picture.tags), desk.some(desk.picture.items)
    if not chosen:
        return None
    for sku, row in list(desk.picture.items.items()):
        tie(desk, sku, row.tags | {tag} if sku in chosen else row.tags - {tag})
    return lambda: Tag.objects.get(pk=tag).item_set.set(Item.objects.filter(sku__in=chosen))


@path("delete of what is tied", "atomic")
def delete_tag(desk: Desk) -> Run:
    """Delete a tag with what ties it to items, and make another."""
    tag, new = desk.random.choice(desk.picture.tags), desk.new_key()
    desk.picture.tags = [new if each == tag else each for each in desk.picture.tags]
    for sku, row in list(desk.picture.items.items()):
        tie(desk, sku, row.tags - {tag})
    return partial(replace_tag, tag, new)


def replace_tag(tag: int, new: int) -> None:
    """Delete a tag and make another."""
    Tag.objects.get(pk=tag).delete()
    Tag.objects.create(pk=new, name=str(new))
