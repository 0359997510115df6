"""A write of a watched plain model that nobody sees is told of once, with the caller's line; what is seen is not."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from statistics_cache import invalidates, statistic
from statistics_cache.changing import unseen
from statistics_cache.changing.ways import Way, ways_of
from statistics_cache.signals import write_unseen
from tests.models import Item, Order, Paint, Region, Tag
from tests.samples import amounts_by_region, stock

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Begin as a process that has told of nothing, and give what it tells."""
    monkeypatch.setattr(unseen, "_told", set())
    found: list[dict[str, Any]] = []

    def note(**facts: Any) -> None:
        found.append(facts)

    write_unseen.connect(note)
    yield found
    write_unseen.disconnect(note)


def sql(text: str, *values: Any) -> None:
    """Run SQL as a user does."""
    with connection.cursor() as cursor:
        cursor.execute(text, values)


def pot() -> Paint:
    """Make a pot of paint, seen by its signals."""
    return Paint.objects.create(color="red")


UNSEEN: dict[str, Callable[[], Any]] = {
    "update": lambda: Paint.objects.update(litres=F("litres") + 1),
    "bulk_create": lambda: Paint.objects.bulk_create([Paint(color="blue")]),
    "bulk_update": lambda: Paint.objects.bulk_update(Paint.objects.all(), ["litres"]),
    "raw delete": lambda: Paint.objects.all()._raw_delete("default"),
    "SQL": lambda: sql("UPDATE tests_paint SET litres = %s", 3),
    "SQL that cannot be read": lambda: sql(
        "WITH one AS (SELECT 1 AS n) INSERT INTO tests_paint (color, litres) SELECT 'red', n FROM one"
    ),
}


@pytest.mark.parametrize("how", UNSEEN)
def test_what_nobody_sees_is_told_once_by_its_line(
    how: str, told: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """One line names model, statistics, what to write, and the line of the caller's file."""
    pot()
    for _ in range(2):
        UNSEEN[how]()
    line = inspect.getsourcelines(UNSEEN[how])[1]
    (only,) = told
    assert only["model"] == "tests.Paint"
    assert "tests.stock" in only["statistics"]
    assert only["line"].startswith("Let Paint inherit from StatisticsSource")
    path, _, number = only["place"].rpartition(":")
    assert path == __file__
    assert int(number) == line or (path, how[:3]) == (__file__, "SQL")
    assert caplog.messages[0].startswith("write unseen: ")


def in_place() -> None:
    """Write with the block that says so."""
    with invalidates(Paint):
        Paint.objects.update(litres=1)


SEEN: dict[str, Callable[[], Any]] = {
    "create": pot,
    "save again": lambda: pot().save(),
    "save of a key": lambda: Paint(pk=77, color="red").save(),
    "delete": lambda: pot().delete(),
    "delete of many": lambda: (pot(), pot(), Paint.objects.all().delete()),
    "cascade": lambda: Region.objects.create(name="north").delete(),
    "get_or_create": lambda: Paint.objects.get_or_create(color="white"),
    "update of nothing": lambda: Paint.objects.filter(color="none").update(litres=1),
    "invalidates": in_place,
    "a source": lambda: Item.objects.update(amount=2),
    "many-to-many": lambda: item().tags.set([Tag.objects.create(name="new")]),
    "of no interest": lambda: Order.objects.update(note="new"),
    "not watched": lambda: Tag.objects.update(name="new"),
    "a read": lambda: list(Paint.objects.select_for_update()),
}


def item() -> Item:
    """Make an item."""
    return Item.objects.create(order=Order.objects.create(region=Region.objects.create(name="north")), color="red")


@pytest.mark.parametrize("how", SEEN)
def test_what_is_seen_or_of_no_interest_is_not_told(how: str, told: list[dict[str, Any]]) -> None:
    """Signals, managers, `invalidates`, columns and tables that nobody watches, and statements that write no row."""
    pot()
    SEEN[how]()
    assert told == []


@pytest.mark.django_db(transaction=True)
def test_a_flush_is_not_told(told: list[dict[str, Any]]) -> None:
    """After a flush every scope moves."""
    pot()
    with transaction.atomic():
        call_command("flush", interactive=False, verbosity=0)
    assert told == []


def test_the_statement_is_the_user_s() -> None:
    """It is sent as it is, alone."""
    pot()
    with CaptureQueriesContext(connection) as sent:
        Paint.objects.update(litres=1)
    assert [each["sql"] for each in sent] == ['UPDATE "tests_paint" SET "litres" = 1']


def test_it_costs_nothing_where_it_is_off(monkeypatch: pytest.MonkeyPatch, conf: Any, told: list[Any]) -> None:
    """Neither DEBUG nor tests: nothing is put around statements; WATCH_SOURCES = "off" tells of nothing."""
    conf(WATCH_SOURCES="off")
    pot()
    Paint.objects.update(litres=1)
    assert told == []
    monkeypatch.delattr(mail, "outbox")
    other = connections.create_connection("default")
    unseen.install(other)
    assert unseen.watch not in other.execute_wrappers


def test_how_each_table_is_watched_is_known() -> None:
    """Sources come first, then what lies on their paths; triggers, StatisticsSource, statements or signals."""
    assert ways_of(stock.declaration) == [Way("tests.Paint", "a source", "signals")]
    assert ways_of(amounts_by_region.declaration) == [
        Way("tests.Item", "a source", "StatisticsSource"),
        Way("tests.Order", "on a path", "signals"),
        Way("tests.Region", "on a path", "signals"),
        Way("tests.Item_tags", "a many-to-many table", "statements"),
    ]
    by_triggers = statistic(name="tests.by_triggers", depends_on=[Paint], capture="triggers")(count)
    (only,) = ways_of(by_triggers.declaration)
    assert only.text == "a source, by the database's triggers: every write, whoever makes it"


def count() -> int:
    """Count pots."""
    return Paint.objects.count()
