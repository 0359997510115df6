"""Every write that Django can see: exactly the scopes that it concerns fall, and nothing else."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.core import serializers
from django.db import connections, transaction
from django.db.models import F, Manager

from statistics_cache import Source, Statistic, StatisticsSource, invalidates, statistic
from statistics_cache.models import StatisticInvalidation
from tests.conftest import Backend
from tests.models import GiftItem, Item, Order, Paint, PlainItem, Region, Tag

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

COLORS = ("red", "blue", "green")
REGIONS = ("north", "south")


def by_color(color: str) -> int:
    """Count the items of a colour."""
    return Item.objects.filter(color=color).count()


def by_region(region: str) -> int:
    """Count the items of a region."""
    return Item.objects.filter(order__region__name=region).count()


Commit = Callable[[], AbstractContextManager[Any]]


class World:
    """Some rows, and the statistics that are computed from them.

    Each test is one transaction of a `TestCase`: what is written inside `commit()` is delivered at its end.
    """

    def __init__(self, commit: Commit) -> None:
        """Make the rows, declare the statistics, and compute them."""
        self.commit = commit
        self.database = Item.objects.db
        with commit():
            self.make_rows()
        self.color = self.declare("by_color", by_color, {Item: "color"})
        self.region = self.declare("by_region", by_region, {Item: {"region": "order__region__name"}})
        self.warm()

    def make_rows(self) -> None:
        """Make two regions with an order each, and an item of each colour in the first."""
        self.regions = {name: Region.objects.create(name=name) for name in REGIONS}
        self.orders = {name: Order.objects.create(region=region) for name, region in self.regions.items()}
        self.items = {
            color: Item.objects.create(color=color, order=self.orders["north"], sku=color) for color in COLORS
        }
        self.tag = Tag.objects.create(name="new")

    @staticmethod
    def declare(name: str, function: Callable[..., Any], depends_on: Any) -> Statistic[..., Any]:
        """Declare a statistic of this test alone."""
        return statistic(name=f"tests.{name}", depends_on=depends_on)(function)

    def warm(self) -> None:
        """Have everything fresh."""
        for color in COLORS:
            self.color(color)
        for region in REGIONS:
            self.region(region)

    def fallen(self) -> set[str]:
        """Give the scopes that are not fresh any more, and have everything fresh again."""
        gone = {color for color in COLORS if not self.color.is_fresh(color)}
        gone |= {region for region in REGIONS if not self.region.is_fresh(region)}
        self.warm()
        return gone


@pytest.fixture
def world(backend: Backend, django_capture_on_commit_callbacks: Any) -> World:
    """Make the rows on the backend's database."""
    return World(lambda: django_capture_on_commit_callbacks(using=backend.database, execute=True))


def renamed(world: World) -> None:
    """Change a row through an instance that is out of date."""
    stale = Item.objects.get(color="red")
    with world.commit():
        Item.objects.filter(pk=stale.pk).update(color="green")
    world.fallen()
    stale.color = "blue"
    stale.save()


def moved_in_memory(world: World) -> None:
    """Save an item whose order in memory is out of date."""
    order = world.orders["north"]
    Order.objects.filter(pk=order.pk).update(region=world.regions["south"])  # of a plain model: not seen
    item = world.items["red"]
    assert item.order.region.name == "north"
    item.save()


def load(world: World) -> None:
    """Load a fixture, as loaddata does."""
    text = serializers.serialize("json", [world.items["red"]]).replace('"color": "red"', '"color": "blue"')
    for each in serializers.deserialize("json", text):
        each.save()


def raw_sql(world: World) -> None:
    """Write by SQL, and say so."""
    with (
        invalidates("tests.Item", color="red", order__region__name="south"),
        connections[world.database].cursor() as cursor,
    ):
        cursor.execute("UPDATE tests_item SET amount = 2 WHERE color = 'red'")


def conflict(world: World) -> None:
    """Update a row of another colour by bulk_create."""
    new = Item(sku="red", color="blue", order=world.orders["south"])
    Item.objects.bulk_create([new], update_conflicts=True, unique_fields=["sku"], update_fields=["color", "order"])


