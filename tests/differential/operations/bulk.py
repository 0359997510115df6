"""Many rows in one statement: what Django sends no signals for."""

from random import Random
from typing import Any

from django.db.models import Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Lower, Upper

from tests.differential.families import Family

from . import chance
from .registry import PLAIN, operation


@operation(PLAIN)
def update(family: Family, random: Random) -> Any:
    """Change columns of rows of a colour."""
    values = {"color": chance.color(random)} if random.random() < 0.5 else {"amount": chance.number(random)}
    return family.Item.objects.filter(color=chance.color(random)).update(**values)


@operation(PLAIN)
def update_all(family: Family, random: Random) -> Any:
    """Change a column of every row."""
    return family.Item.objects.update(price=chance.price(random))


@operation(PLAIN)
def update_by_expression(family: Family, random: Random) -> Any:
    """Change columns in a way that the database works out."""
    values = ({"amount": F("amount") + 1}, {"color": Lower("color")}, {"color": Upper(F("sku")), "sku": None})
    return family.Item.objects.filter(sku__isnull=False).update(**random.choice(values))


@operation(PLAIN)
def update_by_case(family: Family, random: Random) -> Any:
    """Swap colours."""
    swapped = Case(When(color="red", then=Value("blue")), When(color="blue", then=Value("red")), default=F("color"))
    return family.Item.objects.update(color=swapped)


@operation(PLAIN)
def update_relation(family: Family, random: Random) -> Any:
    """Have rows refer to another order, by name or by attname, chosen by what they no longer fulfil then."""
    order = family.some("Order", random)
    values = random.choice(({"order": order}, {"order_id": order.pk}, {"order": order.pk}))
    return family.Item.objects.exclude(order=order).update(**values)


@operation(PLAIN)
def update_along_a_path(family: Family, random: Random) -> Any:
    """Change rows that are chosen by what a path leads to."""
    chosen = family.Item.objects.filter(order__region__name=random.choice(("north", "south")))
    return chosen.update(color=chance.color(random))


@operation(PLAIN)
def update_along_many(family: Family, random: Random) -> Any:
    """Change rows that are chosen by a many-to-many relation, and by a subquery."""
    tagged = family.Item.objects.filter(tags__name="new").distinct()
    awarded = family.Item.objects.filter(Exists(family.Award.objects.filter(item=OuterRef("pk"))))
    return random.choice((tagged, awarded)).update(amount=chance.number(random), color=chance.color(random))


@operation(PLAIN)
def update_annotated(family: Family, random: Random) -> Any:
    """Change rows of an annotated, ordered queryset by what it works out."""
    rows = family.Item.objects.annotate(doubled=F("amount") * 2).order_by("-doubled")
    return rows.filter(doubled__gt=2).update(amount=F("amount") - 1, color=chance.color(random))


@operation(PLAIN)
def update_compare_and_swap(family: Family, random: Random) -> Any:
    """Change a row if it is as it was."""
    item = family.some("Item", random)
    chosen = family.Item.objects.filter(pk=item.pk, color=random.choice((item.color, "red")))
    return chosen.update(color="green", amount=F("amount") + 1)


@operation(PLAIN)
def update_combined(family: Family, random: Random) -> Any:
    """Change the rows of two querysets that are combined, and of none."""
    both = family.Item.objects.filter(color="red") | family.Item.objects.filter(Q(amount__lt=2) & ~Q(color="red"))
    return both.update(amount=F("amount") + 1), family.Item.objects.none().update(color="red")


@operation(PLAIN)
def update_key(family: Family, random: Random) -> Any:
    """Change the key of a row: it fails where it is taken, or referred to."""
    chosen = random.choice((family.Tag, family.Region, family.Award)).objects
    row = chosen.order_by("pk").first()
    return chosen.filter(pk=row.pk if row else 0).update(id=random.randint(1, 50))


@operation(PLAIN)
def update_on_paths(family: Family, random: Random) -> Any:
    """Change rows on paths."""
    order = family.Order.objects.filter(pk=family.some("Order", random).pk)
    return order.update(region=family.some("Region", random)), family.Region.objects.filter(name="north").update(
        name=random.choice(("north", "south"))
    )


@operation(PLAIN)
def update_nodes(family: Family, random: Random) -> Any:
    """Change rows on a path over the model itself, or what they hang on."""
    node = family.some("Node", random)
    values = random.choice(({"name": chance.name(random)}, {"parent": node}, {"parent": None}))
    return family.Node.objects.filter(Q(parent=node) | Q(pk=node.pk)).update(**values)


@operation(PLAIN)
def bulk_create(family: Family, random: Random) -> Any:
    """Create rows; a number may be taken."""
    return family.Item.objects.bulk_create(chance.items(family, random, 3), batch_size=random.choice((None, 1, 2)))


