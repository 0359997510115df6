"""One schema three times: models nobody watches, plain models, and sources; imported by `tests.models`.

Only the differential test makes their tables (`tables.py`): every other test would have to empty them.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.db import models
from django.db.models import CASCADE, PROTECT, SET, SET_DEFAULT, SET_NULL, F, Model, QuerySet
from django.db.models.functions import Lower

from statistics_cache import StatisticsQuerySet, StatisticsSource

TEXT = 20  # characters of every text column


class Nothing(Exception):
    """There is no row for an operation to be done to."""


def text(**options: Any) -> Any:
    """Give a text column."""
    return models.CharField(max_length=TEXT, **options)


def to(model: Any, on_delete: Any, name: str, **options: Any) -> Any:
    """Give a foreign key, with the name of its other direction."""
    return models.ForeignKey(model, on_delete=on_delete, related_name=name, **options)


class Family:
    """One copy of the schema: `family.Item` is its model of that name."""

    def __init__(self, name: str, base: type[Model], queryset: type[QuerySet[Any]]) -> None:
        """Make the models."""
        self.name = name
        self.prefix = f"Diff{name.capitalize()}"
        self.base = base
        self.queryset = queryset
        self.models: dict[str, Any] = {}
        self.make_orders()
        self.make_trees()
        self.make_inherited()
        self.make_parcels()
        self.make_odd_ones()

    def __getattr__(self, name: str) -> Any:
        """Give a model by its name."""
        try:
            return vars(self)["models"][name]
        except KeyError as error:
            raise AttributeError(name) from error

    def make(self, name: str, /, *parents: Any, meta: dict[str, Any] | None = None, **attributes: Any) -> Any:
        """Make one model."""
        options = type("Meta", (), {"app_label": "tests", "default_permissions": (), **(meta or {})})
        members = {"__module__": __name__, "Meta": options, **attributes}
        self.models[name] = type(f"{self.prefix}{name}", parents or (self.base,), members)
        return self.models[name]

    def make_orders(self) -> None:
        """Make regions, orders and items: hops, generated columns, both kinds of many-to-many, generic relations."""
        region = self.make("Region", name=text())
        order = self.make("Order", code=text(unique=True), region=to(region, CASCADE, "orders"), note=text(default=""))
        self.make("Line", order=to(order, CASCADE, "lines", to_field="code"), size=models.IntegerField(default=1))
        tag = self.make("Tag", name=text())
        badge = self.make("Badge", name=text())
        note = self.make(
            "Note",
            kind=text(),
            content_type=models.ForeignKey("contenttypes.ContentType", on_delete=CASCADE, related_name="+"),
            object_id=models.IntegerField(),
            target=GenericForeignKey(),
        )
        item = self.make(
            "Item",
            order=to(order, CASCADE, "items"),
            color=text(),
            amount=models.IntegerField(default=1),
            price=models.DecimalField(max_digits=8, decimal_places=2, default=1),
            sku=text(unique=True, null=True),
            shade=models.GeneratedField(expression=Lower("color"), output_field=text(), db_persist=True),
            total=models.GeneratedField(
                expression=F("amount") * 2, output_field=models.IntegerField(), db_persist=True
            ),
            tags=models.ManyToManyField(tag, related_name="items"),
            badges=models.ManyToManyField(badge, through=f"tests.{self.prefix}Award", related_name="items"),
            notes=GenericRelation(note),
        )
        self.make(
            "Award",
            item=to(item, CASCADE, "awards"),
            badge=to(badge, CASCADE, "awards"),
            weight=models.IntegerField(default=1),
        )
        self.make("Proxy", item, meta={"proxy": True})

    def make_trees(self) -> None:
        """Make nodes: a nullable key to themselves, and friends among themselves."""
        self.make(
            "Node",
            name=text(),
            parent=to("self", SET_NULL, "children", null=True),
            friends=models.ManyToManyField("self"),
        )

    def make_inherited(self) -> None:
        """Make places and bars, which are places with a table of their own, and what refers to a bar."""
        place = self.make("Place", town=text(), stars=models.IntegerField(default=1))
        link = models.OneToOneField(place, on_delete=CASCADE, parent_link=True, related_name="bar")
        bar = self.make("Bar", place, place_ptr=link, beer=text(default=""))
        self.make("Review", bar=to(bar, CASCADE, "reviews"), words=text(default=""))

    def make_parcels(self) -> None:
        """Make parcels, and what becomes of them in each way when what they refer to is deleted."""
        person = self.make("Person", name=text())
        self.make(
            "Profile",
            person=models.OneToOneField(person, on_delete=CASCADE, related_name="profile"),
            country=text(),
        )
        depot = self.make("Depot", name=text(primary_key=True))
        desk = self.make("Desk", name=text())
        self.make(
            "Parcel",
            owner=to(person, SET_NULL, "parcels", null=True),
            depot=to(depot, SET_DEFAULT, "parcels", default="main"),
            desk=to(desk, SET(self.last_desk), "parcels"),
            guard=to(person, PROTECT, "guarded", null=True),
            weight=models.IntegerField(default=1),
        )

    def last_desk(self) -> Any:
        """Give the key that parcels get whose desk is deleted."""
        return QuerySet(self.Desk).order_by("pk").values_list("pk", flat=True).last()

    def make_odd_ones(self) -> None:
        """Make what has a key of two columns, and what is hidden rather than deleted."""
        self.make(
            "Stock",
            pk=models.CompositePrimaryKey("shop", "sku"),
            shop=models.IntegerField(),
            sku=text(),
            amount=models.IntegerField(default=1),
        )
        doc = self.make(
            "Doc",
            color=text(),
            gone=models.BooleanField(default=False),
            objects=self.hiding_manager(),
            everything=self.manager()(),
            delete=hide,
        )
        self.make("Page", doc=to(doc, CASCADE, "pages"), words=text(default=""))

    def manager(self) -> Any:
        """Give the class of this family's managers."""
        return models.Manager.from_queryset(self.queryset)

    def hiding_manager(self) -> Any:
        """Give a manager that finds only what is not gone."""
        usual = self.manager()
        hiding = {"get_queryset": lambda manager: usual.get_queryset(manager).filter(gone=False)}
        return type("Hiding", (usual,), hiding)()

    def tables(self) -> Iterator[Any]:
        """Give every model that has a table, automatic ones too."""
        for model in self.models.values():
            if not model._meta.proxy:
                yield model
                yield from (field.remote_field.through for field in automatic(model))

    def some(self, name: str, random: Random) -> Any:
        """Give a row as it is in the database, the same in every family. Raises Nothing where there is none."""
        return random.choice(self.all_of(name))

    def several(self, name: str, random: Random) -> list[Any]:
        """Give one to three rows. Raises Nothing where there is none."""
        found = self.all_of(name)
        return random.sample(found, min(len(found), random.randint(1, 3)))

    def all_of(self, name: str) -> list[Any]:
        """Give every row, hidden ones too. Raises Nothing where there is none."""
        found: list[Any] = list(QuerySet(self.models[name]).order_by("pk"))
        if not found:
            raise Nothing
        return found

    def plainly(self, label: str) -> str:
        """Give a text without what tells this family from the others."""
        return label.replace(self.prefix, "").replace(self.prefix.lower(), "")


def automatic(model: Any) -> list[Any]:
    """Give the many-to-many fields of a model whose tables Django makes."""
    own = model._meta.local_many_to_many
    return [field for field in own if field.remote_field.through._meta.auto_created]


def hide(self: Any, **_: Any) -> tuple[int, dict[str, int]]:
    """Delete a row by hiding it."""
    self.gone = True
    self.save(update_fields=["gone"])
    return 1, {self._meta.label: 1}


BARE = Family("bare", Model, QuerySet)
PLAIN = Family("plain", Model, QuerySet)
SOURCE = Family("source", StatisticsSource, StatisticsQuerySet)
FAMILIES = (BARE, PLAIN, SOURCE)
WATCHED = (PLAIN, SOURCE)
