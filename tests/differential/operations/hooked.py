"""Writes that a receiver of the user's own adds to."""

from random import Random
from typing import Any

from django.db import transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from tests.differential.families import Family
from tests.differential.hooks import receiving

from . import chance
from .registry import operation


def save_again(**changes: Any) -> Any:
    """Give a receiver that changes and saves the instance, once."""

    def receiver(instance: Any, **_: Any) -> None:
        if not vars(instance).pop("_again", False):
            instance._again = True
            for name, value in changes.items():
                setattr(instance, name, value)
            instance.save()
            vars(instance).pop("_again", None)

    return receiver


def early(random: Random) -> bool:
    """Tell whether a receiver is connected before those of the package."""
    return random.random() < 0.5


@operation()
def saved_again_after(family: Family, random: Random) -> Any:
    """A receiver saves the instance again after it was saved."""
    item, color = family.some("Item", random), chance.color(random)
    item.color = chance.color(random)
    with receiving(family.Item, post_save, save_again(amount=7, color=color), early=early(random)):
        item.save()
    return item


@operation()
def saved_again_before(family: Family, random: Random) -> Any:
    """A receiver saves the instance before it is saved."""
    item, order = family.some("Item", random), family.some("Order", random)
    item.color = chance.color(random)
    with receiving(family.Item, pre_save, save_again(amount=3, order=order), early=early(random)):
        item.save()
    return item


@operation()
def created_and_saved_again(family: Family, random: Random) -> Any:
    """A receiver saves a new instance again."""
    color = chance.color(random)
    with receiving(family.Item, post_save, save_again(color=color), early=early(random)):
        return family.Item.objects.create(order=family.some("Order", random), color=chance.color(random))


@operation()
def stamped_before_delete(family: Family, random: Random) -> Any:
    """A receiver saves the instance that is about to be deleted."""
    item = family.some("Item", random)
    stamp = save_again(color=chance.color(random), order=family.some("Order", random))
    with receiving(family.Item, pre_delete, stamp, early=early(random)):
        return item.delete() if random.random() < 0.5 else family.Item.objects.filter(pk=item.pk).delete()


@operation()
def revived_after_delete(family: Family, random: Random) -> Any:
    """A receiver inserts again what was deleted."""
    node = family.some("Node", random)
    with receiving(family.Node, post_delete, save_again(), early=early(random)):
        return node.delete()


@operation()
def changed_in_memory_before(family: Family, random: Random) -> Any:
    """A receiver changes what is about to be saved."""
    item, color = family.some("Item", random), chance.color(random)

    def recolor(instance: Any, **_: Any) -> None:
        instance.color = color

    with receiving(family.Item, pre_save, recolor, early=early(random)):
        item.save()
    return item


@operation()
def written_by_query_after(family: Family, random: Random) -> Any:
    """A receiver of an order's writes saves the items, one by one."""
    order, color = family.some("Order", random), chance.color(random)

    def recolor(instance: Any, **_: Any) -> None:
        for item in family.Item.objects.filter(order=instance).order_by("pk"):
            item.color = color
            item.save()

    with receiving(family.Order, post_save, recolor, early=early(random)):
        order.region = family.some("Region", random)
        order.save()
    return order


@operation()
def others_deleted_before_delete(family: Family, random: Random) -> Any:
    """A receiver deletes some of what the delete has collected, and moves others out of its way."""
    order, other = family.some("Order", random), family.some("Order", random)

    def disturb(instance: Any, **_: Any) -> None:
        items = list(family.Item.objects.filter(order=instance.pk).order_by("pk"))
        for number, item in enumerate(items):
            item.delete() if number % 2 else recolored(item)

    def recolored(item: Any) -> None:
        item.color = "blue"
        item.save()

    with receiving(family.Order, pre_delete, disturb, early=early(random)):
        return order.delete(), other.pk


@operation()
def written_when_tagged(family: Family, random: Random) -> Any:
    """A receiver of a many-to-many change saves the item."""
    item = family.some("Item", random)
    through = family.Item.tags.through

    def recolor(instance: Any, action: str, **_: Any) -> None:
        if action in ("pre_add", "post_clear"):
            instance.color = "red" if instance.color != "red" else "blue"
            instance.save()

    with receiving(through, m2m_changed, recolor, early=False):
        item.tags.clear()
        item.tags.add(*family.several("Tag", random))
    return item


@operation()
def rolled_back_inside(family: Family, random: Random) -> Any:
    """A receiver's own block is rolled back, and it goes on."""
    item, color = family.some("Item", random), chance.color(random)

    def attempt(instance: Any, **_: Any) -> None:
        try:
            with transaction.atomic(using=instance._state.db):
                family.Item.objects.create(order_id=instance.order_id, color=color)
                raise LookupError
        except LookupError:
            pass

    with receiving(family.Node, post_save, lambda **_: attempt(item), early=early(random)):
        node = family.some("Node", random)
        node.name = chance.name(random)
        node.save()
    return node


@operation()
def listened_after_commit(family: Family, random: Random) -> Any:
    """A receiver has something written after the commit."""
    item, color = family.some("Item", random), chance.color(random)

    def later() -> None:
        family.Item.objects.create(order_id=item.order_id, color=color)

    def ask(instance: Any, using: str, **_: Any) -> None:
        if instance is item:
            transaction.on_commit(later, using=using)

    with receiving(family.Item, post_save, ask, early=early(random)):
        item.save()
    return item
