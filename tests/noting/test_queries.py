"""Whatever the ORM and raw SQL read is found: as much as EXPLAIN (ANALYZE) says, and nothing that is not there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections
from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Sum
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from statistics_cache.noting.recording import Notes, noted
from statistics_cache.noting.tables import resolve
from statistics_cache.noting.texts import tables_of
from tests.models import Item, Order, Paint, Region, Tag
from tests.routers import TestRouter

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])

ITEM, ORDER, REGION, PAINT, TAG = "tests_item", "tests_order", "tests_region", "tests_paint", "tests_tag"
TAGS = "tests_item_tags"
Step = tuple[Callable[[QuerySet[Any]], Any], str]

items: list[Step] = [
    (lambda rows: rows, ""),
    (lambda rows: rows.filter(color="red"), ""),
    (lambda rows: rows.filter(order__note=""), ORDER),
    (lambda rows: rows.filter(order__region__name="north"), f"{ORDER} {REGION}"),
    (lambda rows: rows.exclude(order__region__name="south"), f"{ORDER} {REGION}"),
    (lambda rows: rows.select_related("order__region"), f"{ORDER} {REGION}"),
    (lambda rows: rows.filter(tags__name="new"), f"{TAGS} {TAG}"),
    (lambda rows: rows.exclude(tags__name="old"), f"{TAGS} {TAG}"),
    (lambda rows: rows.prefetch_related("tags"), f"{TAGS} {TAG}"),
    (lambda rows: rows.annotate(many=Count("tags")), TAGS),
    (lambda rows: rows.filter(Exists(Paint.objects.filter(color=OuterRef("color")))), PAINT),
    (lambda rows: rows.filter(color__in=Paint.objects.values("color")), PAINT),
    (lambda rows: rows.filter(Q(order__note="") | Q(color__in=Paint.objects.values("color"))), f"{ORDER} {PAINT}"),
    (lambda rows: rows.annotate(twice=F("amount") * 2, home=F("order__region__name")), f"{ORDER} {REGION}"),
    (lambda rows: rows.order_by("order__region__name"), f"{ORDER} {REGION}"),
]
ends: list[Step] = [
    (list, ""),
    (lambda rows: rows.count(), ""),
    (lambda rows: rows.exists(), ""),
    (lambda rows: list(rows.values("color").annotate(all=Sum("amount"))), ""),
    (lambda rows: list(rows.order_by().values("pk").union(Paint.objects.values("pk"))), PAINT),
    (lambda rows: rows.aggregate(all=Sum("order__region__pk")), ORDER),
    (lambda rows: list(Tag.objects.filter(item__in=rows.order_by().values("pk"))), f"{TAG} {TAGS}"),
    (lambda rows: list(Region.objects.filter(order__item__in=rows.order_by().values("pk"))), f"{REGION} {ORDER}"),
]
raw = {
    "WITH big AS (SELECT * FROM tests_item) SELECT * FROM big, tests_paint p WHERE p.color = big.color":
        f"{ITEM} {PAINT}",
    "WITH RECURSIVE up AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM up WHERE n < 3) SELECT * FROM up, tests_tag": TAG,
    "SELECT extract(year FROM now()), count(*) FROM tests_region": REGION,
    "SELECT * FROM red_items": f"{ITEM} {ORDER}",
    "SELECT * FROM red_regions r JOIN tests_tag t ON t.name = r.name": f"{ITEM} {ORDER} {REGION} {TAG}",
}  # fmt: skip


@st.composite
def queries(draw: st.DrawFn) -> tuple[Callable[[], Any], set[str]]:
    """Draw a query with the tables that it may read."""
    if draw(st.integers(0, 5)) == 0:
        sql = draw(st.sampled_from(sorted(raw)))
        return lambda: fetch(sql), set(raw[sql].split())
    steps, end = draw(st.lists(st.sampled_from(items), max_size=3)), draw(st.sampled_from(ends))

    def run() -> Any:
        rows: Any = Item.objects.order_by()
        for step, _ in steps:
            rows = step(rows)
        return end[0](rows)

    return run, {ITEM, *" ".join(names for _, names in (*steps, end)).split()}


def fetch(sql: str) -> list[Any]:
    """Run SQL on PostgreSQL."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows in each table, and views over them."""
    monkeypatch.setattr(TestRouter, "database", "postgres")
    order = Order.objects.create(region=Region.objects.create(name="north"))
    for color in ("red", "blue"):
        item = Item.objects.create(order=order, color=color, amount=2)
        item.tags.add(Tag.objects.create(name="new"))
        Paint.objects.create(color=color)
    with connections["postgres"].cursor() as cursor:
        cursor.execute(
            "CREATE VIEW red_items AS SELECT i.id, o.region_id FROM tests_item i JOIN tests_order o "
            "ON o.id = i.order_id WHERE color = 'red'"
        )
        cursor.execute(
            "CREATE VIEW red_regions AS SELECT r.* FROM tests_region r, red_items i WHERE i.region_id = r.id"
        )


