"""Rows that are created and saved one by one."""

from random import Random
from typing import Any

from django.core import serializers
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Concat, Upper

from tests.differential.families import Family

from . import chance
from .registry import PLAIN, operation


@operation()
def create(family: Family, random: Random) -> Any:
    """Create an item."""
    item = chance.new_item(family, random)
    item.save()
    return item


@operation()
def create_by_manager(family: Family, random: Random) -> Any:
    """Create an item by its manager."""
    return family.Item.objects.create(order_id=family.some("Order", random).pk, color=chance.color(random))


@operation()
def create_forced(family: Family, random: Random) -> Any:
    """Insert an item under a key that may be taken."""
    item = chance.new_item(family, random, pk=random.randint(1, 60))
    item.save(force_insert=True)
    return item


@operation()
def create_with_a_key(family: Family, random: Random) -> Any:
    """Save an item under a key that may be taken: it is updated then."""
    item = chance.new_item(family, random, pk=random.randint(1, 60))
    item.save()
    return item


@operation()
def create_by_expression(family: Family, random: Random) -> Any:
    """Create a row whose scope the database works out."""
    item = chance.new_item(family, random, color=Upper(Value("blue")))
    item.save()
    return item.pk


@operation()
def save(family: Family, random: Random) -> Any:
    """Save a row that is as it was."""
    item = family.some("Item", random)
    item.save()
    return item


@operation()
def change(family: Family, random: Random) -> Any:
    """Change columns of a row."""
    item = family.some("Item", random)
    item.color, item.amount, item.price = chance.color(random), chance.number(random), chance.price(random)
    item.save()
    return item


@operation()
def change_some_fields(family: Family, random: Random) -> Any:
    """Change several columns, and save one: by name, by attname, none at all."""
    item = family.some("Item", random)
    item.color, item.amount, item.order = chance.color(random), chance.number(random), family.some("Order", random)
    item.save(update_fields=random.choice((["color"], ["amount"], ["order"], ["order_id"], [], ["color", "amount"])))
    return item


@operation()
def change_deferred(family: Family, random: Random) -> Any:
    """Change a row of which some columns were not read: only what was read is saved."""
    found: Any = QuerySet(family.Item).defer("color", "amount").get(pk=family.some("Item", random).pk)
    found.price = chance.price(random)
    found.save()
    return found


@operation()
def change_only(family: Family, random: Random) -> Any:
    """Change a row of which one column was read."""
    found: Any = QuerySet(family.Item).only("color").get(pk=family.some("Item", random).pk)
    found.color = chance.color(random)
    found.save()
    return found


@operation()
def change_by_expression(family: Family, random: Random) -> Any:
    """Change columns in a way that the database works out."""
    item = family.some("Item", random)
    item.amount = F("amount") + 1
    item.color = random.choice((F("color"), Concat(F("color"), Value("")), Value("red")))
    item.save(update_fields=random.choice((None, ["color"], ["amount", "color"])))
    return item.pk


@operation()
def change_order(family: Family, random: Random) -> Any:
    """Have an item refer to another order."""
    item = family.some("Item", random)
    item.order = family.some("Order", random)
    item.save()
    return item


@operation(PLAIN)
def save_stale(family: Family, random: Random) -> Any:
    """Save an instance whose row another has changed since."""
    stale = family.some("Item", random)
    family.Item.objects.filter(pk=stale.pk).update(color=chance.color(random), order=family.some("Order", random))
    stale.amount = chance.number(random)
    stale.save(update_fields=random.choice((None, ["amount"])))
    return stale


@operation()
def save_twice_read(family: Family, random: Random) -> Any:
    """Save a row through two instances that were read before."""
    first = family.some("Item", random)
    second = family.Item.objects.get(pk=first.pk)
    first.color, second.color = chance.color(random), chance.color(random)
    first.save()
    second.save()
    return first, second


@operation()
def save_with_a_stale_order(family: Family, random: Random) -> Any:
    """Save an item while the order in its memory has another region than its row."""
    item = family.some("Item", random)
    remembered = item.order
    row = family.Order.objects.get(pk=item.order_id)
    row.region = family.some("Region", random)
    row.save()
    item.save()
    return remembered, item


