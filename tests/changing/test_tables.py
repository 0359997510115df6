"""The app's tables are missing, of another form, or may not be written: writes go on, and nothing is stored."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from django.db import connections, models, transaction

from statistics_cache.cold import tables
from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Order, Paint, Region
from tests.samples import Color, amounts_by_region, shades, stock, tints

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)

OURS = (StatisticEntry, StatisticInvalidation, StatisticScope)


@pytest.fixture
def order(backend: Backend) -> Order:
    """Give an order, which is there before anything is missing."""
    return Order.objects.create(region=Region.objects.create(name="north"))


@pytest.fixture(autouse=True)
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a process that has not asked yet."""
    monkeypatch.setattr(tables, "_ready", set())
    monkeypatch.setattr(tables, "_complete", set())
    monkeypatch.setattr(tables, "_told", set())


@contextmanager
def no_tables(backend: Backend) -> Iterator[None]:
    """Let nobody have migrated yet."""
    names = [model._meta.db_table for model in OURS]
    with connections[backend.database].cursor() as cursor:
        for name in names:
            cursor.execute(f'ALTER TABLE "{name}" RENAME TO "{name}_away"')
    try:
        yield
    finally:
        with connections[backend.database].cursor() as cursor:
            for name in names:
                cursor.execute(f'ALTER TABLE "{name}_away" RENAME TO "{name}"')


@contextmanager
def no_columns(backend: Backend) -> Iterator[None]:
    """Let the tables be those of an older version."""
    renaming = 'ALTER TABLE "{}" RENAME COLUMN "{}" TO "{}"'
    table = StatisticInvalidation._meta.db_table
    with connections[backend.database].cursor() as cursor:
        cursor.execute(renaming.format(table, "via", "via_away"))
    try:
        yield
    finally:
        with connections[backend.database].cursor() as cursor:
            cursor.execute(renaming.format(table, "via_away", "via"))


@contextmanager
def no_rights(backend: Backend) -> Iterator[None]:
    """Let this connection's role write everything but our tables."""
    with connections[backend.database].cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS clerk")
        cursor.execute("CREATE ROLE clerk")
        cursor.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
        cursor.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO clerk")
        for model in OURS:
            cursor.execute(f'REVOKE INSERT, UPDATE, DELETE ON "{model._meta.db_table}" FROM clerk')
        cursor.execute("SET ROLE clerk")
    try:
        yield
    finally:
        with connections[backend.database].cursor() as cursor:
            cursor.execute("RESET ROLE")
            cursor.execute("DROP OWNED BY clerk")
            cursor.execute("DROP ROLE clerk")


LACKING: dict[str, Callable[[Backend], AbstractContextManager[None]]] = {
    "tables": no_tables,
    "columns": no_columns,
    "rights": no_rights,
}


PLACES = [(backend, name) for backend in BACKENDS[1:] for name in LACKING]
PLACES.remove((BACKENDS[1], "rights"))  # SQLite has none
IN_EACH_PLACE = pytest.mark.parametrize(
    ("backend", "lacking"),
    PLACES,
    indirect=True,
    ids=lambda each: str(each) if isinstance(each, str) else each.database,
)


@pytest.fixture
def lacking(request: pytest.FixtureRequest, order: Order, backend: Backend) -> Iterator[None]:
    """Have the tables lack something."""
    with LACKING[request.param](backend):
        yield


def block(backend: Backend, *, in_block: bool) -> AbstractContextManager[Any]:
    """Give a transaction, or none."""
    return transaction.atomic(using=backend.database) if in_block else nullcontext()


WRITES: dict[str, Callable[[Order], object]] = {
    "a plain model": lambda _: Paint.objects.create(color="red"),
    "a source": lambda order: Item.objects.create(order=order, color="red"),
    "in bulk": lambda order: Item.objects.bulk_create([Item(order=order, color="red")]),
    "by a query": lambda order: Item.objects.filter(order=order).update(amount=models.F("amount") + 1),
    "a row on a path": Order.save,
    "a deletion": lambda order: Item.objects.filter(order=order).delete(),
    "a cascade": Order.delete,
}


@IN_EACH_PLACE
@pytest.mark.parametrize("in_block", [False, True])
@pytest.mark.parametrize("name", WRITES)
def test_writes_go_on(
    lacking: None, order: Order, backend: Backend, name: str, in_block: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is lacking, in a block or not: the write is done, the block commits, one ERROR line tells of it."""
    with caplog.at_level(logging.ERROR, "statistics_cache"), block(backend, in_block=in_block):
        Item.objects.create(order=order, color="blue")
        WRITES[name](order)
        Paint.objects.create(color="gray")
    assert Paint.objects.filter(color="gray").exists()
    assert Item.objects.exists() is ("delet" not in name and "cascade" not in name)
    told = [record.getMessage() for record in caplog.records if record.name == "statistics_cache"]
    assert len(told) == 1
    assert "manage.py migrate" in told[0]


@IN_EACH_PLACE
def test_reads_are_computed_and_stored_nowhere(lacking: None, order: Order, backend: Backend) -> None:
    """Every call computes, also after a write and in a block, and is right; nothing is stored that could be found."""
    for number in range(2):
        Paint.objects.create(color="red")
        assert stock.answer(Color.RED).tier == "computed"
        assert stock(Color.RED).pots == number + 1
        with transaction.atomic(using=backend.database):
            assert stock(Color.RED).pots == number + 1
    assert stock.answer(Color.RED).tier == "computed"
    assert amounts_by_region("north").count == 0


@ON_BOTH
def test_once_they_are_there_everything_is_stored(order: Order, backend: Backend) -> None:
    """Nobody has to start again after `migrate`: the next write is logged, and the next value stored."""
    with no_tables(backend):
        Paint.objects.create(color="red")
        assert shades("red") == 1
    Paint.objects.create(color="red")
    assert StatisticInvalidation.objects.filter(statistic=shades.name).exists()
    assert shades("red") == 2
    assert shades.answer("red").tier == "hot"
    Item.objects.create(order=order, color="red")
    assert tints("red") == 1


@ON_BOTH
def test_before_a_proof_can_be_made_changes_are_logged(order: Order, backend: Backend) -> None:
    """Where the sums are those of an older version every call computes; what old code reads is invalidated."""
    renaming = f'ALTER TABLE "{StatisticScope._meta.db_table}" RENAME COLUMN "{{}}" TO "{{}}"'
    with connections[backend.database].cursor() as cursor:
        cursor.execute(renaming.format("before", "away"))
        try:
            Paint.objects.create(color="red")
            assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "computed"]
        finally:
            cursor.execute(renaming.format("away", "before"))
    assert StatisticInvalidation.objects.filter(statistic=stock.name).exists()
    stock(Color.RED)
    assert stock.answer(Color.RED).tier == "hot"


@ON_BOTH
def test_they_are_asked_for_once(order: Order, backend: Backend) -> None:
    """A process that has found them asks no more."""
    Paint.objects.create(color="red")
    assert tables.are_ready(backend.database)
    with no_rights_asked():
        Paint.objects.create(color="red")


@contextmanager
def no_rights_asked() -> Iterator[None]:
    """Fail where somebody looks for the tables."""
    with pytest.MonkeyPatch.context() as wrong:
        wrong.setattr(tables, "has_log", lambda _: pytest.fail("it was asked again"))
        yield
