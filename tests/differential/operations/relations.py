"""Relations of every kind, from both sides."""

from random import Random
from typing import Any

from tests.differential.families import Family, Nothing

from . import chance
from .registry import BOTH, PLAIN, operation


def tag_or_key(tag: Any, random: Random) -> Any:
    """Give a row, or its key: both are understood."""
    return random.choice((tag, tag.pk))


@operation()
def tags_add(family: Family, random: Random) -> Any:
    """Tie an item to tags."""
    tags = [tag_or_key(tag, random) for tag in family.several("Tag", random)]
    return family.some("Item", random).tags.add(*tags)


@operation()
def tags_remove(family: Family, random: Random) -> Any:
    """Untie tags from an item, tied or not."""
    return family.some("Item", random).tags.remove(*family.several("Tag", random))


@operation()
def tags_set(family: Family, random: Random) -> Any:
    """Tie an item to these tags alone."""
    chosen = random.choice(([], family.several("Tag", random)))
    return family.some("Item", random).tags.set(chosen, clear=random.random() < 0.3)


@operation()
def tags_clear(family: Family, random: Random) -> Any:
    """Untie all tags from an item."""
    return family.some("Item", random).tags.clear()


@operation()
def tags_create(family: Family, random: Random) -> Any:
    """Create a tag of an item."""
    return family.some("Item", random).tags.get_or_create(name=random.choice(("new", "old", "odd")))


@operation()
def tag_add_items(family: Family, random: Random) -> Any:
    """Tie a tag to items."""
    return family.some("Tag", random).items.add(*family.several("Item", random))


@operation()
def tag_remove_items(family: Family, random: Random) -> Any:
    """Untie items from a tag."""
    return family.some("Tag", random).items.remove(*family.several("Item", random))


@operation()
def tag_set_items(family: Family, random: Random) -> Any:
    """Tie a tag to these items alone."""
    return family.some("Tag", random).items.set(family.several("Item", random))


@operation()
def tag_clear_items(family: Family, random: Random) -> Any:
    """Untie all items from a tag."""
    return family.some("Tag", random).items.clear()


@operation()
def proxy_tags(family: Family, random: Random) -> Any:
    """Tie and untie tags through a proxy."""
    proxy = family.Proxy.objects.get(pk=family.some("Item", random).pk)
    tag = family.some("Tag", random)
    return proxy.tags.add(tag) if random.random() < 0.5 else proxy.tags.remove(tag)


def ends(family: Family) -> tuple[str, str]:
    """Give the names that Django gave to both ends of a tie."""
    return family.prefix.lower() + "item", family.prefix.lower() + "tag"


def some_tie(family: Family) -> Any:
    """Give a tie, the same in every family, though it has another key there. Raises Nothing where there is none."""
    found = family.Item.tags.through.objects.order_by(*ends(family)).first()
    if found is None:
        raise Nothing
    return found


@operation()
def ties_create(family: Family, random: Random) -> Any:
    """Create a row of the automatic table, as an inline of the admin does; it may be there."""
    item, tag = ends(family)
    family.Item.tags.through.objects.create(**{item: family.some("Item", random), tag: family.some("Tag", random)})


@operation()
def ties_delete(family: Family, random: Random) -> Any:
    """Delete rows of the automatic table."""
    if random.random() < 0.5:
        return some_tie(family).delete()
    _, tag = ends(family)
    return family.Item.tags.through.objects.filter(**{tag: family.some("Tag", random)}).delete()


@operation()
def ties_change(family: Family, random: Random) -> Any:
    """Have a row of the automatic table tie another item; it may be there."""
    tie, (item, _) = some_tie(family), ends(family)
    setattr(tie, item, family.some("Item", random))
    tie.save()


@operation(BOTH)
def ties_bulk_create(family: Family, random: Random) -> Any:
    """Create rows of the automatic table at once: its model is Django's own, and never a StatisticsSource."""
    (item, tag), ties = ends(family), family.Item.tags.through
    made = [ties(**{item: each, tag: family.some("Tag", random)}) for each in family.several("Item", random)]
    return len(ties.objects.bulk_create(made, ignore_conflicts=True))


@operation(PLAIN)
def badges_add(family: Family, random: Random) -> Any:
    """Tie an item to badges, through a model of its own."""
    badges = family.several("Badge", random)
    return family.some("Item", random).badges.add(*badges, through_defaults={"weight": chance.number(random)})


@operation(PLAIN)
def badges_set(family: Family, random: Random) -> Any:
    """Tie an item to these badges alone."""
    return family.some("Item", random).badges.set(family.several("Badge", random))


@operation()
def badges_remove(family: Family, random: Random) -> Any:
    """Untie badges, or all."""
    item = family.some("Item", random)
    return random.choice((item.badges.clear, lambda: item.badges.remove(*family.several("Badge", random))))()


@operation()
def badge_items(family: Family, random: Random) -> Any:
    """Tie and untie items of a badge."""
    badge = family.some("Badge", random)
    return badge.items.remove(family.some("Item", random)), badge.items.clear()


