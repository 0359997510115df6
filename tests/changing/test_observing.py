"""Statements that nobody announced, on sources and tables of ties: left as they are, and what they concern falls."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper

from statistics_cache import statistic
from statistics_cache.changing.statements import quiet
from statistics_cache.models import StatisticInvalidation
from tests.changing.meanwhile import closing, elsewhere, statements, wait_for_lock
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Label, Order, Post, PostLabel, Region, Tag
from tests.samples import tints
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)

COLORS = ("red", "blue", "gray")
TIES = Item.tags.through


@pytest.fixture
def items(backend: Backend) -> list[Item]:
    """Make an item of each colour, and have the number of each fresh."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    made = [Item.objects.create(order=order, color=color, sku=color) for color in COLORS]
    warm()
    return made


def warm() -> None:
    """Have the number of each colour fresh."""
    for color in COLORS:
        tints(color)


def fallen() -> set[str]:
    """Give the colours whose number is not fresh any more; whatever is fresh must be true."""
    gone = {color for color in COLORS if not tints.is_fresh(color)}
    assert [color for color in COLORS if tints(color) != tints.compute(color)] == []
    return gone


def execute(backend: Backend, sql: str, *arguments: Any) -> Any:
    """Run SQL, and give what it returns, if anything."""
    with connections[backend.database].cursor() as cursor:
        cursor.execute(sql, arguments or None)
        return cursor.fetchall() if "RETURNING" in sql else cursor.rowcount


EVERY = set(COLORS)
SQL: dict[str, tuple[str, tuple[Any, ...], set[str]]] = {
    "a pinned row": ('UPDATE "tests_item" SET "amount" = 5 WHERE "tests_item"."color" = %s', ("red",), {"red"}),
    "rows by a plain condition": (
        'UPDATE "tests_item" SET "amount" = 5 WHERE "tests_item"."sku" IN (%s, %s)',
        ("red", "blue"),
        {"red", "blue"},
    ),
    "a move": (
        'UPDATE "tests_item" SET "color" = %s WHERE "tests_item"."sku" = %s',
        ("blue", "red"),
        {"red", "blue"},
    ),
    "nothing": ('UPDATE "tests_item" SET "amount" = 5 WHERE "tests_item"."sku" = %s', ("none",), set()),
    "whatever its names look like": ("update tests_item set color = 'blue' where sku = 'red'", (), EVERY),
    "by another table": (
        'UPDATE "tests_item" SET "color" = %s WHERE "tests_item"."id" IN (SELECT MIN("id") FROM "tests_item")',
        ("blue",),
        EVERY,
    ),
    "with a comment": ("UPDATE tests_item SET color = 'blue' /* by hand */ WHERE sku = 'red'", (), EVERY),
    "a deletion": ('DELETE FROM "tests_item" WHERE "tests_item"."sku" = %s', ("red",), {"red"}),
    "a deletion of all": ('DELETE FROM "tests_item"', (), EVERY),
    "a row more": (
        'INSERT INTO "tests_item" ("order_id", "color", "amount", "note") VALUES (%s, %s, %s, %s)',
        (None, "red", 1, ""),
        {"red"},
    ),
    "rows of rows": (
        'INSERT INTO "tests_item" ("order_id", "color", "amount", "note") SELECT "order_id", %s, 1, %s FROM tests_item',
        ("red", ""),
        EVERY,
    ),
}


@ON_BOTH
@pytest.mark.parametrize("name", SQL)
def test_sql_on_a_source_is_looked_at(items: list[Item], backend: Backend, name: str) -> None:
    """What the statement says it concerns falls, and where it does not say, every scope: by whomever it is made."""
    sql, arguments, expected = SQL[name]
    execute(backend, sql, *(items[0].order_id if each is None else each for each in arguments))
    assert fallen() == expected


