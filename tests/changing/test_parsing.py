"""What the SQL of a write says: as much as is sure, and nothing of what is odd."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import F, Q, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.functions import Lower
from django.db.models.sql import DeleteQuery, InsertQuery, UpdateQuery
from hypothesis import given
from hypothesis import strategies as st

from statistics_cache.changing.observing import rows_inserted
from statistics_cache.changing.parsing import Write, parse
from statistics_cache.changing.statements import Statement, arguments_of
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Order, Region

ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
TABLE = Item._meta.db_table


# What is said


SAID: dict[str, dict[str, Any]] = {
    'UPDATE "t" SET "a" = %s WHERE "t"."b" = %s': {
        "verb": "UPDATE",
        "written": ("a",),
        "where": '"t"."b" = %s',
        "before": 1,
        "plain": True,
        "pins": (("b", 0),),
    },
    'UPDATE "t" SET "a" = %s, "b" = ("t"."b" + %s) WHERE ("t"."c" = %s AND "t"."d" > %s)': {
        "written": ("a", "b"),
        "before": 2,
        "plain": True,
        "pins": (("c", 0),),
    },
    'UPDATE "t" SET "a" = CASE WHEN ("t"."id" = %s) THEN %s ELSE NULL END WHERE "t"."id" IN (%s, %s)': {
        "written": ("a",),
        "before": 2,
        "plain": True,
        "pins": (),
    },
    'UPDATE "t" SET "a" = %s': {"written": ("a",), "where": "", "plain": False, "pins": ()},
    "update t set a = 1 where b = 2": {"verb": "UPDATE", "table": "t", "written": ("a",), "plain": False},
    'DELETE FROM "t" WHERE "t"."b" = %s': {"verb": "DELETE", "written": (), "plain": True, "pins": (("b", 0),)},
    'DELETE FROM "t" WHERE ("t"."b" = %s OR "t"."c" = %s)': {"plain": True, "pins": ()},
    'DELETE FROM "t" WHERE NOT ("t"."b" = %s)': {"plain": True, "pins": ()},
    'DELETE FROM "t" WHERE ("t"."b" = %s AND NOT ("t"."c" = %s AND "t"."d" = %s))': {"pins": (("b", 0),)},
    'DELETE FROM "t" WHERE "t"."b" BETWEEN %s AND %s': {"plain": True, "pins": ()},
    'INSERT INTO "t" ("a", "b") VALUES (%s, %s), (%s, %s) RETURNING "t"."id"': {
        "verb": "INSERT",
        "written": ("a", "b"),
        "layout": "rows",
        "overwrites": False,
    },
    'INSERT INTO "t" ("a", "b") SELECT * FROM UNNEST((%s)::integer[], (%s)::varchar[])': {"layout": "columns"},
    'INSERT OR IGNORE INTO "t" ("a") VALUES (%s)': {"layout": "rows", "overwrites": False},
    'INSERT INTO "t" ("a") VALUES (%s) ON CONFLICT DO NOTHING': {"layout": "rows", "overwrites": False},
    'INSERT INTO "t" ("a") VALUES (%s) ON CONFLICT("a") DO UPDATE SET "a" = EXCLUDED."a"': {"overwrites": True},
    "INSERT INTO `t` (`a`) VALUES (%s) ON DUPLICATE KEY UPDATE `a` = 1": {"table": "t", "overwrites": True},
    'INSERT OR REPLACE INTO "t" ("a") VALUES (%s)': {"overwrites": True},
    'REPLACE INTO "t" ("a") VALUES (%s)': {"verb": "INSERT", "overwrites": True},
    'UPDATE "s"."t" SET "a" = 1': {"table": "t"},
    '  \n UPDATE\t"t"\nSET "a" = %s': {"table": "t", "written": ("a",)},
}


@pytest.mark.parametrize("sql", SAID)
def test_a_statement_says(sql: str) -> None:
    """Its verb, its table, the columns that it writes, which rows, and how its arguments lie."""
    write = parse(sql)
    assert write is not None
    assert {name: getattr(write, name) for name in SAID[sql]} == SAID[sql]
    assert write.marks == sql.count("%s")


NO_WRITES = [
    "",
    "SELECT 1",
    'SELECT * FROM "t" FOR UPDATE',
    'CREATE TABLE "t" ("a" int)',
    "UPDATED",
    "UPDATE",
    "DELETE",
    'SAVEPOINT "update"',
    "-- UPDATE t SET a = 1",
]


@pytest.mark.parametrize("sql", NO_WRITES)
def test_what_writes_no_row_is_no_write(sql: str) -> None:
    """Reads, definitions, what only looks like a write: nothing."""
    assert parse(sql) is None


ODD = [
    'UPDATE "t" SET "a" = %s FROM "u" WHERE "u"."b" = %s',
    'UPDATE "t" SET "a" = %s WHERE "t"."b" = %s ORDER BY "t"."c" LIMIT 1',
    'UPDATE "t" SET "a" = %s WHERE "t"."b" = %s RETURNING "t"."id"',
    'UPDATE "t" SET ("a", "b") = (1, 2) WHERE "t"."b" = %s AND "t"."c" = (SELECT 1)',
    'UPDATE "t" AS "x" SET "a" = 1 WHERE "x"."b" = %s',
    'UPDATE "t" SET "a" = %s WHERE lower("t"."b") = %s',
    'UPDATE "t" SET "a" = %s WHERE "u"."b" = %s',
    'UPDATE "t" SET "a" = %s WHERE "t"."b" = %s -- a comment',
    'UPDATE "t" SET "a" = %s WHERE "t"."b" = %s /* a comment */',
    'UPDATE "t" SET "a" = $$x$$ WHERE "t"."b" = %s',
    'UPDATE "t" SET "a" = %(a)s WHERE "t"."b" = %(b)s',
    'UPDATE "t" SET "a" = %s WHERE "t"."id" IN (SELECT "u"."id" FROM "u")',
    'DELETE FROM "t" USING "u" WHERE "t"."b" = %s',
    'DELETE FROM "t" WHERE "t"."b" = %s; DELETE FROM "u"',
    'DELETE FROM "t" WHERE "t"."b" = %s COLLATE "C"',
]


@pytest.mark.parametrize("sql", ODD)
def test_odd_sql_says_which_table_and_not_which_rows(sql: str) -> None:
    """What is not as Django makes it: a write of the table, with no condition that could be asked again."""
    write = parse(sql)
    assert write is not None
    assert (write.table, write.plain) == ("t", False)


@pytest.mark.parametrize("sql", [each for each in ODD if "ORDER" in each or "RETURNING" in each or ";" in each])
def test_what_comes_after_a_condition_leaves_nothing_pinned(sql: str) -> None:
    """A condition that ends no one knows where demands nothing of the rows."""
    write = parse(sql)
    assert write is not None
    assert write.pins == ()


# Statements that Django makes


COLORS, SKUS = ("red", "blue", "gray"), ("a", "b", "c", "d")
COLOR, AMOUNT = st.sampled_from(COLORS), st.integers(0, 3)
PLAIN = st.one_of(
    st.builds(lambda value: Q(color=value), COLOR),
    st.builds(lambda value: Q(amount=value), AMOUNT),
    st.builds(lambda value: Q(sku=value), st.sampled_from(SKUS)),
)
LEAVES = st.one_of(
    PLAIN,
    st.builds(lambda value: Q(amount__lt=value), AMOUNT),
    st.builds(lambda value: Q(amount__range=(value, value + 1)), AMOUNT),
    st.builds(lambda values: Q(color__in=values), st.lists(COLOR, max_size=3)),
    st.builds(lambda value: Q(sku__isnull=value), st.booleans()),
    st.builds(lambda value: Q(color__contains=value), st.sampled_from(["e", "%", "_", "'"])),
    st.builds(lambda value: Q(color__iexact=value), st.sampled_from(["RED", "Blue"])),
    st.builds(lambda value: Q(order__region__name=value), st.sampled_from(["north", "south"])),
    st.builds(lambda value: Q(tags__name=value), st.sampled_from(["new"])),
    st.sampled_from([Q(amount=F("id")), Q(amount__gt=F("id") - 2), Q(color=Lower("note")), Q(), ~Q(pk__in=[])]),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=6,
)
VALUES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "color": COLOR,
        "amount": st.one_of(AMOUNT, st.just(F("amount") + 1)),
        "note": st.one_of(st.text("ab%'\"", max_size=3), st.just(Lower("color"))),
        "sku": st.none(),
    },
).filter(bool)


@pytest.fixture
def rows(db: Any, backend: Backend) -> Backend:
    """Make some items of every kind."""
    orders = [Order.objects.create(region=Region.objects.create(name=name)) for name in ("north", "south")]
    for number, color in enumerate(COLORS * 3):
        sku = SKUS[number] if number < len(SKUS) else None
        Item.objects.create(order=orders[number % 2], color=color, amount=number % 4, sku=sku, note=color)
    return backend


def statement(query: Any, kind: Any, alias: str, **values: Any) -> tuple[str, Sequence[Any]]:
    """Compile what Django would run."""
    made = query.chain(kind)
    if values:
        made.add_update_values(values)
    sql, arguments = made.get_compiler(alias).as_sql()
    return sql, list(arguments)


def matched(backend: Backend, write: Write, arguments: Sequence[Any]) -> set[int]:
    """Ask the condition of a statement again."""
    with connections[backend.database].cursor() as cursor:
        cursor.execute(f'SELECT "id" FROM "{TABLE}" WHERE {write.where}', arguments[write.before :])  # noqa: S608
        return {key for (key,) in cursor.fetchall()}


def agree(backend: Backend, queryset: QuerySet[Item], write: Write, arguments: Sequence[Any]) -> None:
    """Compare what is said of the rows with the rows that were meant."""
    meant = list(queryset)
    assert write.marks == len(arguments)
    if write.plain:
        assert matched(backend, write, arguments) == {item.pk for item in meant}
    for column, index in write.pins:
        assert {getattr(item, column) for item in meant} <= {arguments[write.before + index]}


@ON_BOTH
@pytest.mark.django_db(databases=["default", "postgres"])
def test_what_is_said_of_an_update_or_delete_is_what_was_asked(rows: Backend) -> None:
    """Of any queryset: the columns are those that are set; where the condition is plain it finds the same rows when it
    is asked again; and every row has the values that are said to be pinned."""
    seen = {"plain": 0, "odd": 0, "pinned": 0}

    @given(CONDITIONS, VALUES)
    def holds(condition: Q, values: dict[str, Any]) -> None:
        queryset = Item.objects.filter(condition)
        asked = {"UPDATE": (UpdateQuery, values), "DELETE": (DeleteQuery, {})}
        for verb, (kind, given_values) in asked.items():
            try:
                sql, arguments = statement(queryset.query, kind, rows.database, **given_values)
            except EmptyResultSet:
                return
            write = parse(sql)
            assert write is not None
            assert (write.verb, write.table, write.written) == (verb, TABLE, tuple(given_values))
            agree(rows, queryset, write, arguments)
            seen["plain" if write.plain else "odd"] += 1
            seen["pinned"] += bool(write.pins)

    holds()
    assert all(seen.values()), seen


@ON_BOTH
@pytest.mark.django_db(databases=["default", "postgres"])
def test_whatever_must_hold_is_pinned(rows: Backend) -> None:
    """Of columns that are all compared with values, each is pinned to its value, in whatever order they come."""

    @given(st.lists(PLAIN, min_size=1, max_size=3), VALUES)
    def holds(conditions: list[Q], values: dict[str, Any]) -> None:
        queryset = Item.objects.all()
        for each in conditions:
            queryset = queryset.filter(each)
        sql, arguments = statement(queryset.query, UpdateQuery, rows.database, **values)
        write = parse(sql)
        assert write is not None
        pinned = [(column, arguments[write.before + index]) for column, index in write.pins]
        assert sorted(pinned, key=str) == sorted((each.children[0] for each in conditions), key=str)

    holds()


CONFLICTS: dict[Any, bool] = {None: False, OnConflict.IGNORE: False, OnConflict.UPDATE: True}
ITEM = st.fixed_dictionaries(
    {"color": COLOR, "amount": AMOUNT, "note": st.text("ab%'\"", max_size=3), "sku": st.one_of(st.none(), COLOR)}
)


def inserts(objs: list[Item], conflict: Any, names: list[str], alias: str) -> Iterator[tuple[str, Sequence[Any]]]:
    """Compile the INSERTs of some columns of objects."""
    fields = [Item._meta.get_field(name) for name in names]
    extra: dict[str, Any] = {"on_conflict": conflict}
    if conflict is OnConflict.UPDATE:
        extra |= {"update_fields": [Item._meta.get_field("color")], "unique_fields": [Item._meta.get_field("sku")]}
    query: Any = InsertQuery(Item, **extra)
    query.insert_values(fields, objs)
    yield from query.get_compiler(alias).as_sql()


@ON_BOTH
@pytest.mark.django_db(databases=["default", "postgres"])
@pytest.mark.parametrize("conflict", CONFLICTS, ids=str)
def test_what_is_said_of_an_insert_are_the_rows_that_it_makes(rows: Backend, conflict: Any) -> None:
    """Each row with its values, however the arguments lie; and whether it may update rows that are there."""

    @given(st.lists(ITEM, min_size=1, max_size=4))
    def holds(made: list[dict[str, Any]]) -> None:
        objs = [Item(**values) for values in made]
        found: list[Any] = []
        for sql, arguments in inserts(objs, conflict, list(made[0]), rows.database):
            write = parse(sql)
            assert write is not None
            assert (write.verb, write.table, write.written) == ("INSERT", TABLE, tuple(made[0]))
            assert write.overwrites is CONFLICTS[conflict]
            told = Statement(rows.database, Item, write, arguments_of(write, arguments, many=False))
            found += rows_inserted(told)
        assert found == made

    holds()
