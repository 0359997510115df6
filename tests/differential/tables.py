"""The tables of every family: made for as long as a test runs, emptied, filled alike, and read as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.management.color import no_style
from django.db import connections, transaction

from .families import FAMILIES, Family

Rows = dict[str, list[tuple[Any, ...]]]  # of each table, by the name that it has in every family

HOT = {  # keeps what it is given: the one of the settings forgets at random beyond 300 keys
    "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
    "LOCATION": "differential",
    "OPTIONS": {"MAX_ENTRIES": 1_000_000},
}

ENTITIES = [model for family in FAMILIES for model in family.tables()]


@contextmanager
def tables(alias: str) -> Iterator[None]:
    """Make the tables of all families on a database, and drop them at the end."""
    makers = [model for family in FAMILIES for model in family.models.values() if not model._meta.proxy]
    with connections[alias].schema_editor() as editor:
        for model in makers:
            editor.create_model(model)
    try:
        yield
    finally:
        with connections[alias].schema_editor() as editor:
            for model in reversed(makers):
                editor.delete_model(model)


def begin(alias: str) -> None:
    """Empty every table, with its numbers beginning anew, and give each family the same rows."""
    operations = connections[alias].ops
    names = [model._meta.db_table for model in ENTITIES]
    operations.execute_sql_flush(operations.sql_flush(no_style(), names, reset_sequences=True))
    with transaction.atomic(using=alias):
        for family in FAMILIES:
            fill(family)


def fill(family: Family) -> None:
    """Make some rows of every model."""
    regions = [family.Region.objects.create(name=name) for name in ("north", "south")]
    orders = [
        family.Order.objects.create(code=code, region=region) for code, region in zip("ABC", regions * 2, strict=False)
    ]
    tags = [family.Tag.objects.create(name=name) for name in ("new", "old")]
    badges = [family.Badge.objects.create(name=name) for name in ("gold", "iron")]
    for number, order in enumerate(orders):
        family.Line.objects.create(order=order)
        color = ("red", "Blue", "red")[number]
        item = family.Item.objects.create(order=order, color=color, amount=number, sku=f"{number}")
        item.tags.add(tags[0])
        family.Award.objects.create(item=item, badge=badges[number % 2])
        item.notes.create(kind="praise")
    fill_trees(family)
    fill_the_rest(family)


def fill_trees(family: Family) -> None:
    """Make three nodes in a row, the first two of them friends; two places, one of which is a bar."""
    top = family.Node.objects.create(name="a")
    middle = family.Node.objects.create(name="b", parent=top)
    family.Node.objects.create(name="c", parent=middle)
    top.friends.add(middle)
    family.Place.objects.create(town="york")
    for town in ("york", "bath"):
        bar = family.Bar.objects.create(town=town, beer="ale")
        family.Review.objects.create(bar=bar)


def fill_the_rest(family: Family) -> None:
    """Make parcels and what they refer to; stocks and docs."""
    people = [family.Person.objects.create(name=name) for name in ("ann", "bob", "eve")]
    family.Profile.objects.create(person=people[0], country="fr")
    depots = [family.Depot.objects.create(name=name) for name in ("main", "east", "west")]
    desks = [family.Desk.objects.create(name=name) for name in ("one", "two")]
    for number in range(4):
        family.Parcel.objects.create(
            owner=people[number % 3], depot=depots[number % 3], desk=desks[number % 2], guard=people[2]
        )
        family.Stock.objects.create(shop=number % 2, sku=f"{number}")
    for color in ("red", "blue"):
        family.Page.objects.create(doc=family.Doc.objects.create(color=color))


def rows(family: Family, alias: str) -> Rows:
    """Read every table by SQL, past all that could be in the way."""
    kinds = {kind.pk: family.plainly(kind.model) for kind in content_types(family, alias)}
    found: Rows = {}
    with connections[alias].cursor() as cursor:
        for model in family.tables():
            columns = columns_of(model)
            named = ", ".join(f'"{column}"' for column in columns)
            cursor.execute(f'SELECT {named} FROM "{model._meta.db_table}" ORDER BY {named}')  # noqa: S608  (our own)
            table = cursor.fetchall()
            if "content_type_id" in columns:
                place = columns.index("content_type_id")
                table = [(*row[:place], kinds.get(row[place], "?"), *row[place + 1 :]) for row in table]
            found[family.plainly(model.__name__)] = table
    return found


def columns_of(model: Any) -> list[str]:
    """Give the columns that are compared: not the keys of ties, for Django asks what is there before it ties where
    anybody listens, and lets the database refuse, which costs a number, where nobody does."""
    columns = [field.column for field in model._meta.local_concrete_fields]
    return columns[1:] if model._meta.auto_created else columns


def content_types(family: Family, alias: str) -> list[ContentType]:
    """Give the content types of a family's models that are in use."""
    manager = ContentType.objects.db_manager(alias)
    return list(manager.get_for_models(family.Item, family.Order, family.Proxy).values())