@ON_BOTH
def test_what_a_statement_returns_is_given(items: list[Item], backend: Backend) -> None:
    """A statement that returns rows gives them, though we log; in autocommit and in a block."""
    sql = "UPDATE tests_item SET color = 'blue' WHERE sku = 'red' RETURNING sku"
    assert execute(backend, sql) == [("red",)]
    assert fallen() >= {"red", "blue"}
    with transaction.atomic(using=backend.database):
        assert execute(backend, "DELETE FROM tests_item WHERE sku = 'red' RETURNING sku") == [("red",)]
    assert fallen() >= {"blue"}


INSERTS: dict[str, Callable[[Item, Tag, Backend], object]] = {
    "SQL": lambda item, _, backend: execute(
        backend,
        "INSERT INTO tests_item (order_id, color, amount, note) VALUES (%s, 'red', 1, '') RETURNING id",
        item.order_id,
    ),
    "a tie": lambda item, tag, _: TIES.objects.create(item=item, tag=tag),
    "a tie saved": lambda item, tag, _: TIES(item=item, tag=tag).save(),
    "ties in bulk": lambda item, tag, _: TIES.objects.bulk_create([TIES(item=item, tag=tag)]),
    "by a plain manager": lambda *_: Item._base_manager.bulk_create(new("red")),
}


@ON_BOTH
@pytest.mark.parametrize("name", INSERTS)
def test_a_row_that_is_inserted_outside_a_block_is_there(items: list[Item], backend: Backend, name: str) -> None:
    """Whatever is logged and read around an INSERT that returns its key, nothing of it takes the row along: it is
    there for others, and each scope on it and on other rows is true."""
    declared = statistic(name="tests.tied", depends_on={Item: {"region": "order__region__name"}})(ties_and_items)
    tag = Tag.objects.create(name="new")
    assert declared("north") == len(COLORS)
    assert INSERTS[name](items[0], tag, backend) != []
    assert elsewhere(ties_and_items, "north") == len(COLORS) + 1
    assert declared("north") == len(COLORS) + 1
    assert tints("red") == tints.compute("red")


def ties_and_items(region: str) -> int:
    """Count the items of a region, and their ties."""
    of = {"item__order__region__name": region}
    return Item.objects.filter(order__region__name=region).count() + TIES.objects.filter(**of).count()


@ON_BOTH
def test_the_number_of_rows_is_the_statement_s_own(items: list[Item], backend: Backend) -> None:
    """What `rowcount` says is how many rows the user's statement wrote."""
    assert execute(backend, "UPDATE tests_item SET amount = 3 WHERE sku IN ('red', 'blue')") == 2
    assert Item.objects.filter(sku__in=["red", "blue", "gray"]).update(amount=4) == 3
    assert Item.objects.filter(sku="none").update(amount=5) == 0


@ON_BOTH
def test_several_sets_of_arguments_are_looked_at(items: list[Item], backend: Backend) -> None:
    """`executemany` of a source drops every scope: which rows it wrote is not said."""
    with connections[backend.database].cursor() as cursor:
        cursor.executemany("UPDATE tests_item SET color = %s WHERE sku = %s", [("blue", "red"), ("red", "gray")])
    assert fallen() == EVERY


def red_ones(rows: Any) -> Any:
    """Give the items that are known as red."""
    return rows.filter(sku="red")


def new(color: Any, **values: Any) -> list[Item]:
    """Make an item more, of an order that is there."""
    return [Item(order=Order.objects.get(), color=color, **values)]


CONFLICT: dict[str, Any] = {"update_conflicts": True, "unique_fields": ["sku"], "update_fields": ["color"]}
PLAINLY: dict[str, tuple[Callable[[Any], object], set[str]]] = {
    "create": (lambda rows: rows.create(order=Order.objects.get(), color="red"), {"red"}),
    "bulk_create": (lambda rows: rows.bulk_create(new("red")), {"red"}),
    "bulk_create ignoring": (lambda rows: rows.bulk_create(new("red"), ignore_conflicts=True), {"red"}),
    "bulk_create updating": (lambda rows: rows.bulk_create(new("blue", sku="red"), **CONFLICT), EVERY),
    "bulk_create by expression": (lambda rows: rows.bulk_create(new(Upper(Value("red")))), EVERY),
    "update": (lambda rows: red_ones(rows).update(color="blue"), {"red", "blue"}),
    "update by expression": (
        lambda rows: red_ones(rows).update(color=Concat(Value("bl"), Value("ue")), amount=F("amount") % 2),
        {"red", "blue"},
    ),
    "update by a path": (lambda rows: rows.filter(order__region__name="north").update(amount=F("amount") + 1), EVERY),
    "delete": (lambda rows: red_ones(rows).delete(), {"red"}),
    "delete of all": (lambda rows: rows.all().delete(), EVERY),
}


