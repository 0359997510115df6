"""The README's table of writes: each row is played on a plain model and on a source, and does what its cells say.

The rows and cells are read from the README itself, so that neither table nor test can say what the other does not.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.core import serializers
from django.core.cache import caches
from django.db import connections
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Lower
from django.forms import modelform_factory

from statistics_cache.api import registry
from statistics_cache.changing import observing, receiving
from statistics_cache.changing.checking import MOST_KEYS
from statistics_cache.triggering import installing
from tests.differential.families import PLAIN, SOURCE, Family
from tests.differential.forms import Asked, Capture, Form, declare_form
from tests.differential.tables import HOT, tables
from tests.routers import TestRouter

README = (Path(__file__).parent.parent / "README.md").read_text()
SECTION = README.split("\n## What is not promised\n")[1].split("\n## ")[0]
HEADING = "| this write | a plain model | a `StatisticsSource` | any model, by triggers |"
LINES = SECTION.split(HEADING)[1].split("\n\n")[0].splitlines()[2:]
CELLS = [[cell.strip() for cell in line.strip("|").split("|")] for line in LINES]
ROWS = {write: dict(zip(("plain", "source", "triggers"), cells, strict=True)) for write, *cells in CELLS}

COLORS = ("red", "blue", "green")
REGIONS = ("north", "south")
ITEMS = frozenset({*COLORS, *REGIONS})
LINES_BY_ORDER = frozenset({"A", "B"})

FORMS = (
    Form("by_color", "Item", {"color": "color"}, COLORS),
    Form("by_region", "Item", {"region": "order__region__name"}, REGIONS),
    Form("by_order", "Line", {"code": "order_id"}, tuple(sorted(LINES_BY_ORDER))),
    Form("by_owner", "Parcel", {"owner": "owner__name"}, ("ann", "bob", None), str | None),
    Form("by_depot", "Parcel", {"depot": "depot_id"}, ("main", "east")),
    Form("by_desk", "Parcel", {"desk": "desk__name"}, ("one", "two")),
)


class Column(NamedTuple):
    """A column of the table: whose writes, and what sees them."""

    family: Family
    capture: Capture


COLUMNS = {
    "plain": Column(PLAIN, "signals"),
    "source": Column(SOURCE, "signals"),
    "triggers": Column(PLAIN, "triggers"),
}


def declare_column(column: Column) -> list[Asked]:
    """Declare every form, and give what is to be asked."""
    return [asked for form in FORMS for asked in declare_form(column.family, form, column.capture)]


class Stage:
    """One family's rows, and what is computed from them."""

    def __init__(self, column: str, alias: str, commit: Callable[[], Any]) -> None:
        """Make a red, a blue and a green item of an order in the north, and some parcels; have everything fresh."""
        self.family, self.alias, self.commit = COLUMNS[column].family, alias, commit
        with commit():
            self.fill()
        self.asked = declare_column(COLUMNS[column])
        self.warm()

    def fill(self) -> None:
        """Make the rows."""
        family = self.family
        regions = [family.Region.objects.create(name=name) for name in REGIONS]
        self.north, self.south = (
            family.Order.objects.create(code=code, region=region) for code, region in zip("AB", regions, strict=True)
        )
        self.red, self.blue, self.green = (
            family.Item.objects.create(order=self.north, color=color, sku=color) for color in COLORS
        )
        self.tag = family.Tag.objects.create(name="new")
        self.blue.tags.add(self.tag)
        for order in (self.north, self.south):
            family.Line.objects.create(order=order)
        self.ann = family.Person.objects.create(name="ann")
        _, self.depot = (family.Depot.objects.create(name=name) for name in ("main", "east"))
        self.desk, _ = (family.Desk.objects.create(name=name) for name in ("one", "two"))
        family.Parcel.objects.create(owner=self.ann, depot=self.depot, desk=self.desk)
        self.table = connections[self.alias].ops.quote_name(family.Item._meta.db_table)

    def warm(self) -> None:
        """Have everything fresh."""
        for asked in self.asked:
            asked.statistic(**asked.parameters)

    def fallen(self) -> set[str]:
        """Give the scopes that are not fresh any more."""
        return {name_of(asked) for asked in self.asked if not asked.statistic.is_fresh(**asked.parameters)}

    def wrong(self) -> set[str]:
        """Give the scopes whose answers are not what a compute gives."""
        return {name_of(asked) for asked in self.asked if is_wrong(asked)}

    def item(self, **values: Any) -> Any:
        """Give a new item that is not saved."""
        return self.family.Item(**{"order": self.south, "color": "red", **values})

    def run(self, sql: str, *arguments: Any) -> None:
        """Run SQL through Django's connection; `{}` is the table of items."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql.format(self.table), arguments or None)

    def run_past_django(self, sql: str) -> None:
        """Run SQL as another program does: the driver's own cursor."""
        connections[self.alias].connection.cursor().execute(sql.format(self.table))


