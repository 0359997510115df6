"""The database itself logs what a statement concerns, whoever sends it: old and new scopes, once each, with a cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction

from statistics_cache import Source, Statistic, statistic
from statistics_cache.changing.checking import MOST_KEYS, check
from statistics_cache.cold import changelog
from statistics_cache.declaring.keys import EVERY_SCOPE, UNCHECKED_SCOPE
from statistics_cache.models import StatisticInvalidation
from statistics_cache.triggering import installing
from tests.models import Clashing, Item, Order, Paint, Reading, Region
from tests.triggering.conftest import empty, logged, run

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])
on_postgres = pytest.mark.parametrize("database", ["postgres"], indirect=True)
on_sqlite = pytest.mark.parametrize("database", ["default"], indirect=True)

RED, BLUE = 'color="red"', 'color="blue"'
INSERT = "INSERT INTO tests_paint (color, litres) VALUES ('red', 1)"


def by_color(color: str) -> int:
    return 0


def by_region(region: str) -> int:
    return 0


def every(color: str) -> int:
    return 0


def declare(database: str, function: Any, *sources: Source) -> Statistic[..., Any]:
    """Declare a statistic, install its triggers, and forget what that logged."""
    found = statistic(name=f"tests.{function.__name__}", depends_on=sources, capture="triggers")(function)
    assert installing.install(database) == []
    empty(database)
    return found


@pytest.fixture
def paint(database: str) -> None:
    """Watch pots by their colour: a plain model."""
    declare(database, by_color, Source(Paint, "color"))


def scopes(alias: str) -> set[str]:
    """Give the scopes that were logged since the last look."""
    found = {scope for _, scope in logged(alias)}
    empty(alias)
    return found


def test_every_statement_logs_the_scopes_that_it_leaves_and_enters(database: str, paint: None) -> None:
    """An INSERT logs the new scope, an UPDATE the old and the new one, a DELETE the old one."""
    run(database, INSERT)
    assert scopes(database) == {RED}
    run(database, "UPDATE tests_paint SET color = 'blue'")
    assert scopes(database) == {RED, BLUE}
    run(database, "UPDATE tests_paint SET litres = 2")
    assert scopes(database) == {BLUE}
    run(database, "DELETE FROM tests_paint")
    assert scopes(database) == {BLUE}


def test_what_changes_no_row_logs_nothing(database: str, paint: None) -> None:
    """A statement whose condition nothing meets concerns nobody."""
    run(database, "UPDATE tests_paint SET litres = 2", "DELETE FROM tests_paint")
    assert logged(database) == {}


def test_a_rollback_takes_what_was_logged_along(database: str, paint: None) -> None:
    """Of a transaction, and of a savepoint in it."""
    with transaction.atomic(using=database):
        run(database, INSERT)
        transaction.set_rollback(True, using=database)
    assert logged(database) == {}
    with transaction.atomic(using=database):
        run(database, "SAVEPOINT one", INSERT.replace("red", "blue"), "ROLLBACK TO one", INSERT)
    assert scopes(database) == {RED}


def test_one_row_is_named_and_several_are_counted(database: str, paint: None) -> None:
    """The cause says which row it was, or how many rows a statement changed; SQLite names the last."""
    first, last = Paint.objects.bulk_create([Paint(color="red"), Paint(color="red")])
    several = f"tests.Paint {last.pk} inserted" if database == "default" else "tests.Paint: 2 rows inserted"
    assert set(logged(database).values()) == {several}
    empty(database)
    Paint.objects.filter(pk=first.pk).update(litres=3)
    assert set(logged(database).values()) == {f"tests.Paint {first.pk} updated"}


def test_a_statement_on_many_rows_logs_each_scope_once(database: str, paint: None) -> None:
    """The number of log rows is that of scopes, whatever the number of rows is."""
    Paint.objects.bulk_create([Paint(color=color) for color in ("red", "blue")] * 500)
    empty(database)
    run(database, "UPDATE tests_paint SET litres = litres + 1")
    assert StatisticInvalidation.objects.count() == (0 if database == "default" else 2)
    assert scopes(database) == {RED, BLUE}


def test_fields_compare_what_was_and_what_is(database: str) -> None:
    """A change of other columns than those that are named is of no interest; a change of the scope always is."""
    declare(database, by_color, Source(Paint, "color", fields=["litres"]))
    run(database, INSERT)
    assert scopes(database) == {RED}
    run(database, "UPDATE tests_paint SET litres = litres")
    assert scopes(database) == set()
    run(database, "UPDATE tests_paint SET litres = 5")
    assert scopes(database) == {RED}
    run(database, "UPDATE tests_paint SET color = 'blue'")
    assert scopes(database) == {RED, BLUE}


def test_fields_without_a_scope(database: str) -> None:
    """Only a change of the column that is named is every scope."""
    declare(database, every, Source(Paint, fields=["litres"]))
    run(database, INSERT)
    assert scopes(database) == {EVERY_SCOPE}
    run(database, "UPDATE tests_paint SET color = 'blue'")
    assert scopes(database) == set()
    run(database, "UPDATE tests_paint SET litres = 5, id = id + 1")
    assert scopes(database) == {EVERY_SCOPE}


def test_a_callable_is_every_scope(database: str) -> None:
    """What only Python can decide, the database does not narrow."""
    declare(database, by_color, Source(Paint, lambda row: {"color": row.color}))
    run(database, INSERT)
    assert scopes(database) == {EVERY_SCOPE}


def make_items(database: str) -> tuple[Order, Order]:
    """Make an order in the north with an item, and one in the south, and watch items by their region."""
    declare(database, by_region, Source(Item, {"region": "order__region__name"}))
    north, south = (Order.objects.create(region=Region.objects.create(name=name)) for name in ("north", "south"))
    Item.objects.create(order=north, color="red")
    found(database)
    return north, south


def found(alias: str) -> set[str]:
    """Give the scopes that were logged, those on other rows read as after a commit."""
    check(alias, changelog.unchecked(alias))
    return scopes(alias)


def test_scopes_on_other_rows_are_found_from_the_keys(database: str) -> None:
    """PostgreSQL logs the keys, one row for all, and Python reads after the commit; SQLite looks itself."""
    _, south = make_items(database)
    run(database, f"UPDATE tests_item SET order_id = {south.pk}")
    expected = {'region="north"', 'region="south"'}
    assert {scope for _, scope in logged(database)} == (expected if database == "default" else {UNCHECKED_SCOPE})
    assert found(database) == expected


def test_a_row_on_the_path_counts_where_it_moves(database: str) -> None:
    """An order that changes its region moves its items; a change of other columns, or a new order, concerns nobody."""
    north, south = make_items(database)
    run(database, "UPDATE tests_order SET note = 'x'")
    run(database, f"INSERT INTO tests_order (region_id, note) VALUES ({north.region_id}, '')")
    assert found(database) == set()
    run(database, f"UPDATE tests_order SET region_id = {south.region_id} WHERE id = {north.pk}")
    assert found(database) == {'region="north"', 'region="south"'}
    run(database, f"UPDATE tests_region SET name = 'east' WHERE id = {south.region_id}")
    assert found(database) == {'region="south"', 'region="east"'}


@on_postgres
def test_of_more_than_a_thousand_keys_every_scope_falls(database: str) -> None:
    """Scopes and keys alike: what is logged stays small."""
    declare(database, by_color, Source(Paint, "color"))
    run(database, f"INSERT INTO tests_paint (color, litres) SELECT n, 1 FROM generate_series(1, {MOST_KEYS}) n")
    assert len(scopes(database)) == MOST_KEYS
    run(database, f"INSERT INTO tests_paint (color, litres) SELECT n, 1 FROM generate_series(1, {MOST_KEYS + 1}) n")
    assert scopes(database) == {EVERY_SCOPE}


@on_postgres
def test_what_only_postgresql_has(database: str, paint: None) -> None:
    """TRUNCATE is every scope; COPY, MERGE and an upsert are seen as the rows that they write."""
    with connections[database].cursor() as cursor, cursor.copy("COPY tests_paint (color, litres) FROM STDIN") as copy:
        copy.write_row(("red", 1))
    assert scopes(database) == {RED}
    merge = (
        "MERGE INTO tests_paint p USING (VALUES ('red', 'blue'), ('green', 'green')) v (old, new) ON p.color = v.old "
    )
    run(database, merge + "WHEN MATCHED THEN UPDATE SET color = v.new "
        "WHEN NOT MATCHED THEN INSERT (color, litres) VALUES (v.new, 1)")  # fmt: skip
    assert scopes(database) == {RED, BLUE, 'color="green"'}
    run(database, "TRUNCATE tests_paint")
    assert scopes(database) == {EVERY_SCOPE}


@on_postgres
def test_whoever_writes_it_counts(database: str, paint: None) -> None:
    """A role that may not write our tables, one with a search_path of its own, and a replica's session."""
    run(
        database,
        "CREATE ROLE guest",
        "GRANT INSERT ON tests_paint TO guest",
        "GRANT USAGE ON SEQUENCE tests_paint_id_seq TO guest",
    )
    run(
        database,
        "SET LOCAL ROLE guest",
        "SET LOCAL search_path = pg_temp",
        "SET LOCAL standard_conforming_strings = off",
    )
    run(database, "INSERT INTO public.tests_paint (color, litres) VALUES ('red', 1)", "RESET ROLE", "RESET search_path")
    assert scopes(database) == {RED}
    run(database, "SET LOCAL session_replication_role = replica", INSERT)
    assert scopes(database) == {RED}