LEFT = {name: 4 for name in PLAINLY if "create" in name and "updating" not in name} | {"delete": 2, "delete of all": 0}


@ON_BOTH
@pytest.mark.parametrize("name", PLAINLY)
def test_a_plain_manager_s_writes_of_a_source_count(items: list[Item], name: str) -> None:
    """Whoever writes a source's table, by whatever manager: what it concerns falls."""
    act, expected = PLAINLY[name]
    act(Item._base_manager)
    assert Item.objects.count() == LEFT.get(name, 3)
    assert fallen() == expected


def take(color: str) -> int:
    """Take an item that is still red."""
    return Item.objects.filter(sku="red", color="red").update(color=color)


@ON_POSTGRES
def test_an_optimistic_update_has_one_winner(items: list[Item], backend: Backend) -> None:
    """Two who update a row only as it was: one does, and the other is told that none is so any more, as by Django."""
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic(using=backend.database):
            assert take("blue") == 1
            theirs = thread.submit(closing, take, "gray")
            wait_for_lock(backend)
        assert theirs.result(PATIENCE) == 0
    assert Item.objects.get(sku="red").color == "blue"
    assert fallen() == {"red", "blue"}


@ON_POSTGRES
def test_an_update_that_waits_sees_whom_the_other_moved(items: list[Item], backend: Backend) -> None:
    """A row that another transaction moves into a scope while an update waits for it: that scope falls, too."""
    with ThreadPoolExecutor(1) as thread:
        with transaction.atomic(using=backend.database):
            Item.objects.filter(sku="red").update(color="blue")
            warm()
            theirs = thread.submit(closing, lambda: Item.objects.filter(sku="red").update(color="gray"))
            wait_for_lock(backend)
        assert theirs.result(PATIENCE) == 1
    assert fallen() == EVERY


# What is around a statement


@ON_BOTH
def test_the_user_s_statement_is_whole_and_runs_once(items: list[Item], backend: Backend) -> None:
    """Wrappers of the user's see the statement that Django made, once; all else is read, or is of our log."""
    rows = Item.objects.filter(color__in=COLORS)
    (plain,) = statements(backend, lambda: quietly(backend, rows))
    seen = statements(backend, lambda: rows.update(amount=2))
    others = [sql for sql in seen if sql != plain and not sql.startswith(("SELECT", "BEGIN"))]
    assert seen.count(plain) == 1
    assert [sql for sql in others if StatisticInvalidation._meta.db_table not in sql] == []


def quietly(backend: Backend, rows: Any) -> None:
    """Update with nobody told."""
    with quiet(connections[backend.database]):
        rows.update(amount=2)


def test_statements_of_ours_are_not_looked_at(items: list[Item], backend: Backend) -> None:
    """What runs quietly is told to nobody: nothing is logged of it."""
    with quiet(connections[backend.database]):
        Item.objects.filter(sku="red").update(amount=9)
    assert fallen() == set()


class Refused(Exception):
    """A user's wrapper lets no write pass."""