@operation(PLAIN)
def bulk_create_with_keys(family: Family, random: Random) -> Any:
    """Create rows, some under keys that may be taken."""
    first, second = chance.items(family, random, 2)
    first.pk = random.randint(1, 80)
    return family.Item.objects.bulk_create(iter([first, second]))


@operation(PLAIN)
def bulk_create_by_expression(family: Family, random: Random) -> Any:
    """Create rows whose scope the database works out."""
    item = chance.new_item(family, random, color=Lower(Value("RED")), sku=None)
    return [made.pk for made in family.Item.objects.bulk_create([item])]


@operation(PLAIN)
def bulk_create_ignoring(family: Family, random: Random) -> Any:
    """Create rows, but those whose number is taken."""
    return family.Item.objects.bulk_create(chance.items(family, random, 3), ignore_conflicts=True)


@operation(PLAIN)
def bulk_create_updating(family: Family, random: Random) -> Any:
    """Create rows, and update those whose number is taken."""
    numbers = random.sample("0123456789", 3)
    items = [chance.new_item(family, random, sku=number) for number in numbers]
    fields = random.choice((["color"], ["order"], ["color", "amount", "price"]))
    made = family.Item.objects.bulk_create(items, update_conflicts=True, unique_fields=["sku"], update_fields=fields)
    return [(each.sku, each.color) for each in made]


@operation(PLAIN)
def bulk_create_updating_by_key(family: Family, random: Random) -> Any:
    """Create rows, and update those whose key is taken."""
    item = chance.new_item(family, random, pk=random.randint(1, 30), sku=None)
    made = family.Item.objects.bulk_create(
        [item], update_conflicts=True, unique_fields=["pk"], update_fields=["color", "order"]
    )
    return len(made)


@operation(PLAIN)
def bulk_create_lines(family: Family, random: Random) -> Any:
    """Create rows that refer by a column other than the key."""
    order = family.some("Order", random)
    return family.Line.objects.bulk_create([family.Line(order=order), family.Line(order_id=order.code)])


@operation(PLAIN)
def bulk_create_nothing(family: Family, random: Random) -> Any:
    """Create no rows."""
    return family.Item.objects.bulk_create([]), family.Item.objects.bulk_update([], ["color"])


@operation(PLAIN)
def bulk_update(family: Family, random: Random) -> Any:
    """Change rows, each in its own way; of an unsaved field nothing is written."""
    items = family.several("Item", random)
    for item in items:
        item.color, item.order = chance.color(random), family.some("Order", random)
        item.amount = random.choice((F("amount") + 1, 7))
    fields = random.choice((["color"], ["order"], ["color", "amount"]))
    return family.Item.objects.bulk_update(items, fields, batch_size=random.choice((None, 1)))


@operation(PLAIN)
def bulk_update_gone(family: Family, random: Random) -> Any:
    """Change rows, one of which is gone, and one is named twice."""
    items = family.several("Item", random)
    family.Item.objects.filter(pk=items[0].pk).delete()
    for item in items:
        item.color = chance.color(random)
    return family.Item.objects.bulk_update([*items, items[-1]], ["color"])


@operation(PLAIN)
def update_stocks(family: Family, random: Random) -> Any:
    """Change rows with a key of two columns, or a part of the key."""
    stock = family.some("Stock", random)
    values = random.choice(({"amount": F("amount") + 1}, {"shop": random.randint(0, 2)}))
    return family.Stock.objects.filter(pk=stock.pk).update(**values)


@operation(PLAIN)
def bulk_stocks(family: Family, random: Random) -> Any:
    """Create rows with a key of two columns, update some, and create or update."""
    stocks = family.several("Stock", random)
    for stock in stocks:
        stock.amount = chance.number(random)
    changed = family.Stock.objects.bulk_update(stocks, ["amount"])
    new = [family.Stock(shop=random.randint(0, 2), sku=f"{number}", amount=9) for number in range(5, 8)]
    options = {"update_conflicts": True, "unique_fields": ["shop", "sku"], "update_fields": ["amount"]}
    return changed, len(family.Stock.objects.bulk_create(new, **options))


@operation(PLAIN)
def update_hidden(family: Family, random: Random) -> Any:
    """Change what is hidden, by the manager that finds it, and by the one that does not."""
    manager = random.choice((family.Doc.objects, family.Doc.everything))
    values = random.choice(({"gone": random.random() < 0.5}, {"color": chance.color(random)}))
    return manager.filter(pk=family.some("Doc", random).pk).update(**values)


@operation(PLAIN)
def bulk_update_hidden(family: Family, random: Random) -> Any:
    """Change rows, some hidden, by a manager that finds all of them or not."""
    docs = family.several("Doc", random)
    for doc in docs:
        doc.color, doc.gone = chance.color(random), random.random() < 0.3
    manager = random.choice((family.Doc.objects, family.Doc.everything))
    return manager.bulk_update(docs, random.choice((["color"], ["gone"])))
