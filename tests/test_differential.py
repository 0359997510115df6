"""Writes of every kind, done to models nobody watches, to plain models that are watched, and to sources: P0, P1."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from django.db import connections, transaction
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete
from pytest_django import Settings

from statistics_cache.changing import statements
from tests.differential.blocks import alone, in_a_block
from tests.differential.families import BARE, PLAIN, Family
from tests.differential.operations import OPERATIONS, Operation
from tests.differential.playing import Player
from tests.differential.report import grouped
from tests.differential.tables import HOT, begin, tables
from tests.routers import TestRouter

CASES = 100  # operations to each family, some 10 s; by hand 20,000
SEED = 1

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.timeout(600),
]


@pytest.fixture
def database(request: pytest.FixtureRequest, settings: Settings) -> Iterator[str]:
    """Give a database with the tables of every family, and a cache that forgets nothing; SQLite if none is named."""
    settings.CACHES = settings.CACHES | {"statistics": HOT}
    TestRouter.database = getattr(request, "param", "default")
    with tables(TestRouter.database):
        yield TestRouter.database
    TestRouter.database = "default"


@pytest.mark.parametrize("database", ["default", "postgres"], indirect=True)
def test_whatever_is_done_comes_out_the_same_and_is_seen(database: str) -> None:
    """Results, errors, transactions and rows are those of the same operation on models nobody watches, and each fresh
    answer is true. A fault names what `python -m tests.differential --seed … --replay TURN` shows again."""
    faults = list(Player(SEED, database).play(CASES))
    assert not faults, "\n".join(["", *grouped(faults)])


# That it would be told


def name_a_region(family: Family, random: Random) -> str:
    """Write the same in every family."""
    region = family.some("Region", random)
    region.name = random.choice("xyz")
    region.save()
    return "done"


def name_it_for_the_family(family: Family, random: Random) -> None:
    """Write other rows in every family."""
    region = family.some("Region", random)
    region.name = family.name
    region.save()


def give_the_family(family: Family, random: Random) -> str:
    """Give something else in every family."""
    return family.name


def fail_in_one(family: Family, random: Random) -> None:
    """Raise in one family."""
    if family is PLAIN:
        raise LookupError


def poison_one(family: Family, random: Random) -> None:
    """Leave one family's transaction to be rolled back."""
    if family is PLAIN:
        transaction.set_rollback(True, using=TestRouter.database)


def write_unseen(family: Family, random: Random) -> None:
    """Write the same in every family, in a way that nobody sees of a plain model."""
    with connections[TestRouter.database].cursor() as cursor:
        cursor.execute(f"UPDATE {family.Item._meta.db_table} SET amount = amount + 1")  # noqa: S608  (our own)


@pytest.mark.parametrize(
    ("do", "told"),
    [
        (name_a_region, set()),
        (name_it_for_the_family, {("plain", "rows"), ("source", "rows")}),
        (give_the_family, {("plain", "result"), ("source", "result")}),
        (fail_in_one, {("plain", "error")}),
        (poison_one, {("plain", "transaction")}),
        (write_unseen, {("plain", "answer")}),
    ],
)
def test_what_differs_is_told(database: str, do: Callable[..., Any], told: set[tuple[str, str]]) -> None:
    """Each thing that is compared can fail, in the family in which it does, and nothing else fails with it."""
    player = Player(SEED, database, operations=[Operation(do.__name__, do)], blocks=(in_a_block,))
    faults = {(fault.family, fault.kind) for fault in player.play_turn(0)}
    assert faults == told


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("create_by_manager", [post_save]),
        ("rename_region", [post_save]),
        ("delete", [pre_delete, post_delete]),
        ("tags_add", []),
    ],
)
def test_a_change_that_is_not_received_is_told(
    database: str, monkeypatch: pytest.MonkeyPatch, name: str, lost: list[ModelSignal]
) -> None:
    """An operation that is seen is a fault as soon as its signals and its statements go by untold."""
    player = Player(SEED, database, operations=[OPERATIONS[name]], blocks=(alone,))
    assert not [str(fault) for fault in player.play_turn(0)]
    for signal in lost:
        monkeypatch.setattr(signal, "send", lambda *_, **__: [])
    monkeypatch.setattr(statements, "listeners", [])
    faults = {(fault.family, fault.kind) for turn in range(1, 12) for fault in player.play_turn(turn)}
    assert faults == {("plain", "answer"), ("source", "answer")}


def test_a_turn_can_be_replayed(database: str) -> None:
    """The seed and the number of a turn are all that it takes to find a fault again, and to see its statements."""
    operations = [Operation(do.__name__, do) for do in (name_a_region, write_unseen)]
    player = Player(SEED, database, operations=operations, blocks=(alone,))
    found = [player.play_turn(turn) for turn in range(4)]
    told: list[str] = []
    turn = next(number for number, faults in enumerate(found) if faults)
    assert player.replay(turn, told.append) == found[turn]
    assert any(line.startswith("source: UPDATE") for line in told)


REFUSED = {name for name, each in OPERATIONS.items() if each.do.__module__.endswith(".refused")} | {"bar_bulk_create"}


def test_no_operation_is_idle(database: str) -> None:
    """Where nobody watches, each operation is done at times, and ends well, unless it is about what is refused."""
    begin(database)
    ended = {
        name: [how_it_ends(each, Random(f"{name} {number}")) for number in range(12)]
        for name, each in OPERATIONS.items()
    }
    assert [name for name, ends in ended.items() if set(ends) == {"Nothing"}] == []
    assert {name: ends for name, ends in ended.items() if name not in REFUSED and "" not in ends} == {}


def how_it_ends(operation: Operation, random: Random) -> str:
    """Do an operation, undo it, and give what it raised."""
    with transaction.atomic(using=TestRouter.database):
        try:
            with transaction.atomic(using=TestRouter.database):
                operation.do(BARE, random)
        except Exception as error:  # noqa: BLE001  (whatever it is)
            return type(error).__name__
        finally:
            transaction.set_rollback(True, using=TestRouter.database)
    return ""