def refuse(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Let no update pass."""
    if sql.startswith("UPDATE"):
        raise Refused
    return run(sql, params, many, context)


@ON_BOTH
@pytest.mark.parametrize("in_block", [False, True])
def test_a_statement_that_is_refused_concerns_nobody(items: list[Item], backend: Backend, in_block: bool) -> None:
    """A wrapper of the user's that raises: its error is the caller's, nothing is logged, and all goes on."""
    StatisticInvalidation.objects.all().delete()
    block: Callable[[], AbstractContextManager[Any]] = nullcontext
    if in_block:
        block = partial(transaction.atomic, backend.database)
    with block():
        with pytest.raises(Refused), block(), connections[backend.database].execute_wrapper(refuse):
            Item.objects.filter(sku="red").update(color="blue")
        assert Item.objects.count() == len(COLORS)
    assert not StatisticInvalidation.objects.exists()
    assert fallen() == set()


@ON_BOTH
def test_a_statement_that_the_database_refuses_concerns_nobody(items: list[Item], backend: Backend) -> None:
    """Its error is the one that Django raises, and what is logged around it goes with its savepoint."""
    StatisticInvalidation.objects.all().delete()
    with pytest.raises(IntegrityError):
        Item.objects.filter(sku="red").update(sku="blue")
    with transaction.atomic(using=backend.database):
        with pytest.raises(IntegrityError), transaction.atomic(using=backend.database):
            Item.objects.filter(sku="red").update(sku="blue")
        Item.objects.filter(sku="gray").update(amount=2)
    assert fallen() == {"gray"}


# Ties


def tagged(kind: str) -> int:
    """Count the ties of posts of a kind."""
    return PostLabel.objects.filter(post__kind=kind).count()


def make_tie(post: Post, label: Label) -> PostLabel:
    """Tie a post and a label that are not stored yet as they will be tied."""
    return PostLabel(post=post, label=label)


TYING: dict[str, Callable[[Any, Any], object]] = {
    "add": lambda post, label: post.labels.add(label),
    "add from the other side": lambda post, label: label.post_set.add(post),
    "set": lambda post, label: post.labels.set([label]),
    "a tie saved": lambda post, label: make_tie(post, label).save(),
    "a tie created": lambda post, label: PostLabel.objects.create(post=post, label=label),
    "ties created": lambda post, label: PostLabel.objects.bulk_create([make_tie(post, label)]),
}
UNTYING: dict[str, Callable[[Any, Any], object]] = {
    "remove": lambda post, label: post.labels.remove(label),
    "remove from the other side": lambda post, label: label.post_set.remove(post),
    "set": lambda post, _: post.labels.set([]),
    "clear": lambda post, _: post.labels.clear(),
    "clear from the other side": lambda _, label: label.post_set.clear(),
    "a tie deleted": lambda post, _: PostLabel.objects.get(post=post).delete(),
    "ties deleted": lambda _, label: PostLabel.objects.filter(label=label).delete(),
    "the label deleted": lambda _, label: label.delete(),
    "the post deleted": lambda post, _: post.delete(),
    "a tie given to another": lambda post, _: PostLabel.objects.filter(post=post).update(post="q"),
}
KINDS = ("news", "talk", "song")


@ON_BOTH
@pytest.mark.parametrize("name", [*TYING, *(f"untie: {name}" for name in UNTYING)])
def test_ties_by_other_columns_than_keys_are_seen(backend: Backend, name: str) -> None:
    """Many-to-many through `to_field`, of plain models: each way to tie and untie concerns the post's scope, whether
    the posts are the source or the ties are; and no other scope but where rows go over to it."""
    scopes: dict[Any, str] = {Post: "kind", PostLabel: "post__kind"}
    declared = [
        statistic(name=f"tests.tagged_{path}", depends_on={source: {"kind": path}})(tagged)
        for source, path in scopes.items()
    ]
    post, label = Post.objects.create(slug="p", kind="news"), Label.objects.create(slug="l")
    Post.objects.create(slug="q", kind="talk")
    act = TYING.get(name)
    if act is None:
        post.labels.add(label)
        act = UNTYING[name.removeprefix("untie: ")]
    for kind in KINDS:
        for each in declared:
            each(kind)
    act(post, label)
    assert PostLabel.objects.count() == (name in TYING or "another" in name)
    for each in declared:
        assert {kind: each(kind) for kind in KINDS} == {kind: tagged(kind) for kind in KINDS}