def name_of(asked: Asked) -> str:
    """Name a variant by its one parameter."""
    return str(next(iter(asked.parameters.values())))


def is_wrong(asked: Asked) -> bool:
    """Tell whether a fresh answer is not what a compute gives."""
    return bool(asked.statistic(**asked.parameters) != asked.statistic.compute(**asked.parameters))


@dataclass(frozen=True)
class Write:
    """One write of a row of the table: the scopes that it concerns, and those that it names itself."""

    act: Callable[[Stage], object]
    scopes: set[str]
    named: set[str] = field(default_factory=set)
    every: frozenset[str] = ITEMS
    most: int = observing.MOST_ROWS  # rows that are read before a statement


def changed(row: Any, **values: Any) -> Any:
    """Give a row with other values, in memory."""
    for name, value in values.items():
        setattr(row, name, value)
    return row


def load(stage: Stage) -> None:
    """Do what `loaddata` does."""
    for each in serializers.deserialize("json", serializers.serialize("json", [changed(stage.red, color="blue")])):
        each.save()


def fill_in(stage: Stage) -> None:
    """Save a form, as the admin does."""
    made = modelform_factory(stage.family.Item, fields=["color"])({"color": "blue"}, instance=stage.red)
    made.save()


def overwrite(stage: Stage, *fields: str) -> None:
    """Create an item whose number is taken."""
    new = stage.item(sku="red", color="blue", amount=7)
    stage.family.Item.objects.bulk_create([new], update_conflicts=True, unique_fields=["sku"], update_fields=fields)


def run_with_schema(stage: Stage) -> None:
    """Name the table with its schema."""
    schema = {"sqlite": "main", "postgresql": "public"}[connections[stage.alias].vendor]
    stage.run(f"UPDATE {schema}.{{}} SET amount = 5 WHERE color = 'red'")  # noqa: S608  (our own)


LATER = "its scopes, within `PROOF_INTERVAL`"
OTHERWISE = "the driver's own cursor, other programs, triggers"
RED = {"red", "north"}
MOVED = {"red", "blue", "north"}
NEW = {"red", "south"}