@operation()
def save_deleted(family: Family, random: Random) -> Any:
    """Save an instance whose row is gone: it is inserted again."""
    item = family.some("Item", random)
    key = item.pk
    family.Item.objects.get(pk=key).delete()
    item.save()
    return item


@operation()
def copy(family: Family, random: Random) -> Any:
    """Save a row again under a new key."""
    item = family.some("Item", random)
    item.pk, item.sku, item._state.adding = None, None, True
    item.save()
    return item


@operation()
def change_key(family: Family, random: Random) -> Any:
    """Save a row under another key: both are there afterwards."""
    tag = family.some("Tag", random)
    tag.pk = random.randint(1, 40)
    tag.save()
    return tag


@operation()
def get_or_create(family: Family, random: Random) -> Any:
    """Get an item, or create it."""
    defaults = {"order": family.some("Order", random), "color": chance.color(random)}
    return family.Item.objects.get_or_create(sku=str(random.randint(0, 9)), defaults=defaults)


@operation()
def update_or_create(family: Family, random: Random) -> Any:
    """Update an item, or create it."""
    defaults = {"order": family.some("Order", random), "color": chance.color(random)}
    sku = str(random.randint(0, 9))
    return family.Item.objects.update_or_create(sku=sku, defaults=defaults)


@operation()
def load_raw(family: Family, random: Random) -> Any:
    """Save a row as loaddata does."""
    item = family.some("Item", random)
    item.color, item.order = chance.color(random), family.some("Order", random)
    for loaded in serializers.deserialize("json", serializers.serialize("json", [item])):
        loaded.save()


@operation()
def save_base_raw(family: Family, random: Random) -> Any:
    """Save a row without what `save` does around it."""
    item = family.some("Item", random)
    item.color = chance.color(random)
    item.save_base(raw=True)
    return item


@operation()
def move_order(family: Family, random: Random) -> Any:
    """Change a row on paths."""
    order = family.some("Order", random)
    order.region = family.some("Region", random)
    order.save(update_fields=random.choice((None, ["region"], ["region_id"])))
    return order


@operation()
def note_order(family: Family, random: Random) -> Any:
    """Change a column of a row on paths that no path leads to."""
    order = family.some("Order", random)
    order.note = chance.name(random)
    order.save()
    return order


@operation()
def rename_region(family: Family, random: Random) -> Any:
    """Change the end of paths."""
    region = family.some("Region", random)
    region.name = random.choice(("north", "south"))
    region.save()
    return region


@operation()
def create_on_paths(family: Family, random: Random) -> Any:
    """Create an order, and an item and a line of it."""
    code = random.choice("ABCDEFGHIJ")
    order = family.Order.objects.create(code=code, region=family.some("Region", random))
    item = family.Item.objects.create(order=order, color=chance.color(random))
    return order, item, family.Line.objects.create(order=order)


@operation()
def change_code(family: Family, random: Random) -> Any:
    """Change what lines refer to: it fails where there are any, when the transaction ends."""
    order = family.some("Order", random)
    order.code = random.choice("ABCDEFGHIJ")
    order.save()


@operation()
def move_line(family: Family, random: Random) -> Any:
    """Have a line refer to another order, by its code."""
    line = family.some("Line", random)
    line.order_id = family.some("Order", random).code
    line.save()
    return line


@operation()
def rename_node(family: Family, random: Random) -> Any:
    """Change a row on a path that leads over the model itself."""
    node = family.some("Node", random)
    node.name = chance.name(random)
    node.save()
    return node


@operation()
def move_node(family: Family, random: Random) -> Any:
    """Have a node hang on another, itself too, or on none."""
    node = family.some("Node", random)
    node.parent = random.choice((None, family.some("Node", random)))
    node.save()
    return node


@operation()
def create_node(family: Family, random: Random) -> Any:
    """Create a node, or two at once."""
    node = family.Node.objects.create(name=chance.name(random), parent=family.some("Node", random))
    return node, family.Node.objects.create(name=chance.name(random), parent=random.choice((None, node)))


@operation()
def select_and_change(family: Family, random: Random) -> Any:
    """Change rows that were locked, or chosen by what a path leads to."""
    chosen = family.Item.objects.filter(Q(order__region__name="north") | Q(color="red")).order_by("pk")
    for item in chosen[:2]:
        item.color = chance.color(random)
        item.save()
