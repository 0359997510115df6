"""Writes that fail: of themselves, by the database, or by a receiver; and what is caught."""

from random import Random
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save

from tests.differential.families import Family
from tests.differential.hooks import receiving

from . import chance
from .registry import PLAIN, operation


def refuse(**_: Any) -> None:
    """Receive, and raise."""
    raise ValidationError("no")


@operation()
def refused_before_save(family: Family, random: Random) -> Any:
    """A receiver refuses before the row is saved."""
    with receiving(family.Item, pre_save, refuse, early=random.random() < 0.5):
        chance.new_item(family, random).save()


@operation()
def refused_after_save(family: Family, random: Random) -> Any:
    """A receiver raises after the row was saved: in autocommit it stays, in a block its fate is the block's."""
    item = family.some("Item", random)
    item.color = chance.color(random)
    with receiving(family.Item, post_save, refuse, early=random.random() < 0.5):
        item.save()


@operation()
def refused_by_the_parent(family: Family, random: Random) -> Any:
    """A receiver raises between the tables of a parent and a child."""
    bar = family.some("Bar", random)
    bar.town = chance.town(random)
    with receiving(family.Bar, random.choice((pre_save, post_save)), refuse, early=random.random() < 0.5):
        bar.save()


@operation()
def refused_before_delete(family: Family, random: Random) -> Any:
    """A receiver refuses a delete."""
    with receiving(family.Item, pre_delete, refuse, early=random.random() < 0.5):
        family.some("Item", random).delete()


@operation()
def refused_after_delete(family: Family, random: Random) -> Any:
    """A receiver raises after the delete, in a cascade: all of it is rolled back."""
    with receiving(family.Item, post_delete, refuse, early=random.random() < 0.5):
        family.some("Order", random).delete()


@operation()
def refused_tags(family: Family, random: Random) -> Any:
    """A receiver refuses ties, before they are made or after."""
    wanted = random.choice(("pre_add", "post_add"))

    def refuse_action(action: str, **_: Any) -> None:
        if action == wanted:
            raise ValidationError("no")

    with receiving(family.Item.tags.through, m2m_changed, refuse_action, early=False):
        family.some("Item", random).tags.add(family.Tag.objects.create(name="odd"))


@operation()
def saved_without_a_row(family: Family, random: Random) -> Any:
    """Save some fields of an instance whose row is gone."""
    item = family.some("Item", random)
    family.Item.objects.get(pk=item.pk).delete()
    item.save(update_fields=["color"])


@operation()
def taken_number(family: Family, random: Random) -> Any:
    """A number that is taken: the database refuses."""
    taken = family.some("Item", random)
    family.Item.objects.filter(pk=taken.pk).get().save()
    chance.new_item(family, random, pk=taken.pk).save(force_insert=True)


@operation()
def caught_in_a_savepoint(family: Family, random: Random) -> Any:
    """A block of one's own is caught, and one goes on."""
    item = family.some("Item", random)
    try:
        with transaction.atomic(using=item._state.db):
            item.color = chance.color(random)
            item.save()
            chance.new_item(family, random, pk=item.pk).save(force_insert=True)
    except IntegrityError:
        item.amount = 9
        item.save(update_fields=["amount"])
    return item


@operation()
def caught_from_a_receiver(family: Family, random: Random) -> Any:
    """What a receiver raised is caught with no block of one's own, and one goes on."""
    item = family.some("Item", random)
    item.color = chance.color(random)
    try:
        with receiving(family.Item, random.choice((pre_save, post_save)), refuse, early=False):
            item.save()
    except ValidationError:
        pass
    return family.Item.objects.create(order_id=item.order_id, color=chance.color(random))


@operation(PLAIN)
def wrong_values(family: Family, random: Random) -> Any:
    """Values and names that Django refuses."""
    attempts = (
        lambda: family.Item.objects.update(colour="red"),
        lambda: family.Item.objects.update(amount="many"),
        lambda: family.Item.objects.update(order__note="x"),
        lambda: family.Item.objects.all()[:1].update(color="red"),
        lambda: family.Item.objects.update(color=F("order__note")),
        lambda: family.Item.objects.update(color=F("nothing")),
        lambda: family.Item.objects.update(tags=1),
        lambda: family.Item.objects.update(pk=1),
        lambda: family.Item.objects.update(shade="red"),
        lambda: family.Item.objects.filter(colour="red").delete(),
        family.Item.objects.all()[:1].delete,
        lambda: family.Item.objects.values("pk").delete(),
        lambda: family.Item.objects.distinct("color").delete(),
        lambda: family.Item.objects.order_by("pk").values_list("pk").update(color="red"),
        lambda: family.Item.objects.bulk_update(family.several("Item", random), ["nothing"]),
        lambda: family.Item.objects.bulk_update(family.several("Item", random), []),
        lambda: family.Item.objects.bulk_update([chance.new_item(family, random)], ["color"]),
        lambda: family.Item.objects.bulk_create([None]),
        lambda: family.Item.objects.bulk_create(chance.items(family, random, 1), batch_size=-1),
        lambda: family.Item.objects.bulk_create(chance.items(family, random, 1), update_conflicts=True),
        lambda: family.Item.objects.union(family.Item.objects.all()).update(color="red"),
    )
    return random.choice(attempts)()


@operation()
def wrong_rows(family: Family, random: Random) -> Any:
    """Instances that Django, or the database, refuses."""
    order = family.some("Order", random)
    attempts = (
        lambda: family.Item(order=order, color=None).save(),
        lambda: family.Item(order=order, color="red", amount="many").save(),
        lambda: family.Item(order_id=999, color="red").save(),
        lambda: family.Item(color="red").save(),
        lambda: family.Item(order=family.Order(code="new"), color="red").save(),
        lambda: family.Item(pk="one", order=order, color="red").save(),
        lambda: family.some("Item", random).save(update_fields=["nothing"]),
        lambda: family.some("Item", random).save(update_fields=["shade"]),
        lambda: family.Item(order=order, color="red").save(update_fields=["color"]),
        lambda: family.Item(order=order, color="red").save(force_update=True),
        lambda: family.Item(order=order, color="red").save(force_insert=True, force_update=True),
        lambda: family.some("Item", random).save(update_fields=["tags"]),
        lambda: family.Item(order=order, color="red").delete(),
        lambda: family.Item(order=order, color="red").tags.add(1),
        lambda: family.some("Item", random).tags.add("one"),
        lambda: family.some("Item", random).tags.add(999),
        lambda: family.some("Order", random).items.add(order),
        lambda: family.some("Order", random).items.add(chance.new_item(family, random)),
        lambda: family.Item.objects.get(pk=999),
        lambda: family.Item.objects.get_or_create(color="red", defaults={"nothing": 1}),
    )
    return random.choice(attempts)()


@operation()
def dangling(family: Family, random: Random) -> Any:
    """A row that refers to none: PostgreSQL and SQLite notice when the transaction ends."""
    return family.Line.objects.create(order_id="none").pk


@operation(PLAIN)
def dangling_at_once(family: Family, random: Random) -> Any:
    """Rows that refer to none, written in one statement."""
    return family.Item.objects.filter(color=chance.color(random)).update(order_id=999)
