"""Refreshes that a worker would do: done at once, or only looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import current_app

from statistics_cache.broker import queue
from statistics_cache.broker.queue import Wanted
from statistics_cache.broker.schedule import REFRESH
from statistics_cache.cold.rows import alias_of
from statistics_cache.cold.transactions import in_transaction

from .entering import enterable


class Refresh(NamedTuple):
    """A refresh that a worker would be asked for: the statistic's name, and its parameters by name."""

    statistic: str
    parameters: dict[str, Any]


@enterable
@contextmanager
def capture_refreshes() -> Iterator[list[Refresh]]:
    """Give a list of the refreshes that workers would be asked for, as they come; none of them is queued.

    As in production each state of an entry is asked for once. In a transaction they are listed at once, though they
    would be queued after its commit. After the block they may be asked for again.
    """
    listed: list[Refresh] = []
    taken: list[Wanted] = []

    def take(wanted: Wanted) -> None:
        taken.append(wanted)
        listed.append(Refresh(wanted.declaration.name, wanted.declaration.arguments(wanted.variant)))

    queue.takers.append(take)
    try:
        yield listed
    finally:
        queue.takers.remove(take)
        put_back(taken)


@enterable
@contextmanager
def run_refreshes_inline() -> Iterator[None]:
    """Have each refresh run at once, in the thread that asks for it, by the code that a worker runs.

    Who found a stale value is given that; the next one is given the fresh one. A refresh that is asked for in a
    transaction runs with the next one outside of it, or when the block ends. What a test has changed in a `TestCase`
    has to be delivered before that (`captureOnCommitCallbacks(execute=True)`), else nothing can be stored of it. What a
    function raises is recorded on its entry, as by a worker, and raised by nobody.
    """
    waiting: list[Wanted] = []

    def take(wanted: Wanted) -> None:
        waiting.append(wanted)
        run_what_may(waiting)

    queue.takers.append(take)
    try:
        yield
        run_what_may(waiting)
    finally:
        queue.takers.remove(take)
        put_back(waiting)


def run_what_may(waiting: list[Wanted]) -> None:
    """Run what waits, unless its transaction is still open."""
    for wanted in tuple(waiting):
        if wanted in waiting and not in_transaction(alias_of(wanted.declaration)):
            waiting.remove(wanted)
            run(wanted)


def run(wanted: Wanted) -> None:
    """Do what the message says, by the task itself."""
    task = current_app.tasks[REFRESH]
    task.apply(kwargs=queue.arguments_of(wanted), headers=queue.headers_of(wanted), throw=False)


def put_back(taken: list[Wanted]) -> None:
    """Let what was taken and not done be asked for again."""
    for wanted in taken:
        queue.drop_note(wanted.note)
    queue.asked_until.clear()
