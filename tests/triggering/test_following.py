"""What Django writes is delivered after its commit, at no statement more; in a transaction the database is asked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from statistics_cache import Source, Statistic, statistic, upkeep
from statistics_cache.api import registry
from statistics_cache.changing import receiving
from statistics_cache.models import StatisticInvalidation, StatisticScope
from statistics_cache.signals import invalidated
from statistics_cache.triggering import installing
from tests.messages import Messages
from tests.models import Item, Order, Paint, Region
from tests.samples import Computed
from tests.triggering.conftest import run

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])

UPDATE = "UPDATE tests_paint SET litres = litres + 1 WHERE color = 'red'"


def litres(color: str) -> int:
    """Add up what there is of a colour."""
    Computed.note("litres")
    return sum(Paint.objects.filter(color=color).values_list("litres", flat=True))


def items(region: str) -> int:
    """Count items of a region."""
    Computed.note("items")
    return Item.objects.filter(order__region__name=region).count()


@pytest.fixture
def asked(database: str) -> Statistic[..., int]:
    """Have one litre of red and of blue, by triggers; both are hot."""
    found = statistic(name="tests.litres", depends_on=[Source(Paint, "color")], capture="triggers")(litres)
    assert installing.install(database) == []
    Paint.objects.bulk_create([Paint(color="red", litres=1), Paint(color="blue", litres=1)])
    assert [found.answer(color).tier for color in ("red", "blue", "red", "blue")] == ["computed"] * 2 + ["hot"] * 2
    Computed.counts.clear()
    return found


@contextmanager
def costs(alias: str, number: int) -> Iterator[None]:
    """Demand a number of statements."""
    with CaptureQueriesContext(connections[alias]) as captured:
        yield
    assert len(captured) == number, [query["sql"] for query in captured]


def test_a_write_costs_its_own_statements(database: str, asked: Statistic[..., int]) -> None:
    """In autocommit and in a transaction nothing is read, logged or begun here; it is delivered all the same."""
    with costs(database, 1):
        Paint.objects.filter(color="red").update(litres=5)
    assert asked("red") == 5
    with costs(database, 3), transaction.atomic(using=database):
        Paint.objects.filter(color="red").update(litres=6)
    assert asked("red") == 6


def test_what_did_not_change_is_proved_and_not_computed(database: str, asked: Statistic[..., int]) -> None:
    """The delivery moves every scope: the others are proved by one statement, and hot again."""
    Paint.objects.filter(color="red").update(litres=5)
    with costs(database, 1):
        assert asked("blue") == 1
    with costs(database, 0):
        assert asked("blue") == 1
    assert Computed.of("litres") == 0


def test_a_delivery_comes_after_the_commit(database: str, asked: Statistic[..., int]) -> None:
    """Whoever hears of it finds the row on another connection, though the INSERT returns rows that are still to be
    fetched."""
    seen = []

    def look(statistic: str, **_: Any) -> None:
        if statistic != asked.name:
            return
        other = connections[database].copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM tests_paint WHERE color = 'green'")
            seen.append(cursor.fetchone()[0])
        other.close()

    invalidated.connect(look)
    try:
        Paint.objects.create(color="green")
    finally:
        invalidated.disconnect(look)
    assert seen == [1]


def test_in_a_transaction_the_database_is_asked(database: str, asked: Statistic[..., int]) -> None:
    """What the driver's own cursor wrote nobody here has seen; a read costs one statement, and is right."""
    with transaction.atomic(using=database):
        with costs(database, 1):
            assert asked.answer("red").tier == "cold"
        run(database, UPDATE)
        assert asked("red") == 2
    asked.clear(tier="hot")  # as if each proof were too old
    assert asked("red") == 2


def test_what_was_computed_in_a_transaction_is_stored_after_its_commit(
    database: str, asked: Statistic[..., int]
) -> None:
    """In the table alone, under what was captured inside: the next reader finds it there."""
    with transaction.atomic(using=database):
        run(database, UPDATE)
        assert asked("red") == 2
        assert Computed.of("litres") == 1
    asked.clear(tier="hot")
    assert (asked("red"), Computed.of("litres")) == (2, 1)


def test_a_rollback_leaves_no_trace(database: str, asked: Statistic[..., int]) -> None:
    """What was computed from what was never committed is given to nobody else, however it was written."""
    for write in (run, execute):
        with transaction.atomic(using=database):
            write(database, UPDATE)
            assert asked("red") == 2
            with transaction.atomic(using=database):
                write(database, UPDATE)
                assert asked("red") == 3
                transaction.set_rollback(True, using=database)
            assert asked("red") == 2
            transaction.set_rollback(True, using=database)
        assert asked("red") == 1