WRITES: dict[str, dict[str, Write]] = {
    "`save`, `create`, `get_or_create`, `update_or_create`, forms, the admin, `loaddata`": {
        "save": Write(lambda stage: changed(stage.red, amount=2).save(), RED),
        "save that moves": Write(lambda stage: changed(stage.red, color="blue").save(), MOVED),
        "save by expression": Write(
            lambda stage: changed(stage.red, color=Lower(Value("BLUE"))).save(update_fields=["color"]), MOVED
        ),
        "save with another key": Write(lambda stage: changed(stage.red, order=stage.south).save(), RED | NEW),
        "create": Write(lambda stage: stage.family.Item.objects.create(color="red", order=stage.south), NEW),
        "get_or_create": Write(
            lambda stage: stage.family.Item.objects.get_or_create(
                sku="x", defaults={"color": "red", "order": stage.south}
            ),
            NEW,
        ),
        "update_or_create": Write(
            lambda stage: stage.family.Item.objects.update_or_create(sku="red", defaults={"color": "blue"}), MOVED
        ),
        "form": Write(fill_in, MOVED),
        "loaddata": Write(load, MOVED),
        "a row on a path": Write(
            lambda stage: changed(stage.north, region=stage.south.region).save(), {"north", "south"}
        ),
    },
    "`delete` of a row or of a queryset, cascades": {
        "delete": Write(lambda stage: stage.red.delete(), RED),
        "delete of an instance that is out of date": Write(
            lambda stage: changed(stage.red, color="blue").delete(), RED
        ),
        "queryset": Write(lambda stage: stage.family.Item.objects.filter(color="red").delete(), RED),
        "queryset over a path": Write(
            lambda stage: stage.family.Item.objects.filter(order__region__name="north", sku="red").delete(), RED
        ),
        "cascade": Write(lambda stage: stage.north.delete(), {*COLORS, "north", "A"}),
    },
    "`delete` of a queryset chosen by other tables, of rows that nothing refers to": {
        "over a path": Write(
            lambda stage: stage.family.Line.objects.filter(order__region__name="north").delete(),
            {"A"},
            every=LINES_BY_ORDER,
        ),
    },
    "`SET_NULL`, `SET_DEFAULT`, `SET(…)` when what a row refers to is deleted": {
        "SET_NULL": Write(lambda stage: stage.ann.delete(), {"ann", "None", "east", "one"}),
        "SET_DEFAULT": Write(lambda stage: stage.depot.delete(), {"east", "main", "ann", "None", "one"}),
        "SET": Write(lambda stage: stage.desk.delete(), {"one", "two", "ann", "None", "east"}),
    },
    "many-to-many `add`, `remove`, `clear`, `set`, from either end": {
        "add": Write(lambda stage: stage.red.tags.add(stage.tag), RED),
        "add from the other end": Write(lambda stage: stage.tag.items.add(stage.red), RED),
        "set": Write(lambda stage: stage.red.tags.set([stage.tag]), RED),
        "remove": Write(lambda stage: stage.blue.tags.remove(stage.tag), {"blue", "north"}),
        "clear from the other end": Write(lambda stage: stage.tag.items.clear(), {"blue", "north"}),
    },
    "`bulk_create`": {
        "create": Write(lambda stage: stage.family.Item.objects.bulk_create([stage.item()]), NEW),
        "ignoring": Write(
            lambda stage: stage.family.Item.objects.bulk_create([stage.item()], ignore_conflicts=True), NEW
        ),
        "overwriting what decides no scope": Write(lambda stage: overwrite(stage, "amount"), RED),
    },
    "`bulk_create(update_conflicts=True)` that overwrites columns which decide scopes": {
        "overwrite": Write(lambda stage: overwrite(stage, "color"), MOVED, every=frozenset({*COLORS, "north"})),
    },
    "`update`, `bulk_update`, `add` and `set` on the other end of a foreign key": {
        "update": Write(lambda stage: stage.family.Item.objects.filter(color="red").update(amount=5), RED),
        "update that moves": Write(
            lambda stage: stage.family.Item.objects.filter(color="red").update(color="blue"), MOVED
        ),
        "update by expression": Write(
            lambda stage: stage.family.Item.objects.filter(sku="red").update(amount=F("amount") + 1), RED
        ),
        "update of a base manager": Write(
            lambda stage: stage.family.Item._base_manager.filter(color="red").update(amount=5), RED
        ),
        "bulk_update": Write(
            lambda stage: stage.family.Item.objects.bulk_update([changed(stage.red, color="blue")], ["color"]), MOVED
        ),
        "add": Write(lambda stage: stage.south.items.add(stage.red), RED | NEW),
        "raw delete": Write(lambda stage: stage.family.Item.objects.filter(color="red")._raw_delete(stage.alias), RED),
    },
    "the same of more than 1,000 rows, or chosen by more than their own columns, if it names the scope by `=`": {
        "too many rows": Write(
            lambda stage: stage.family.Item.objects.filter(color="red").update(amount=5),
            RED,
            {"red", *REGIONS},
            most=0,
        ),
        "a subquery": Write(
            lambda stage: stage.family.Item.objects.filter(
                color="red", order__in=stage.family.Order.objects.filter(code="A").values("pk")
            ).update(amount=5),
            RED,
            {"red", *REGIONS},
        ),
    },
    "the same, if it does not, or moves the rows": {
        "over a path": Write(
            lambda stage: stage.family.Item.objects.filter(order__region__name="north", sku="red").update(amount=5),
            RED,
        ),
        "too many rows": Write(lambda stage: stage.family.Item.objects.filter(sku="red").update(amount=5), RED, most=0),
        "too many rows that move": Write(
            lambda stage: stage.family.Item.objects.filter(color="red").update(color="blue"), MOVED, most=0
        ),
        "a subquery with a limit": Write(
            lambda stage: stage.family.Item.objects.filter(
                Exists(stage.family.Order.objects.filter(pk=OuterRef("order"))), color="red"
            ).update(amount=5),
            RED,
        ),
    },
    "SQL of your own as Django spells it: names in quotes, values as arguments": {
        "update": Write(lambda stage: stage.run('UPDATE {} SET "amount" = %s WHERE "color" = %s', 5, "red"), RED),
        "delete": Write(lambda stage: stage.run('DELETE FROM {} WHERE "sku" = %s AND "amount" = 1', "red"), RED),
    },
    "SQL of your own in another form, if it names the table": {
        "with": Write(
            lambda stage: stage.run("WITH one AS (SELECT 5 AS five) UPDATE {} SET amount = (SELECT five FROM one)"),
            {*COLORS, "north"},
        ),
        "comment": Write(lambda stage: stage.run("/* nightly */ UPDATE {} SET amount = 5 WHERE color = 'red'"), RED),
        "with its schema": Write(run_with_schema, RED),
        "update": Write(lambda stage: stage.run("UPDATE {} SET amount = 5 WHERE color = 'red'"), RED),
        "delete": Write(lambda stage: stage.run("DELETE FROM {} WHERE color = 'red'"), RED),
    },
    OTHERWISE: {
        "the driver's cursor": Write(
            lambda stage: stage.run_past_django("UPDATE {} SET amount = 5 WHERE color = 'red'"), RED
        ),
    },
}


