"""Async callers get what others get, and hold up nobody while they wait."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event, Semaphore
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections

from statistics_cache import awaiting, flying
from tests.models import Paint
from tests.samples import Color, Computed, Stock, shelf, stock
from tests.waiting import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)
FOLLOWERS = 3


def test_each_verb_gives_what_the_other_gives() -> None:
    """A call, an answer, and what the cache has."""
    Paint.objects.create(color="red", litres=3)

    async def ask() -> None:
        assert await stock.aget(Color.RED) is None
        assert (await stock.acall(Color.RED)).litres == 3
        assert (await stock.aanswer(Color.RED)).tier == "hot"
        assert await stock.aanswer(Color.BLUE, wait=False) is None
        assert await stock.aget(Color.RED) == await stock.acall(Color.RED)

    asyncio.run(ask())
    assert Computed.of("stock") == 1


def test_who_waits_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one computes and three follow, the loop, its executor of one thread, that of `sync_to_async` and those of
    the app are free: one compute."""
    started, may_end, following = Event(), Event(), Semaphore(0)
    shelf(Color.BLUE)
    monkeypatch.setattr("tests.samples.count_stock", waiting_for(started, may_end))
    monkeypatch.setattr(flying, "follow", counting(following, flying.follow))

    async def ask() -> list[Stock]:
        asyncio.get_running_loop().set_default_executor(executor := ThreadPoolExecutor(1))
        one_more = partial(following.acquire, timeout=PATIENCE)
        asking = [asyncio.create_task(shelf.acall(Color.RED)) for _ in range(1 + FOLLOWERS)]
        for _ in range(FOLLOWERS):
            assert await asyncio.get_running_loop().run_in_executor(executor, one_more)
        assert await sync_to_async(started.is_set)()
        assert await shelf.aget(Color.BLUE) is not None
        assert not any(task.done() for task in asking)
        may_end.set()
        return await asyncio.gather(*asking)

    assert set(asyncio.run(ask())) == {Stock(pots=1, litres=1)}
    assert Computed.of("shelf") == 2


def waiting_for(started: Event, may_end: Event) -> Callable[[Color], Stock]:
    """Give a compute that ends when it may."""

    def count(_: Color) -> Stock:
        started.set()
        assert may_end.wait(PATIENCE)
        return Stock(pots=1, litres=1)

    return count


def counting(calls: Semaphore, function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function that says so each time it is called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.release()
        return function(*args, **kwargs)

    return call


def test_no_connection_stays_behind() -> None:
    """No request ends in those threads: each call closes what is older than CONN_MAX_AGE."""
    opened = []

    def look() -> None:
        Paint.objects.count()
        opened.append(connections["default"])
        opened[0].close_at = 0

    asyncio.run(awaiting.apart(look))
    assert [connection.connection for connection in opened] == [None]


def test_a_child_has_threads_of_its_own() -> None:
    """A process that is forked after some were made answers all the same."""
    asyncio.run(stock.acall(Color.RED))
    if (child := os.fork()) == 0:
        os._exit(asyncio.run(awaiting.apart(lambda: 7)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