WRITES: dict[str, tuple[Callable[[World], Any], set[str]]] = {
    "save": (lambda world: world.items["red"].save(), {"red", "north"}),
    "create": (lambda world: Item.objects.create(color="red", order=world.orders["south"]), {"red", "south"}),
    "get_or_create": (
        lambda world: Item.objects.get_or_create(sku="x", defaults={"color": "red", "order": world.orders["south"]}),
        {"red", "south"},
    ),
    "update_or_create": (
        lambda world: Item.objects.update_or_create(sku="red", defaults={"color": "blue"}),
        {"red", "blue", "north"},
    ),
    "delete": (lambda world: world.items["red"].delete(), {"red", "north"}),
    "queryset.delete": (
        lambda world: Item.objects.filter(color__in=["red", "blue"]).delete(),
        {"red", "blue", "north"},
    ),
    "cascade": (lambda world: world.orders["north"].delete(), {"red", "blue", "green", "north"}),
    "update": (lambda world: Item.objects.filter(color="red").update(amount=5), {"red", "north"}),
    "update that moves": (
        lambda world: Item.objects.filter(color="red").update(color="blue"),
        {"red", "blue", "north"},
    ),
    "update by expression": (
        lambda world: Item.objects.filter(color="red").update(amount=F("amount") + 1),
        {"red", "north"},
    ),
    "update of a relation": (
        lambda world: Item.objects.filter(color="red").update(order=world.orders["south"]),
        {"red", "north", "south"},
    ),
    "update of nothing": (lambda world: Item.objects.filter(color="white").update(amount=5), set()),
    "bulk_create": (
        lambda world: Item.objects.bulk_create([Item(color="red", order=world.orders["south"])]),
        {"red", "south"},
    ),
    "bulk_create with conflicts": (conflict, {*COLORS, *REGIONS}),  # nobody can know where a row was that it moved
    "bulk_update": (
        lambda world: Item.objects.bulk_update([set_color(world.items["red"], "blue")], ["color"]),
        {"red", "blue", "north"},
    ),
    "_raw_delete": (
        lambda world: Item.objects.filter(color="red")._raw_delete(world.database),
        {"red", "north"},
    ),
    "move": (lambda world: set_color(world.items["red"], "blue").save(), {"red", "blue", "north"}),
    "move by some fields": (
        lambda world: set_color(world.items["red"], "blue").save(update_fields=["color"]),
        {"red", "blue", "north"},
    ),
    "move by expression": (lambda world: set_color(world.items["red"], F("sku")).save(), {"red", "north"}),
    "move of a row that changed meanwhile": (renamed, {"green", "blue", "north"}),
    "move of a relation": (
        lambda world: set_order(world.items["red"], world.orders["south"]).save(),
        {"red", "north", "south"},
    ),
    "save with a relation out of date": (moved_in_memory, {"red", "south"}),
    "move of a row on the path": (
        lambda world: set_region(world.orders["north"], world.regions["south"]).save(),
        {"north", "south"},
    ),
    "move at the end of the path": (lambda world: set_name(world.regions["north"], "south").save(), {"north", "south"}),
    "another field of a row on the path": (lambda world: set_note(world.orders["north"], "hello").save(), set()),
    "a new row on the path": (lambda world: Order.objects.create(region=world.regions["north"]), set()),
    "loaddata": (load, {"red", "blue", "north"}),
    "m2m add": (lambda world: world.items["red"].tags.add(world.tag), {"red", "north"}),
    "m2m add from the other side": (lambda world: world.tag.item_set.add(world.items["red"]), {"red", "north"}),
    "m2m set": (lambda world: world.items["red"].tags.set([world.tag]), {"red", "north"}),
    "raw SQL": (raw_sql, {"red", "south"}),
    "a proxy": (lambda world: PlainItem.objects.create(color="red", order=world.orders["south"]), {"red", "south"}),
    "a child": (lambda world: GiftItem.objects.create(color="red", order=world.orders["south"]), {"red", "south"}),
}


def set_color(item: Item, color: Any) -> Item:
    """Move an item in memory."""
    item.color = color
    return item


def set_order(item: Item, order: Order) -> Item:
    """Move an item to another order in memory."""
    item.order = order
    return item


def set_region(order: Order, region: Region) -> Order:
    """Move an order in memory."""
    order.region = region
    return order


def set_name(region: Region, name: str) -> Region:
    """Rename a region in memory."""
    region.name = name
    return region


def set_note(order: Order, note: str) -> Order:
    """Change what no path leads over."""
    order.note = note
    return order


@pytest.mark.parametrize("write", WRITES)
def test_exactly_what_a_write_concerns_falls(world: World, write: str) -> None:
    """After a write the old and the new scope are computed anew, and all others are as fresh as before."""
    act, expected = WRITES[write]
    with world.commit():
        act(world)
    assert world.fallen() == expected