@pytest.fixture(scope="module", params=["default", "postgres"])
def database(request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """Make the families' tables on a database once."""
    TestRouter.database = request.param
    with django_db_blocker.unblock(), tables(request.param), installed(request.param):
        yield request.param
    TestRouter.database = "default"


@contextmanager
def installed(alias: str) -> Iterator[None]:
    """Have the triggers of the last column in the database."""
    declared = [asked.statistic.declaration for asked in declare_column(COLUMNS["triggers"])]
    assert installing.install(alias) == []
    for each in declared:
        receiving.unwatch(each)
        registry.named.pop(each.name, None)
    yield
    installing.remove(alias)


@pytest.fixture
def hot_tier(settings: Any) -> None:
    """Let the cache forget nothing, and know nothing of tests before."""
    settings.CACHES = settings.CACHES | {"statistics": HOT}
    caches["statistics"].clear()


@pytest.mark.django_db(databases=["default", "postgres"])
@pytest.mark.usefixtures("hot_tier")
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize(
    ("row", "name"),
    [
        pytest.param(row, name, id=f"{number}: {name}")
        for number, (row, writes) in enumerate(WRITES.items(), 1)
        for name in writes
    ],
)
def test_each_row_of_the_table_is_true(
    database: str,
    column: str,
    row: str,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
) -> None:
    """What a cell calls seen drops exactly what it says; what it calls not seen leaves an answer fresh and wrong."""
    write, cell = WRITES[row][name], ROWS[row][column]
    stage = Stage(column, database, lambda: django_capture_on_commit_callbacks(using=database, execute=True))
    monkeypatch.setattr(observing, "MOST_ROWS", write.most)
    with stage.commit():
        write.act(stage)
    if cell == LATER:
        assert stage.fallen() == set()
        caches["statistics"].clear()  # as if each proof were too old
    expected = {
        "its scopes": write.scopes,
        LATER: write.scopes,
        "the scopes it names": write.named,
        "every scope": write.every,
        "not seen": set[str](),
    }
    assert stage.fallen() == expected[cell]
    assert bool(stage.wrong()) == (cell == "not seen")


def test_the_table_has_the_rows_that_are_played() -> None:
    """No row of the table is untested, and no tested row is missing there."""
    assert list(ROWS) == list(WRITES)


def test_the_numbers_are_those_of_the_code() -> None:
    """The limits that the section names are the code's."""
    named = {int(number.replace(",", "")) for number in re.findall(r"\d+,\d{3}", SECTION)}
    assert named == {observing.MOST_ROWS, MOST_KEYS}