def execute(alias: str, sql: str) -> None:
    """Run SQL through Django's cursor."""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)


def test_a_token_of_a_transaction_that_rolled_back_stores_nothing(database: str, asked: Statistic[..., int]) -> None:
    """Any statement that may write counts against it, for the log row goes with the rollback, and the value stays."""
    with transaction.atomic(using=database):
        token = asked.token("red")
        execute(database, "UPDATE tests_tag SET name = ''")
        transaction.set_rollback(True, using=database)
    assert not asked.set("red", result=9, token=token)


def test_another_program_is_noticed_by_the_age_of_proofs(database: str, asked: Statistic[..., int], conf: Any) -> None:
    """Its write is delivered by nobody: a hot answer is believed until its proof is old, and not longer."""
    run(database, UPDATE)
    assert asked("red") == 1
    conf(PROOF_INTERVAL=0.000_001)
    assert asked("red") == 2


def test_several_are_asked_for_in_one_statement(database: str, asked: Statistic[..., int]) -> None:
    """In a transaction, too."""
    with transaction.atomic(using=database), costs(database, 1):
        assert [each.value for each in asked.get_many([{"color": "red"}, {"color": "blue"}])] == [1, 1]


def test_a_statistic_that_is_watched_by_signals_again_is_believed(database: str, asked: Statistic[..., int]) -> None:
    """What kept readers from believing goes with the triggers."""
    installing.remove(database)
    receiving.unwatch(registry.named.pop(asked.name).declaration)
    found = statistic(name="tests.litres", depends_on=[Source(Paint, "color")], capture="signals")(litres)
    installing.install(database)
    assert [found.answer("red").tier for _ in range(2)] == ["computed", "hot"]


@pytest.mark.parametrize("database", ["default"], indirect=True)
def test_the_tick_looks_at_what_sqlite_has_moved(
    database: str, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its triggers leave no log row to fold: of a large grid the sums tell what has changed."""
    grid = [{"color": f"{number}"} for number in range(9)]
    found = statistic(name="tests.litres", depends_on=[Source(Paint, "color")], hydrate=grid, capture="triggers")(
        litres
    )
    assert installing.install(database) == []
    found.hydrate()
    upkeep.tick([found.declaration])
    StatisticScope.objects.update(folded_at=None)  # but for what is moved now
    monkeypatch.setattr(upkeep, "LOOKED_AT", 2)  # and two that are looked at in turn
    for number in ("3", "7"):
        run(database, f"INSERT INTO tests_paint (color, litres) VALUES ('{number}', 1)")
    upkeep.tick([found.declaration])
    assert [message["parameters"] for message in messages.take()] == ['{"color":"3"}', '{"color":"7"}']


def test_statements_that_name_no_table_may_write_any(database: str, asked: Statistic[..., int]) -> None:
    """CALL, DO and EXECUTE are delivered for everybody; a SELECT is not."""
    if database == "default":
        return
    execute(database, f"DO $$ BEGIN {UPDATE}; END $$")
    assert asked("red") == 2


def test_keys_of_other_rows_are_read_after_the_commit(database: str) -> None:
    """By who wrote through Django, else by the next reader: nothing is believed before."""
    found = statistic(
        name="tests.items", depends_on=[Source(Item, {"region": "order__region__name"})], capture="triggers"
    )(items)
    assert installing.install(database) == []
    north, south = (Order.objects.create(region=Region.objects.create(name=name)) for name in ("north", "south"))
    assert (found("north"), found("south")) == (0, 0)
    Item.objects.bulk_create([Item(order=north, color="red")])
    assert not StatisticInvalidation.objects.filter(via__isnull=False).exists()
    assert (found("north"), found("south")) == (1, 0)
    assert Computed.of("items") == 3
    run(database, f"UPDATE tests_item SET order_id = {south.pk}")
    found.clear(tier="hot")
    assert (found("north"), found("south")) == (0, 1)


def test_until_the_triggers_are_there_reads_are_live(database: str, asked: Statistic[..., int]) -> None:
    """Nothing is believed or stored of a statistic whose changes nobody sees."""
    installing.remove(database)
    run(database, UPDATE)
    assert [asked.answer("red").tier for _ in range(2)] == ["computed"] * 2
    assert asked("red") == 2
    installing.install(database)
    assert [asked.answer("red").tier for _ in range(2)] == ["computed", "hot"]


def test_a_statistic_that_was_never_installed_is_live(database: str) -> None:
    """So a deployment that has not migrated yet is slow, and right."""
    found = statistic(name="tests.litres", depends_on=[Source(Paint, "color")], capture="triggers")(litres)
    assert [found.answer("red").tier for _ in range(2)] == ["computed"] * 2
