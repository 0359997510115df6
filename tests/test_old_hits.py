"""Old by itself: what the hot tier alone shows to be current and older than its ttl (Note [Old by itself])."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from time_machine import Traveller

from statistics_cache import answering, judging, reading, underway, upkeep
from statistics_cache.broker import queue
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Row
from statistics_cache.models import StatisticEntry
from tests import spaces
from tests.conftest import BACKENDS, Backend, Queries
from tests.counting import count
from tests.messages import Messages
from tests.models import Item, Order, Paint, Region
from tests.samples import Color, Computed, shelf, stock, strict

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

OLD = ("stale", "age", "hot")


def provenance(color: Color = Color.RED) -> tuple[str, str | None, str]:
    """Read, and give what is said of the answer."""
    answer = stock.answer(color)
    return answer.state, answer.reason, answer.tier


def grow_old(clock: Traveller) -> None:
    """Store entries, let them grow older than their ttl, and have them proved again."""
    for color in Color:
        stock(color)
    clock.shift(400)
    for color in Color:
        assert stock.answer(color).reason == "age"


def test_it_is_given_without_a_statement(clock: Traveller, queries: Queries) -> None:
    """Once the database has proved it to be current, for as long as the proof is young."""
    grow_old(clock)
    with queries(0):
        assert provenance() == OLD
        assert stock.get(Color.RED) is not None
        assert stock.answer(Color.RED, wait=False) is not None
        assert [answer.reason for answer in stock.get_many([{"color": color} for color in Color])] == ["age"] * 2
    clock.shift(30)
    with queries(1):
        assert provenance() in {OLD, ("stale", "age", "cold")}
    with queries(0):
        assert provenance() == OLD


@pytest.mark.parametrize("backend", [BACKENDS[1]], indirect=True, ids="-".join)
def test_it_costs_one_round_trip(clock: Traveller, backend: Backend) -> None:
    """Who has found a refresh queued asks nobody about that for a second; a batch costs one round trip, too."""
    grow_old(clock)
    stock.get_many([{"color": color} for color in Color])
    connection = connections[backend.database]
    assert count(connection, lambda: stock(Color.RED)) == (0, 1)
    assert count(connection, lambda: stock.get_many([{"color": color} for color in Color])) == (0, 1)
    queue.asked_until.clear()
    assert count(connection, lambda: stock(Color.RED)) == (0, 2)


def test_many_callers_ask_for_one_refresh(clock: Traveller, messages: Messages) -> None:
    """However many read it, one message is sent; what it asks for makes the entry fresh."""
    grow_old(clock)
    for _ in range(50):
        assert provenance() == OLD
        queue.asked_until.clear()
    assert messages.work() == len(Color)
    assert stock.answer(Color.RED)[1:4] == ("fresh", None, "hot")
    assert Computed.of("stock") == 2 * len(Color)


def test_who_could_not_ask_remembers_nothing(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the broker refuses, each reader may be the one who finds it well again."""
    stock(Color.RED)
    clock.shift(400)
    with monkeypatch.context() as refusing:
        refusing.setattr(queue, "publish", lambda _: "refused")
        assert [provenance() for _ in range(2)][1] == OLD
    assert not queue.asked_until
    assert provenance() == OLD
    assert len(messages.take()) == 1


