"""Statistics that are asked for from threads: as right as from the thread of the compute, and no slower elsewhere."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from queue import Queue
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from celery.signals import task_prerun
from django.core.signals import request_started
from django.db import connections
from django.test.utils import CaptureQueriesContext
from time_machine import Traveller

from statistics_cache import Answer, stand_alone, statistic, tasks, underway
from statistics_cache.api import registry
from statistics_cache.hot import generations
from tests.conftest import Backend
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, Computed, Stock, shelf, stock
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

Asked = Callable[[], Any]


def closing(ask: Asked) -> Any:
    """Ask, and leave no connection open."""
    try:
        return ask()
    finally:
        connections.close_all()


def in_a_pool(ask: Asked) -> Any:
    """Ask in a pool that lives as long as the compute."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(closing, ask).result(PATIENCE)


def in_a_pool_of_a_pool(ask: Asked) -> Any:
    """Ask in a pool that a pool's thread makes."""
    return in_a_pool(partial(in_a_pool, ask))


OLDER = ThreadPoolExecutor(1)


def in_an_older_pool(ask: Asked) -> Any:
    """Ask in a pool that was there before, and has asked before."""
    return OLDER.submit(closing, ask).result(PATIENCE)


def in_a_thread(ask: Asked) -> Any:
    """Ask in a thread."""
    brought: Queue[Any] = Queue()
    threading.Thread(target=lambda: brought.put(closing(ask))).start()
    return brought.get(timeout=PATIENCE)


def in_a_thread_of_asyncio(ask: Asked) -> Any:
    """Ask as asyncio has blocking functions called."""
    return asyncio.run(asyncio.to_thread(closing, ask))


def in_a_thread_of_asgiref(ask: Asked) -> Any:
    """Ask as Django has blocking functions called from async code."""
    return async_to_sync(sync_to_async(closing, thread_sensitive=False))(ask)


WAYS: dict[str, Callable[[Asked], Any]] = {
    "pool": in_a_pool,
    "pool of a pool": in_a_pool_of_a_pool,
    "older pool": in_an_older_pool,
    "thread": in_a_thread,
    "asyncio": in_a_thread_of_asyncio,
    "asgiref": in_a_thread_of_asgiref,
}
Inner = Callable[[Color], Stock]
ASKS: dict[str, Inner] = {
    "call": shelf,
    "answer": lambda color: shelf.answer(color).value,
    "get": lambda color: shelf.get(color, allow_stale=True) or shelf.compute(color),
    "get_many": lambda color: shelf.get_many([{"color": color}])[0].value,
}


@pytest.fixture(autouse=True)
def declared() -> None:
    """Declare what is asked for, for each test: others ask which statistics there are."""
    statistic(name="tests.gathered", ttl=TTL, stale_ttl=STALE_TTL, depends_on=[Paint])(gather)


def gathered() -> Any:
    """Give what is declared."""
    return registry.get("tests.gathered")


def gather(way: str, ask: str = "call") -> int:
    """How many red pots there are, asked for from another thread."""
    found: Stock = WAYS[way](partial(ASKS[ask], Color.RED))
    return found.pots


def pots_of(way: str, ask: str = "call") -> tuple[int, int]:
    """Give what the outer statistic says, and says again, after a change that left the inner one stale."""
    in_an_older_pool(partial(shelf, Color.RED))
    Paint.objects.create(color="red")
    answers = [gathered().answer(way, ask) for _ in range(2)]
    assert {answer.state for answer in answers} == {"fresh"}
    return answers[0].value, answers[1].value


@pytest.mark.parametrize("way", WAYS)
def test_what_is_stale_reaches_no_outer_statistic(way: str) -> None:
    """P1: what a compute gets from a thread is never stale, however the thread was come by."""
    assert pots_of(way) == (1, 1)


@pytest.mark.parametrize("ask", ASKS)
def test_however_it_is_asked_for(ask: str) -> None:
    """The same holds for every verb that gives a value."""
    assert pots_of("pool", ask) == (1, 1)


def test_believing_a_thread_would_break_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken version: a thread is asked for no proof, and the outer value is wrong, as fresh, for its whole ttl."""
    monkeypatch.setattr(underway, "suspects", lambda *_: [])
    assert pots_of("pool") == (0, 0)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_believed_reaches_no_outer_statistic(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hot copy whose invalidation was lost is fresh to readers, and never part of an outer value."""
    shelf(Color.RED)
    monkeypatch.setattr(generations, "bump", lambda *_: None)
    Paint.objects.create(color="red")
    assert shelf(Color.RED).pots == 0, "believed, for PROOF_INTERVAL"
    assert gathered()(way) == 1