@pytest.mark.parametrize("change", ["remove", "clear", "set", "through"])
@pytest.mark.parametrize("side", ["item", "tag"])
def test_many_to_many_from_both_sides(world: World, change: str, side: str) -> None:
    """Removing, clearing and setting concern the items in question, from either side, and through deletion."""
    with world.commit():
        world.items["red"].tags.add(world.tag)
    world.fallen()
    manager: Any = world.items["red"].tags if side == "item" else world.tag.item_set
    other = world.tag if side == "item" else world.items["red"]
    act = {
        "remove": lambda: manager.remove(other),
        "clear": manager.clear,
        "set": lambda: manager.set([]),
        "through": other.delete if side == "item" else world.tag.delete,
    }
    with world.commit():
        act[change]()
    assert world.fallen() == {"red", "north"}


def test_a_through_model_as_a_source(world: World) -> None:
    """A through table may be declared itself, with paths over it."""
    through = Item.tags.through
    tags = world.declare("tags", count_tags, {through: {"color": "item__color"}})
    for color in COLORS:
        tags(color)
    with world.commit():
        world.tag.item_set.add(world.items["red"], world.items["blue"])
    assert [tags.is_fresh(color) for color in COLORS] == [False, False, True]


def count_tags(color: str) -> int:
    """Count the tags of the items of a colour."""
    return Item.tags.through.objects.filter(item__color=color).count()


def test_fields_make_other_saves_of_no_interest(world: World) -> None:
    """With `fields`, a save that changes none of them, and moves nothing, is ignored; also an update."""
    amounts = world.declare("amounts", by_color, [Source(Item, "color", fields=["amount"])])
    for color in COLORS:
        amounts(color)
    item = world.items["red"]
    item.note = "hello"
    with world.commit():
        item.save()
        item.save(update_fields=["note"])
        Item.objects.update(note="you")
        item.amount = 7
        item.save(update_fields=["note"])
    assert all(amounts.is_fresh(color) for color in COLORS)
    with world.commit():
        item.save()
    assert [amounts.is_fresh(color) for color in COLORS] == [False, True, True]
    amounts("red")
    with world.commit():
        Item.objects.filter(color="blue").update(amount=3)
    assert [amounts.is_fresh(color) for color in COLORS] == [True, False, True]


def any_color(color: str | None = None) -> int:
    """Count the items of a colour, or all."""
    return Item.objects.count() if color is None else by_color(color)


def test_an_optional_parameter_has_a_scope_of_none(world: World) -> None:
    """A change of a row moves its own scope and that of None, which means all."""
    optional = world.declare("optional", any_color, {Item: "color"})
    for color in (*COLORS, None):
        optional(color)
    with world.commit():
        world.items["red"].save()
    assert [optional.is_fresh(color) for color in (*COLORS, None)] == [False, True, True, False]


def several(color: str, region: str, unused: int = 0) -> int:
    """Count by two parameters."""
    return Item.objects.filter(color=color, order__region__name=region).count()