def test_while_one_asks_the_others_do_not(
    clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all who find it old at once in a process, one asks the cache and the broker; what it raises ends that."""
    grow_old(clock)
    queue.asked_until.clear()
    asked: list[queue.Wanted] = []

    def ask(wanted: queue.Wanted) -> queue.Published:
        asked.append(wanted)
        assert provenance() == OLD
        raise LookupError("no such task")

    monkeypatch.setattr(queue, "publish", ask)
    with pytest.raises(LookupError):
        provenance()
    assert len(asked) == 1
    assert not queue.asked_until


def test_a_delivered_change_ends_it(clock: Traveller, django_capture_on_commit_callbacks: Any) -> None:
    """A change of the source, a clearing, and what is older than stale_ttl is never given so."""
    grow_old(clock)
    with django_capture_on_commit_callbacks(execute=True):
        Paint.objects.create(color="red", litres=1)
    assert stock.get(Color.RED) is None
    assert provenance(Color.BLUE) == OLD
    with django_capture_on_commit_callbacks(execute=True):
        stock.clear()
    assert stock.get(Color.BLUE) is None
    grow_old(clock)
    clock.shift(3200)
    assert stock.get(Color.RED) is None


def test_it_is_never_older_than_stale_ttl_allows(clock: Traveller) -> None:
    """Its age counts from the compute, however often it was proved since."""
    stock(Color.RED)
    clock.shift(3599)
    assert provenance() == ("stale", "age", "cold") or provenance() == OLD
    assert provenance() == OLD
    clock.shift(1)
    assert stock.get(Color.RED) is None


def test_who_takes_nothing_stale_is_given_nothing_old(clock: Traveller, queries: Queries) -> None:
    """Where policy or the caller refuses what is stale, the database is asked."""
    grow_old(clock)
    with queries(1):
        assert stock.get(Color.RED, allow_stale=False) is None
    with queries(1):
        assert not stock.is_fresh(Color.RED)
    strict()
    clock.shift(400)
    assert strict.get() is None


def test_in_a_transaction_that_has_written_the_database_is_asked(
    clock: Traveller, queries: Queries, backend: Backend
) -> None:
    """Whatever it has changed; one that only reads is given what others are."""
    grow_old(clock)
    with transaction.atomic(backend.database):
        with queries(0):
            assert provenance() == OLD
        region = Region.objects.using(backend.database).create(name="north")
        order = Order.objects.using(backend.database).create(region=region)
        Item.objects.using(backend.database).create(order=order, color="red")
        with queries(1):
            assert stock.answer(Color.RED).reason == "age"


def test_inside_a_compute_it_is_not_used(clock: Traveller) -> None:
    """A compute gets what the database proves fresh, or computes."""
    grow_old(clock)
    with underway.frame(shelf.declaration, shelf.declaration.variant((Color.RED,), {}), 0.0):
        assert stock.answer(Color.RED).tier == "computed"


def test_an_early_proof_is_drawn_as_for_a_fresh_one(
    clock: Traveller, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers begin to prove before the proof ends, so that no herd meets its end."""
    grow_old(clock)
    clock.shift(29)
    monkeypatch.setattr(judging, "random", lambda: 0.0)
    with queries(1):
        assert stock.answer(Color.RED).reason == "age"
    monkeypatch.setattr(judging, "random", lambda: 1.0)
    with queries(0):
        assert provenance() == OLD


def test_a_refresh_is_not_content_with_it(clock: Traveller, messages: Messages) -> None:
    """The worker, `hydrate` and `.refresh` ask the database, and compute."""
    grow_old(clock)
    messages.clear()
    variant = stock.declaration.variant((Color.RED,), {})
    assert upkeep.refresh(stock.declaration, variant) == "refreshed"
    assert {answer.tier for answer in stock.hydrate()} <= {"hot", "cold", "computed"}
    assert provenance(Color.BLUE)[0] == "fresh"


def test_a_task_that_is_content_with_it_refreshes_nothing(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken: the task believes what readers are given, and the entry grows older until it expires."""
    grow_old(clock)
    search = reading.search
    monkeypatch.setattr(reading, "search", lambda declaration, variant: search(declaration, variant, None))
    variant = stock.declaration.variant((Color.RED,), {})
    assert upkeep.refresh(stock.declaration, variant) != "refreshed"


@pytest.fixture
def failing(clock: Traveller, messages: Messages, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """An old entry whose refresh fails; give how often the function has run since."""
    grow_old(clock)
    StatisticEntry.objects.update(failures=6)  # so that the pause outlasts a slow test on a server's own clock
    counted: list[object] = []

    def fail(_: Declaration[..., Any], variant: Variant) -> None:
        counted.append(variant)
        raise LookupError("no such shelf")

    monkeypatch.setattr(Declaration, "call", fail)
    assert messages.work() == len(Color)
    queue.asked_until.clear()
    return lambda: len(counted)


def test_a_failed_compute_is_not_repeated_before_its_time(
    failing: Callable[[], int], clock: Traveller, messages: Messages
) -> None:
    """Readers of the hot tier cannot see `retry_at`: until then they find the refresh queued, and none is."""
    computed = failing()
    for _ in range(3):
        assert provenance() == OLD
        queue.asked_until.clear()
    assert (messages.work(), failing()) == (0, computed)
    await_retry(clock)
    assert provenance() == OLD
    assert (messages.work(), failing()) == (1, computed + 1)


def await_retry(clock: Traveller) -> None:
    """Let the time come at which a failed compute is tried again; a server has a clock of its own."""
    cache: Any = caches["statistics"]
    if hasattr(cache, "ttl"):
        assert all(0 < cache.ttl(name) <= 71 for name in notes())
        cache.delete_many(notes())
    clock.shift(71)


def test_whoever_would_compute_honours_a_failure(failing: Callable[[], int], messages: Messages) -> None:
    """A message that is there all the same, as after a flush, finds out from the database."""
    computed = failing()
    variant = stock.declaration.variant((Color.RED,), {})
    assert upkeep.refresh(stock.declaration, variant) == "blocked"
    answers, errors = answering.settle_many(stock.declaration, [variant], takes_stale=False)
    assert [answer.reason for answer in answers] == ["age"]
    assert (errors, failing()) == ([], computed)


def test_a_failed_compute_is_repeated_where_nobody_honours_it(
    failing: Callable[[], int], messages: Messages, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Broken: failed compute repeated. Without the note, and without `retry_at`, each reader has it run again."""
    computed = failing()
    monkeypatch.setattr(Row, "is_blocked", lambda *_: False)
    caches["statistics"].delete_many(notes())
    queue._own.clear()
    assert provenance() == OLD
    messages.work()
    assert failing() > computed


def notes() -> list[str]:
    """Name the notes of both entries as readers of the hot tier name them."""
    declaration, names = stock.declaration, []
    for color in Color:
        variant = declaration.variant((color,), {})
        copy = spaces.read(stock, variant).copy
        assert copy is not None
        names.append(queue.wanted_by_itself(declaration, variant, copy, spaces.identity_of(stock)).note)
    return names