@on_postgres
def test_the_random_numbers_of_a_session_stay_its_own(database: str, paint: None) -> None:
    """A write moves nothing that `setseed` has begun."""
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute("SELECT random()")
        expected = cursor.fetchone()
        cursor.execute("SELECT setseed(0.5)")
        cursor.execute(INSERT)
        cursor.execute("SELECT random()")
        assert cursor.fetchone() == expected


@on_postgres
def test_tables_that_inherit_count(database: str) -> None:
    """A statement on the table that inherits, and one on its parent that reaches into it."""
    with made(database, "CREATE TABLE tests_paint_child () INHERITS (tests_paint)", "DROP TABLE tests_paint_child"):
        declare(database, by_color, Source(Paint, "color"))
        run(database, "INSERT INTO tests_paint_child (id, color, litres) VALUES (1, 'red', 1)")
        assert scopes(database) == {RED}
        run(database, "UPDATE tests_paint SET color = 'blue'")
        assert scopes(database) == {RED, BLUE}
        installing.remove(database)


COLUMNS = "(id bigint GENERATED BY DEFAULT AS IDENTITY, taken date, color varchar(20))"
PARTED = (
    f"CREATE TABLE tests_reading {COLUMNS} PARTITION BY RANGE (taken)",
    "CREATE TABLE tests_reading_may PARTITION OF tests_reading FOR VALUES FROM ('2026-05-01') TO ('2026-06-01')",
    "CREATE TABLE tests_reading_june PARTITION OF tests_reading FOR VALUES FROM ('2026-06-01') TO ('2026-07-01')",
)