@pytest.mark.parametrize("way", WAYS)
def test_an_outer_value_is_no_newer_than_what_a_thread_got(way: str, clock: Traveller) -> None:
    """The outer value is of the moment of the oldest that it used."""
    inner = shelf.answer(Color.RED)
    clock.shift(200)
    outer = gathered().answer(way)
    assert outer.computed_at == inner.computed_at
    clock.shift(101)
    assert gathered().get(way, allow_stale=False) is None


def test_while_the_database_is_out_nothing_hot_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be proved is computed anew where it may become part of another value."""
    shelf(Color.RED)
    monkeypatch.setattr("statistics_cache.changing.checking.prove", lambda *_: None)
    with computing_blue() as elsewhere:
        elsewhere(partial(shelf, Color.RED))
    assert Computed.of("shelf") == 2


@contextmanager
def computing_blue() -> Iterator[Callable[[Asked], Any]]:
    """Have another entry computed meanwhile; gives a way to ask in a pool's thread."""
    with (
        ThreadPoolExecutor(1) as pool,
        underway.frame(stock.declaration, stock.declaration.variant((Color.BLUE,), {}), 0.0),
    ):
        yield lambda ask: pool.submit(closing, ask).result(PATIENCE)


def begin_request() -> None:
    """Do what Django does where a request begins."""
    request_started.send(sender=None)


def begin_task() -> None:
    """Do what Celery does where a task begins."""
    tasks.tick.push_request(is_eager=False)
    task_prerun.send(sender=tasks.tick, task=tasks.tick)
    tasks.tick.pop_request()


def told_by(begin: Asked, backend: Backend) -> tuple[Answer[Stock], bool]:
    """Give what is answered in a thread that has begun so, while another entry is computed, and whether the database
    was asked."""

    def ask() -> tuple[Answer[Stock], bool]:
        begin()
        connections[backend.database].ensure_connection()  # which asks whose it is
        with CaptureQueriesContext(connections[backend.database]) as asked:
            answer = shelf.answer(Color.RED)
        return answer, len(asked) > 0

    with computing_blue() as elsewhere:
        return elsewhere(ask)  # type: ignore[no-any-return]


@pytest.mark.parametrize("begin", [begin_request, begin_task, stand_alone])
def test_a_server_s_thread_is_believed(begin: Asked, backend: Backend, clock: Traveller) -> None:
    """A request, a task, and who says so, read as ever while something is computed: hot, and stale."""
    shelf(Color.RED)
    answer, was_asked = told_by(begin, backend)
    assert (answer.tier, was_asked) == ("hot", False)
    clock.shift(301)
    assert told_by(begin, backend)[0].state == "stale"


def test_any_other_thread_asks_the_database(backend: Backend, clock: Traveller) -> None:
    """A thread of which nothing is known gets what is proved, else what it computes; an eager task tells nothing."""
    shelf(Color.RED)
    answer, was_asked = told_by(tasks.tick.apply, backend)
    assert (answer.state, was_asked) == ("fresh", True)
    clock.shift(301)
    assert told_by(bool, backend)[0].tier == "computed"


def test_after_a_compute_every_thread_is_believed(backend: Backend) -> None:
    """Threads are doubted while something is computed in their process, and no longer."""
    shelf(Color.RED)
    gathered()("older pool")
    answer = in_an_older_pool(partial(shelf.answer, Color.RED))
    assert answer.tier == "hot"


def test_who_reads_what_is_being_computed_is_not_doubted(clock: Traveller) -> None:
    """A stale value is given to any thread while it is itself computed anew: no entry is computed from itself."""
    shelf(Color.RED)
    clock.shift(301)
    variant = shelf.declaration.variant((Color.RED,), {})
    with ThreadPoolExecutor(1) as pool, underway.frame(shelf.declaration, variant, 0.0) as used:
        assert pool.submit(closing, partial(shelf.answer, Color.RED)).result(PATIENCE).state == "stale"
        assert used.oldest == used.used


def test_a_context_that_outlives_its_compute_is_part_of_it_no_more() -> None:
    """What was begun within a compute and goes on after it reads as anybody."""
    red, blue = (stock.declaration.variant((color,), {}) for color in Color)
    with underway.frame(stock.declaration, red, 2.0) as outer:
        with underway.frame(stock.declaration, blue, 1.0) as inner:
            context = copy_context()
            assert context.run(underway.running) is inner
        assert context.run(underway.running) is outer
        assert outer.oldest == 1.0
    assert context.run(underway.running) is None


def test_suspicion_goes_no_further() -> None:
    """What was suspected of one compute makes no later one older."""
    red, blue = (stock.declaration.variant((color,), {}) for color in Color)
    with underway.frame(stock.declaration, red, 5.0) as first, ThreadPoolExecutor(1) as pool:
        pool.submit(underway.use, shelf.declaration, blue, 1.0).result(PATIENCE)
        assert first.oldest == 1.0
        with underway.frame(stock.declaration, blue, 6.0) as second:
            assert second.oldest == 6.0
