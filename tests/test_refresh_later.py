"""Asking for a refresh by hand: what is asked for while another is computed is computed after it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from time_machine import Traveller

from statistics_cache import statistic, upkeep
from tests.conftest import Backend
from tests.messages import Messages
from tests.samples import Color, stock
from tests.spaces import lease_of
from tests.test_tasks import do

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


class World:
    """What nobody declares: a number, and what happens while it is read."""

    number = 1
    while_read: Callable[[], None] | None = None


@pytest.fixture(autouse=True)
def world() -> None:
    """Begin with 1."""
    World.number, World.while_read = 1, None


def look(color: Color) -> int:
    """Read the number; then something may happen."""
    found, happens, World.while_read = World.number, World.while_read, None
    if happens:
        happens()
    return found


def elsewhere(function: Callable[[], bool]) -> bool:
    """Call a function in another thread, with connections of its own."""

    def call() -> bool:
        try:
            return function()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def test_a_refresh_asked_for_during_one_is_done_after_it(messages: Messages) -> None:
    """The compute under way may have read what has changed since: another one is queued, and gives what is new."""
    looked = statistic(name="tests.looked")(look)
    queued: list[bool] = []

    def change() -> None:
        World.number = 2
        queued.append(elsewhere(lambda: looked.refresh_later(Color.RED)))

    World.while_read = change
    looked.refresh_later(Color.RED)
    while messages.work():
        pass
    assert queued == [True]
    assert looked(Color.RED) == 2


def test_a_refresh_that_meets_another_is_tried_again(messages: Messages) -> None:
    """While somebody else holds the lease a forced refresh is put off, not dropped."""
    looked = statistic(name="tests.looked")(look)
    looked(Color.RED)
    World.number = 2
    looked.refresh_later(Color.RED)
    name = lease_of(looked, Color.RED)
    caches["statistics"].add(name, "another, which began before")
    do(messages)
    caches["statistics"].delete(name)
    do(messages)
    assert looked(Color.RED) == 2


def test_where_the_commit_cannot_be_seen_nothing_is_promised(backend: Backend, messages: Messages) -> None:
    """Under `set_autocommit(False)` nothing is queued, and the answer says so."""
    connection = connections[backend.database]
    connection.set_autocommit(False)
    try:
        queued = stock.refresh_later(Color.RED)
        connection.commit()
    finally:
        connection.set_autocommit(True)
    assert (queued, messages.take()) == (False, [])


def test_what_waits_for_a_dead_queue_is_in_nobodys_way(conf: Any, messages: Messages) -> None:
    """A tick counts what it queues anew: variants that are queued already leave room for others."""
    conf(BATCH=3)
    dead = statistic(name="tests.dead", queue="dead", hydrate=True)(several)
    other = statistic(name="tests.looked", hydrate=True)(look)
    for _ in range(5):
        upkeep.tick([dead.declaration, other.declaration])
    assert [message["statistic"] for message in messages.take()] == ["tests.looked"] * 2


def several(color: Color, one: bool, two: bool) -> int:
    """Have more variants than a batch."""
    return 1


def test_a_clock_set_back_gives_no_changed_value_back(clock: Traveller) -> None:
    """What a statistic expires is a miss when its source has changed, though the clock is a reason too."""
    stock(Color.RED)
    clock.shift(-100)
    stock.invalidate(Color.RED)
    assert stock.get(Color.RED) is None
    assert stock.answer(Color.RED).tier == "computed"