@on_postgres
def test_partitions_count(database: str) -> None:
    """A statement on the whole, on one of its parts, and one that moves a row from part to part."""
    with made(database, *PARTED, "DROP TABLE tests_reading"):
        declare(database, by_color, Source(Reading, "color"))
        run(database, "INSERT INTO tests_reading (taken, color) VALUES ('2026-05-05', 'red')")
        assert scopes(database) == {RED}
        run(database, "INSERT INTO tests_reading_june (taken, color) VALUES ('2026-06-05', 'blue')")
        assert scopes(database) == {BLUE}
        run(database, "UPDATE tests_reading SET taken = '2026-06-06' WHERE color = 'red'")
        assert scopes(database) == {RED}
        run(database, "TRUNCATE tests_reading_may")
        assert scopes(database) == {EVERY_SCOPE}
        run(database, "CREATE TABLE tests_reading_july PARTITION OF tests_reading DEFAULT")
        assert [fault for fault in installing.faults(database) if "july" in fault]
        installing.remove(database)


@contextmanager
def made(database: str, *several: str) -> Iterator[None]:
    """Make tables, and drop them by the last statement."""
    *make, drop = several
    run(database, *make)
    yield
    run(database, drop)


def by_odd_columns(number: str, cause: str, old: str) -> int:
    return 0