FORMS: dict[str, tuple[Any, list[bool]]] = {
    "a mapping of several": ({Item: {"color": "color", "region": "order__region__name"}}, [False, True, True]),
    "a callable that gives one": ({Item: lambda item: {"color": item.color}}, [False, False, True]),
    "a callable that gives several": ({Item: lambda item: [{"color": item.color}, {"color": "blue"}]}, [False] * 3),
    "a callable that gives None": ({Item: lambda _: None}, [False] * 3),
    "every scope": ({Item: None}, [False] * 3),
    "a list": ([Item], [False] * 3),
    "a name": (["tests.Item"], [False] * 3),
    "a full source": ([Source("tests.Item", scope="color")], [False, False, True]),
    "two shapes": ([Source(Item, "color"), Source(Paint, {"region": "color"})], [False, False, True]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_depends_on(world: World, form: str) -> None:
    """A changed row of (red, north) drops what its source's scope says of these variants."""
    depends_on, expected = FORMS[form]
    declared = world.declare("form", several, depends_on)
    variants = [("red", "north"), ("red", "south"), ("blue", "south")]
    for variant in variants:
        declared(*variant)
    with world.commit():
        world.items["red"].save()
    assert [declared.is_fresh(*variant) for variant in variants] == expected


def test_a_statistic_as_a_source(world: World) -> None:
    """Its sources are copied: in the parameters that are named, else for every scope."""
    outer = world.declare("outer", by_color, [world.color])
    scoped = world.declare("scoped", by_color, [Source(world.color, "color")])
    for each in (outer, scoped):
        for color in COLORS:
            each(color)
    with world.commit():
        world.items["red"].save()
    assert [outer.is_fresh(color) for color in COLORS] == [False] * 3
    assert [scoped.is_fresh(color) for color in COLORS] == [False, True, True]


def test_a_value_that_is_no_parameter_drops_every_scope(world: World) -> None:
    """Who is concerned by a row that fits no parameter is unknown, so everybody is."""
    narrow = world.declare("narrow", by_number, {Item: {"number": "color"}})
    narrow(1)
    with world.commit():
        world.items["red"].save()
    assert not narrow.is_fresh(1)


def by_number(number: int) -> int:
    """Count by a parameter that colours do not fit."""
    return number


def test_too_many_rows_drop_every_scope(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more rows than are read before a statement, what it pins falls, else every scope: less exact, never wrong."""
    monkeypatch.setattr("statistics_cache.changing.observing.MOST_ROWS", 1)
    with world.commit():
        Item.objects.filter(color__in=["red", "blue"]).update(amount=5)
    assert world.fallen() == {*COLORS, *REGIONS}
    with world.commit():
        Item.objects.filter(color="red", amount__gt=0).update(amount=6)
    assert world.fallen() == {"red", "north"}


def test_one_log_row_per_transaction_and_scope(backend: Backend, world: World) -> None:
    """However many rows a transaction writes, each statistic and scope has one row in the log, with its cause."""
    StatisticInvalidation.objects.all().delete()
    with transaction.atomic(using=backend.database):
        for _ in range(5):
            Item.objects.create(color="red", order=world.orders["north"])
        Item.objects.filter(color="red").update(amount=3)
    logged = StatisticInvalidation.objects.filter(statistic="tests.by_color").values_list("scope", "cause")
    assert [scope for scope, _ in logged] == ['color="red"']
    assert "tests.Item" in logged[0][1]


def test_no_base_manager_is_changed() -> None:
    """Django's own reads and writes of a source go through the manager that they would go through without us."""
    assert issubclass(Item, StatisticsSource)
    assert [type(model._base_manager) for model in (Item, GiftItem)] == [Manager, Manager]


# Through another statistic


def total_of(region: str = "north", color: str = "red") -> int:
    """Stand for what is computed from another statistic."""
    return Item.objects.count()


def by_both(region: str, color: str) -> int:
    """Count the items of a region and a colour."""
    return Item.objects.filter(order__region__name=region, color=color).count()


BOTH = Source(Item, scope={"region": "order__region__name", "color": "color"}, fields=["amount"])


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        (BOTH, None),
        (BOTH, {"region": "region"}),
        (BOTH, {"color": "color"}),
        (Source(Item, scope=lambda row: {"color": row.color}, fields=["amount"]), None),
        (Source(GiftItem, scope={"region": "order__region__name", "color": "wrapping"}, fields=["amount"]), None),
    ],
)
@pytest.mark.parametrize("write", ["region renamed", "order moved", "item moved", "item painted"])
def test_what_moves_rows_of_the_inner_statistic_concerns_the_outer_one(
    world: World, inner: Source, outer: Any, write: str
) -> None:
    """Whatever is changed on a path of the inner one, though the outer one's scope does not hold the path."""
    inside = world.declare("by_both", by_both, [inner])
    outside = world.declare("total_of", total_of, [Source(inside, scope=outer)])
    inside("north", "red")
    outside("north", "red")
    item, order, region = world.items["red"], world.orders["north"], world.regions["north"]
    with world.commit():
        if write == "region renamed":
            region.name = "far north"
            region.save()
        elif write == "order moved":
            order.region = world.regions["south"]
            order.save()
        elif write == "item moved":
            item.order = world.orders["south"]
            item.save(update_fields=["order"])
        else:
            item.color = "blue"
            item.save(update_fields=["color"])
    assert inside.is_fresh("north", "red") >= outside.is_fresh("north", "red")
    assert not inside.is_fresh("north", "red") or inner.model is GiftItem or callable(inner.scope)


@pytest.mark.parametrize("label", ["tests.Itm", "Item", "a.b.c"])
def test_an_unknown_label_is_refused_by_name(label: str) -> None:
    """A label that names no model is wrong before anything is written."""
    with pytest.raises(ValueError, match=f"there is no model '{label}'"), invalidates(label):
        pytest.fail("it went on")
