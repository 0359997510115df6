"""A source that `depends_on` forgot is told of at the first compute, by name and with the line to write."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import mail
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from project.catalog.models import Category, ModelRecord
from project.catalog.statistics import category_statistics, usage_statistics
from statistics_cache import DeclarationError, Source, UndeclaredSource, statistic
from statistics_cache.changing.receiving import WATCHES
from statistics_cache.noting import undeclared
from statistics_cache.signals import source_undeclared
from tests.conftest import Backend
from tests.models import Item, Order, Paint, Region, Tag
from tests.samples import Color, amounts_by_both, amounts_by_region, counted, nested, stock, total

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Begin as a process that has told of nothing, and give what it tells."""
    monkeypatch.setattr(undeclared, "_told", set())
    monkeypatch.setattr(undeclared, "_begun", set())
    found: list[dict[str, Any]] = []

    def note(**facts: Any) -> None:
        found.append(facts)

    source_undeclared.connect(note)
    yield found
    source_undeclared.disconnect(note)


def pairs(told: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Give statistics and sources."""
    return [(each["statistic"], each["source"]) for each in told]


def regions(name: str) -> int:
    """Count the items of a region."""
    return Item.objects.filter(order__region__name=name).count()


def test_what_is_forgotten_is_told_once(told: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    """One line for each table, whatever is computed after it; it names the line to write, and no parameter."""
    found = statistic(name="tests.regions", depends_on=[Item])(regions)
    for name in ("north", "south"):
        found.refresh(name)
    assert pairs(told) == [("tests.regions", "tests.Order"), ("tests.regions", "tests.Region")]
    assert (
        caplog.messages[0].endswith(
            "reads tests.Order on database 'default', and is told of no change there. "
            "Write depends_on={…, Order: None}, or Source(Order, ignored=True) if its ttl bounds it."
        )
        or told[0]["database"] == "postgres"
    )
    assert len(caplog.messages) == 2


def test_no_depends_on_at_all_is_told(told: list[dict[str, Any]]) -> None:
    """A statistic that names nothing is told of each table that it reads."""
    statistic(name="tests.nothing")(regions)("north")
    assert [source for _, source in pairs(told)] == ["tests.Item", "tests.Order", "tests.Region"]


def test_what_is_declared_is_silent(told: list[dict[str, Any]]) -> None:
    """Sources, models on a path, many-to-many tables, other statistics, and the samples and catalogue: nothing."""
    category_statistics(Category.CLIP)
    ModelRecord.objects.create(name="a", category=Category.CLIP)
    usage_statistics(Category.CLIP)
    for each in (stock, counted):
        each(Color.RED)
    amounts_by_region("north")
    amounts_by_both("red", "north")
    nested()
    total()
    tagged = statistic(name="tests.tagged", depends_on=[Item, Tag])(tags_of_items)
    tagged()
    assert told == []


def tags_of_items() -> int:
    """Count tags of items."""
    return Item.objects.filter(tags__name="new").count() + sum(item.tags.count() for item in Item.objects.all())


def test_what_is_ignored_is_silent(told: list[dict[str, Any]]) -> None:
    """`Source(Model, ignored=True)`, by class or by name, says that the ttl bounds it: nobody watches it."""
    ignored = [Source(Order, ignored=True), Source("tests.Region", ignored=True)]
    found = statistic(name="tests.regions", depends_on=[Item, *ignored])(regions)
    found("north")
    assert told == []
    assert all(each.declaration is not found.declaration for each in WATCHES.get(Region, ()))
    with pytest.raises(DeclarationError, match="Order is ignored: leave out"):
        Source(Order, "region", ignored=True)


def test_what_the_app_and_migrations_write_is_nobody_s_source(told: list[dict[str, Any]]) -> None:
    """The app's own tables and content types are no sources, even if a compute reads them."""

    statistic(name="tests.kinds")(kinds)()
    assert told == []


def kinds() -> int:
    """Use another statistic, and look up a content type."""
    ContentType.objects.clear_cache()
    return ContentType.objects.get_for_model(Paint).pk


def test_the_user_s_statements_are_neither_changed_nor_counted(conf: Any, backend: Backend) -> None:
    """What is asked of the server goes past Django: who counts queries counts their own."""
    found = statistic(name="tests.seen")(pots)
    found.refresh()
    sent: list[list[str]] = []
    for how in ("off", "warn"):
        conf(WATCH_SOURCES=how)
        with CaptureQueriesContext(connections[backend.database]) as captured:
            found.refresh()
        sent.append([each["sql"].partition(" ")[0] for each in captured])
    assert sent[0] == sent[1]


def pots() -> int:
    """Count pots."""
    return Paint.objects.count()


def durably() -> int:
    """Read in a transaction that must be the outermost one."""
    with transaction.atomic(durable=True):
        return Paint.objects.count()


@pytest.mark.django_db(databases=["default", "postgres"], transaction=True)
def test_a_durable_transaction_is_watched_too(told: list[dict[str, Any]], backend: Backend) -> None:
    """No transaction is put around a compute: one that must be the outermost works as without us."""
    using = backend.database

    def durably_here() -> int:
        with transaction.atomic(using, durable=True):
            return Paint.objects.using(using).count()

    durably_here.__qualname__ = durably.__qualname__
    assert statistic(name="tests.durable")(durably_here)() == 0
    assert pairs(told) == [("tests.durable", "tests.Paint")]


def test_another_database_is_told(told: list[dict[str, Any]], backend: Backend) -> None:
    """A source that is read from elsewhere than where its changes are logged is named with both."""
    other = "postgres" if backend.database == "default" else "default"

    def elsewhere() -> int:
        return Paint.objects.using(other).count()

    elsewhere.__qualname__ = "elsewhere"
    statistic(name="tests.elsewhere", depends_on=[Paint])(elsewhere)()
    assert [(each["source"], each["database"]) for each in told] == [("tests.Paint", other)]
    assert told[0]["line"].startswith(f"Read it from {backend.database!r}, where its changes are logged")


def test_it_may_be_an_error(conf: Any) -> None:
    """WATCH_SOURCES = "raise" fails the compute, each time; nothing is stored."""
    conf(WATCH_SOURCES="raise")
    found = statistic(name="tests.regions", depends_on={Item: None})(regions)
    for _ in range(2):
        with pytest.raises(UndeclaredSource, match=r"tests\.regions reads tests\.Order.*Order: None"):
            found.refresh("north")
    assert stock.refresh(Color.RED).value.pots == 0


def test_it_may_be_off(conf: Any, told: list[dict[str, Any]]) -> None:
    """WATCH_SOURCES = "off" watches nothing."""
    conf(WATCH_SOURCES="off")
    statistic(name="tests.nothing")(regions)("north")
    assert told == []


def test_in_production_the_first_compute_is_watched_and_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither DEBUG nor tests: the first compute of a statistic in a process, and one of a hundred."""
    monkeypatch.delattr(mail, "outbox")
    drawn = iter([0.5, 0.0099, 0.01])
    monkeypatch.setattr(undeclared, "random", lambda: next(drawn))
    assert [undeclared.is_watched(stock.declaration) for _ in range(4)] == [True, False, True, False]