@contextmanager
def explained() -> Iterator[set[str]]:
    """Collect what EXPLAIN (ANALYZE) says of each statement: the relations that were really read."""
    found: set[str] = set()

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "WITH", "(")):
            cursor = connections["postgres"].connection.cursor()
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params)
            found.update(relations(cursor.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    with connections["postgres"].execute_wrapper(explain):
        yield found


def relations(plan: dict[str, Any]) -> Iterator[str]:
    """Give the relations of a plan that were read."""
    if plan["Actual Loops"] > 0 and "Relation Name" in plan:
        yield plan["Relation Name"]
    for inner in plan.get("Plans", ()):
        yield from relations(inner)


def texts_of(notes: Notes) -> set[str]:
    """Give what the texts alone say."""
    named = {name for _, text in notes.statements for name in tables_of(text)}
    return resolve("postgres", named, ())


@pytest.mark.usefixtures("rows")
def test_all_that_a_query_reads_is_found() -> None:
    """Found ⊇ what EXPLAIN (ANALYZE) says was read, by text and counts or by text alone, and ⊆ what the query names."""

    @hypothesis_settings(max_examples=60)
    @given(queries())
    def law(drawn: tuple[Callable[[], Any], set[str]]) -> None:
        run, named = drawn
        with explained() as read:
            run()
        with noted() as notes:
            run()
        assert read <= notes.tables()["postgres"] <= named
        assert read <= texts_of(notes) <= named

    law()


@pytest.mark.django_db(databases=["postgres"], transaction=True)
def test_what_a_text_does_not_name_is_counted() -> None:
    """What a function, a partition and a view read is found, in autocommit, too, and no table of the session's own;
    nothing is left open."""
    made = (
        "CREATE VIEW tags AS SELECT * FROM tests_tag",
        "CREATE FUNCTION paints() RETURNS int AS 'BEGIN RETURN (SELECT 1 FROM tests_paint); END' LANGUAGE plpgsql",
        "CREATE TABLE parts (x int) PARTITION BY LIST (x)",
        "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1)",
        "CREATE TEMPORARY TABLE scratch (x int)",
    )
    try:
        with connections["postgres"].cursor() as cursor:
            for sql in made:
                cursor.execute(sql)
        with noted() as notes:
            for what in ("* FROM tags", "* FROM parts", "* FROM scratch", "paints()", "paints()"):
                fetch(f"SELECT {what}")
        assert notes.tables()["postgres"] == {TAG, PAINT, "parts"}
        assert connections["postgres"].connection.info.transaction_status == 0
    finally:
        with connections["postgres"].cursor() as cursor:
            cursor.execute("DROP VIEW tags; DROP FUNCTION paints; DROP TABLE parts, scratch")