def test_columns_may_have_any_name(database: str) -> None:
    """A trigger's own names are nobody else's: what they clash with would fail a user's write."""
    columns = "number varchar(9), cause varchar(9), old varchar(9), statistic varchar(9), scope varchar(9)"
    with made(database, f"CREATE TABLE tests_odd (id integer PRIMARY KEY, {columns})", "DROP TABLE tests_odd"):
        declare(database, by_odd_columns, Source(Clashing, {name: name for name in ("number", "cause", "old")}))
        run(database, "INSERT INTO tests_odd (id, number, cause, old) VALUES (1, 'a', 'b', 'c')")
        assert logged(database) == {
            ("tests.by_odd_columns", 'number="a",cause="b",old="c"'): "tests.Clashing 1 inserted"
        }
        run(database, "UPDATE tests_odd SET statistic = 'x'", "DELETE FROM tests_odd")
        installing.remove(database)


CASCADING = "shelf_id integer REFERENCES tests_shelf (id) ON DELETE CASCADE ON UPDATE CASCADE"
CASCADES = (
    "CREATE TABLE tests_shelf (id integer PRIMARY KEY)",
    f"CREATE TABLE tests_reading (id integer PRIMARY KEY, taken date, color varchar(20), {CASCADING})",
    "INSERT INTO tests_shelf (id) VALUES (1)",
    "INSERT INTO tests_reading (id, color, shelf_id) VALUES (1, 'red', 1)",
)


def test_what_the_database_writes_in_the_wake_of_a_statement_counts(database: str) -> None:
    """ON DELETE CASCADE and ON UPDATE CASCADE send no statement of anybody's."""
    with made(database, *CASCADES, "DROP TABLE tests_reading"):
        declare(database, by_color, Source(Reading, "color"))
        run(database, "UPDATE tests_shelf SET id = 2")
        assert scopes(database) == {RED}
        run(database, "DELETE FROM tests_shelf")
        assert scopes(database) == {RED}
        installing.remove(database)
    run(database, "DROP TABLE tests_shelf")


@on_sqlite
def test_rows_that_replace_deletes_count(database: str) -> None:
    """SQLite calls no trigger for a row that gives way to a new one: its scope falls before it goes."""
    declare(database, by_color, Source(Item, "color"))
    order = Order.objects.create(region=Region.objects.create(name="north"))
    blue = Item.objects.create(order=order, color="blue", sku="b")
    red = Item.objects.create(order=order, color="red", sku="a")
    empty(database)
    values = f"(order_id, color, amount, note, sku) VALUES ({order.pk}, 'green', 1, '', 'a')"
    run(database, f"REPLACE INTO tests_item {values}")
    assert scopes(database) == {RED, 'color="green"'}
    values = f"(id, order_id, color, amount, note) VALUES ({blue.pk}, {order.pk}, 'red', 1, '')"
    run(database, f"INSERT OR REPLACE INTO tests_item {values}")
    assert scopes(database) == {RED, BLUE}
    run(database, f"UPDATE OR REPLACE tests_item SET sku = 'a' WHERE id = {blue.pk}")
    assert scopes(database) == {RED, 'color="green"'}
    assert red.pk not in Item.objects.values_list("pk", flat=True)


@on_sqlite
@pytest.mark.parametrize("word", ["OR IGNORE", "OR FAIL", "OR ABORT", "OR REPLACE"])
def test_what_a_statement_does_about_conflicts_is_its_own(database: str, paint: None, word: str) -> None:
    """The sum of a scope moves, whatever the statement that calls the trigger says of rows that are there."""
    for _ in range(2):
        run(database, INSERT.replace("INSERT", f"INSERT {word}"))
    before = changelog_sum(database)
    run(database, INSERT.replace("INSERT", f"INSERT {word}"))
    assert changelog_sum(database) > before
    assert scopes(database) == {RED}


def changelog_sum(alias: str) -> int:
    """Give the sum of red."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT base FROM statistics_cache_statisticscope WHERE scope = %s", [RED])
        return int(cursor.fetchone()[0])
