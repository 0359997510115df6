"""Rows that are deleted, and those that go with them."""

from random import Random
from typing import Any

from django.db.models import Model, QuerySet

from tests.differential.families import Family

from . import chance
from .registry import PLAIN, operation


@operation()
def delete(family: Family, random: Random) -> Any:
    """Delete an item, with what is tied to it."""
    item = family.some("Item", random)
    return item.delete(), item


@operation()
def delete_by_queryset(family: Family, random: Random) -> Any:
    """Delete the items of a colour."""
    return family.Item.objects.filter(color=chance.color(random)).delete()


@operation()
def delete_along_a_path(family: Family, random: Random) -> Any:
    """Delete items that are chosen by what a path leads to, or by a many-to-many relation."""
    by_region = family.Item.objects.filter(order__region__name="north", amount__gt=1)
    return random.choice((by_region, family.Item.objects.filter(badges__name="gold"))).delete()


@operation()
def delete_order(family: Family, random: Random) -> Any:
    """Delete an order, with its items, their awards, tags and notes, and its lines."""
    return family.some("Order", random).delete()


@operation()
def delete_orders(family: Family, random: Random) -> Any:
    """Delete orders by a queryset."""
    return family.Order.objects.filter(pk=family.some("Order", random).pk).delete()


@operation()
def delete_region(family: Family, random: Random) -> Any:
    """Delete a region, and all that hangs on it over two hops; then there is another one again."""
    deleted = family.Region.objects.filter(name=random.choice(("north", "south")), pk__gt=1).delete()
    return deleted, family.Region.objects.create(name=random.choice(("north", "south")))


@operation()
def delete_stale(family: Family, random: Random) -> Any:
    """Delete an instance whose row has another colour and order than it remembers."""
    stale = family.some("Item", random)
    row = family.Item.objects.get(pk=stale.pk)
    row.color, row.order = chance.color(random), family.some("Order", random)
    row.save()
    return stale.delete()


@operation()
def delete_changed(family: Family, random: Random) -> Any:
    """Delete an instance that was changed and not saved."""
    item = family.some("Item", random)
    item.color, item.order = chance.color(random), family.some("Order", random)
    return item.delete()


@operation()
def delete_twice(family: Family, random: Random) -> Any:
    """Delete a row through two instances."""
    first = family.some("Item", random)
    second = family.Item.objects.get(pk=first.pk)
    return first.delete(), second.delete()


@operation()
def delete_deferred(family: Family, random: Random) -> Any:
    """Delete an instance that knows its key alone."""
    return QuerySet(family.Item).only("pk").get(pk=family.some("Item", random).pk).delete()


@operation()
def delete_unread(family: Family, random: Random) -> Any:
    """Delete an instance that was never read."""
    return family.Item(pk=family.some("Item", random).pk).delete()


@operation()
def delete_line(family: Family, random: Random) -> Any:
    """Delete rows that nothing refers to: in one statement, where nobody listens."""
    return family.some("Line", random).delete(), family.Line.objects.filter(order__code="A").delete()


@operation()
def delete_node(family: Family, random: Random) -> Any:
    """Delete a node: its children hang on none, its friendships go."""
    return family.some("Node", random).delete()


@operation()
def delete_nodes(family: Family, random: Random) -> Any:
    """Delete nodes of a name, some of which may hang on others of them."""
    return family.Node.objects.filter(name=chance.name(random), pk__gt=2).delete()


@operation()
def delete_tag(family: Family, random: Random) -> Any:
    """Delete a tag, and with it the rows that tie it to items; then there is another one again."""
    deleted = family.Tag.objects.order_by("-pk").first()
    return deleted and deleted.delete(), family.Tag.objects.create(name="new")


@operation()
def delete_badge(family: Family, random: Random) -> Any:
    """Delete a badge, and with it the awards; then there is another one again."""
    return family.some("Badge", random).delete(), family.Badge.objects.create(name=random.choice(("gold", "iron")))


@operation()
def delete_stock(family: Family, random: Random) -> Any:
    """Delete rows with a key of two columns."""
    deleted = family.some("Stock", random).delete()
    return deleted, family.Stock.objects.filter(shop=0, amount__gt=3).delete()


@operation()
def save_stock(family: Family, random: Random) -> Any:
    """Change a row with a key of two columns, in its key too, and create one."""
    stock = family.some("Stock", random)
    stock.amount = chance.number(random)
    stock.save()
    stock.shop = random.randint(0, 2)
    stock.save()
    return stock, family.Stock.objects.update_or_create(shop=1, sku="x", defaults={"amount": chance.number(random)})


@operation()
def delete_doc(family: Family, random: Random) -> Any:
    """Hide a row, in place of deleting it."""
    return family.some("Doc", random).delete()


@operation()
def delete_doc_for_good(family: Family, random: Random) -> Any:
    """Delete a row that may be hidden, and the pages that go with it; then there is another one again."""
    doc = family.some("Doc", random)
    deleted = Model.delete(doc)
    return deleted, family.Page.objects.create(doc=family.Doc.objects.create(color=chance.color(random)))


@operation()
def delete_docs(family: Family, random: Random) -> Any:
    """Delete rows by a manager that finds all, or by one that finds what is not hidden."""
    manager = random.choice((family.Doc.objects, family.Doc.everything))
    deleted = manager.filter(pk=family.some("Doc", random).pk).delete()
    return deleted, family.Page.objects.create(doc=family.Doc.objects.create(color=chance.color(random)))


@operation()
def save_doc(family: Family, random: Random) -> Any:
    """Save a row that may be hidden, hide it, and bring it back."""
    doc = family.some("Doc", random)
    doc.color, doc.gone = chance.color(random), random.random() < 0.5
    doc.save(update_fields=random.choice((None, ["color"], ["gone"])))
    page = family.some("Page", random)
    page.doc = doc
    page.save()
    return doc, page


@operation(PLAIN)
def raw_delete(family: Family, random: Random) -> Any:
    """Delete without collecting, as libraries do."""
    chosen = family.Award.objects.filter(badge__name="gold")
    return chosen._raw_delete(chosen.db)