@operation()
def award_create(family: Family, random: Random) -> Any:
    """Create an award, and change one."""
    made = family.Award.objects.create(item=family.some("Item", random), badge=family.some("Badge", random))
    award = family.some("Award", random)
    award.item, award.badge = family.some("Item", random), family.some("Badge", random)
    award.save(update_fields=random.choice((None, ["item"], ["badge"])))
    return made, award


@operation()
def award_delete(family: Family, random: Random) -> Any:
    """Delete awards."""
    deleted = family.some("Award", random).delete()
    return deleted, family.Award.objects.filter(item__color=chance.color(random)).delete()


@operation(PLAIN)
def award_bulk(family: Family, random: Random) -> Any:
    """Create awards at once."""
    items, badge = family.several("Item", random), family.some("Badge", random)
    return family.Award.objects.bulk_create([family.Award(item=item, badge=badge) for item in items])


@operation()
def friends_add(family: Family, random: Random) -> Any:
    """Make nodes friends: each becomes the other's."""
    return family.some("Node", random).friends.add(*family.several("Node", random))


@operation()
def friends_set(family: Family, random: Random) -> Any:
    """Let a node have these friends alone, or none."""
    node = family.some("Node", random)
    return random.choice((node.friends.clear, lambda: node.friends.set(family.several("Node", random))))()


@operation()
def friends_remove(family: Family, random: Random) -> Any:
    """End friendships."""
    return family.some("Node", random).friends.remove(*family.several("Node", random))


@operation()
def children_create(family: Family, random: Random) -> Any:
    """Create a child of a node."""
    return family.some("Node", random).children.create(name=chance.name(random))


@operation(PLAIN)
def children_add(family: Family, random: Random) -> Any:
    """Hang nodes on another, in one statement."""
    return family.some("Node", random).children.add(*family.several("Node", random))


@operation()
def children_add_each(family: Family, random: Random) -> Any:
    """Hang nodes on another, one by one."""
    return family.some("Node", random).children.add(*family.several("Node", random), bulk=False)


@operation(PLAIN)
def children_remove(family: Family, random: Random) -> Any:
    """Take children off a node, in one statement; it fails for what is no child."""
    node = family.some("Node", random)
    chosen = family.several("Node", random) if random.random() < 0.3 else list(node.children.order_by("pk")[:1])
    return node.children.remove(*chosen)


@operation()
def children_remove_each(family: Family, random: Random) -> Any:
    """Take children off a node, one by one."""
    node = family.some("Node", random)
    if random.random() < 0.5:
        return node.children.clear(bulk=False)
    return node.children.remove(*node.children.order_by("pk")[:1], bulk=False)


@operation(PLAIN)
def children_clear(family: Family, random: Random) -> Any:
    """Take all children off a node, or set them, in one statement each."""
    node = family.some("Node", random)
    if random.random() < 0.5:
        return node.children.clear()
    return node.children.set(family.several("Node", random), clear=random.random() < 0.5)


@operation(PLAIN)
def items_add(family: Family, random: Random) -> Any:
    """Have items refer to an order, in one statement."""
    return family.some("Order", random).items.add(*family.several("Item", random))


@operation()
def items_add_each(family: Family, random: Random) -> Any:
    """Have items refer to an order, one by one; one may be new."""
    new = [chance.new_item(family, random, sku=None)]
    return family.some("Order", random).items.add(*family.several("Item", random), *new, bulk=False)


@operation(PLAIN)
def lines_add(family: Family, random: Random) -> Any:
    """Have lines refer to an order by its code, in one statement."""
    return family.some("Order", random).lines.add(*family.several("Line", random))


@operation()
def lines_create(family: Family, random: Random) -> Any:
    """Create a line of an order."""
    return family.some("Order", random).lines.create(size=chance.number(random))


@operation()
def notes_create(family: Family, random: Random) -> Any:
    """Create a note on an item, or on an order."""
    if random.random() < 0.3:
        return family.Note.objects.create(target=family.some("Order", random), kind="blame")
    return family.some("Item", random).notes.create(kind=random.choice(("praise", "blame")))


@operation(PLAIN)
def notes_add(family: Family, random: Random) -> Any:
    """Have notes be on an item, in one statement."""
    return family.some("Item", random).notes.add(*family.several("Note", random))


@operation()
def notes_add_each(family: Family, random: Random) -> Any:
    """Have notes be on an item, one by one."""
    return family.some("Item", random).notes.add(*family.several("Note", random), bulk=False)


@operation()
def notes_remove(family: Family, random: Random) -> Any:
    """Delete notes of an item."""
    item = family.some("Item", random)
    return item.notes.remove(*item.notes.order_by("pk")[:1])


@operation()
def notes_clear(family: Family, random: Random) -> Any:
    """Delete all notes of an item."""
    return family.some("Item", random).notes.clear(bulk=random.random() < 0.5)


@operation(PLAIN)
def notes_set(family: Family, random: Random) -> Any:
    """Let an item have these notes alone."""
    return family.some("Item", random).notes.set(family.several("Note", random))


@operation()
def note_change(family: Family, random: Random) -> Any:
    """Have a note be on something else."""
    note = family.some("Note", random)
    note.target = random.choice((family.some("Item", random), family.some("Order", random)))
    note.save()
    return note
