"""Rows in two tables, and models that share one."""

from random import Random
from typing import Any

from django.db.models import F, QuerySet

from tests.differential.families import Family

from . import chance
from .registry import PLAIN, operation


@operation()
def bar_create(family: Family, random: Random) -> Any:
    """Create a child with its parent."""
    return family.Bar.objects.create(town=chance.town(random), beer=random.choice(("ale", "gin")))


@operation()
def bar_of_a_place(family: Family, random: Random) -> Any:
    """Create a child for a parent that is there; its town is set anew. It may have one."""
    place = family.some("Place", random)
    bar = family.Bar(place_ptr_id=place.pk, town=chance.town(random), beer="gin")
    bar.save()
    return bar


@operation()
def bar_of_a_place_raw(family: Family, random: Random) -> Any:
    """Create a child's row alone, for a parent that is there."""
    bar = family.Bar(place_ptr_id=family.some("Place", random).pk, beer=random.choice(("ale", "gin")))
    bar.save_base(raw=True)
    return bar.pk


@operation()
def bar_change(family: Family, random: Random) -> Any:
    """Change a child, columns of its parent too."""
    bar = family.some("Bar", random)
    bar.town, bar.beer, bar.stars = chance.town(random), random.choice(("ale", "gin")), chance.number(random)
    bar.save(update_fields=random.choice((None, ["town"], ["beer"], ["stars"])))
    return bar


@operation()
def place_change(family: Family, random: Random) -> Any:
    """Change a parent, which may have a child."""
    place = family.some("Place", random)
    place.town = chance.town(random)
    place.save()
    return place


@operation()
def place_create(family: Family, random: Random) -> Any:
    """Create a parent without a child."""
    return family.Place.objects.create(town=chance.town(random))


@operation(PLAIN)
def place_update(family: Family, random: Random) -> Any:
    """Change parents in one statement."""
    return family.Place.objects.filter(town=chance.town(random)).update(town=chance.town(random), stars=F("stars") + 1)


@operation(PLAIN)
def bar_update(family: Family, random: Random) -> Any:
    """Change children: columns of both tables, in two statements."""
    values = random.choice(({"town": "bath"}, {"beer": "gin"}, {"town": "york", "beer": "ale"}))
    return family.Bar.objects.filter(pk=family.some("Bar", random).pk).update(**values)


@operation(PLAIN)
def bar_bulk_update(family: Family, random: Random) -> Any:
    """Change children, each in its own way."""
    bars = family.several("Bar", random)
    for bar in bars:
        bar.town, bar.beer = chance.town(random), random.choice(("ale", "gin"))
    return family.Bar.objects.bulk_update(bars, random.choice((["town"], ["beer"], ["town", "beer"])))


@operation()
def bar_bulk_create(family: Family, random: Random) -> Any:
    """Django refuses to create children at once."""
    return family.Bar.objects.bulk_create([family.Bar(town="york")])


@operation()
def bar_delete(family: Family, random: Random) -> Any:
    """Delete a child with its parent, and its reviews."""
    return family.some("Bar", random).delete()


@operation()
def bar_delete_keeping_the_place(family: Family, random: Random) -> Any:
    """Delete a child alone."""
    return family.some("Bar", random).delete(keep_parents=True)


@operation()
def place_delete(family: Family, random: Random) -> Any:
    """Delete a parent, with its child if it has one."""
    return family.some("Place", random).delete()


@operation()
def places_delete(family: Family, random: Random) -> Any:
    """Delete parents by a queryset, or children."""
    return random.choice((family.Place, family.Bar)).objects.filter(town="bath", stars__gt=1).delete()


@operation()
def review_change(family: Family, random: Random) -> Any:
    """Create a review, and have one be about another bar."""
    made = family.Review.objects.create(bar=family.some("Bar", random))
    review = family.some("Review", random)
    review.bar = family.some("Bar", random)
    review.save()
    return made, review


@operation(PLAIN)
def review_update(family: Family, random: Random) -> Any:
    """Have reviews be about another bar, in one statement."""
    return family.Review.objects.filter(bar__town="york").update(bar=family.some("Bar", random))


@operation()
def proxy_create(family: Family, random: Random) -> Any:
    """Create a row through a proxy."""
    return family.Proxy.objects.create(order=family.some("Order", random), color=chance.color(random))


@operation()
def proxy_change(family: Family, random: Random) -> Any:
    """Change a row through a proxy."""
    item: Any = QuerySet(family.Proxy).get(pk=family.some("Item", random).pk)
    item.color = chance.color(random)
    item.save()
    return item


@operation()
def proxy_delete(family: Family, random: Random) -> Any:
    """Delete a row through a proxy, or rows."""
    key = family.some("Item", random).pk
    if random.random() < 0.5:
        return QuerySet(family.Proxy).get(pk=key).delete()
    return family.Proxy.objects.filter(pk=key).delete()


@operation(PLAIN)
def proxy_update(family: Family, random: Random) -> Any:
    """Change rows through a proxy, in one statement, and create some."""
    changed = family.Proxy.objects.filter(color="red").update(color=chance.color(random), amount=F("amount") + 1)
    new = family.Proxy(order=family.some("Order", random), color=chance.color(random))
    return changed, family.Proxy.objects.bulk_create([new])
