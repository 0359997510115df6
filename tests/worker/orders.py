"""A process of the site that does what it is told: a line of JSON in, a line of JSON out, until nobody writes.

It reads as a site's readers do and writes as its writers do; it also looks at the tables, past the reading code. With
`BROKEN=state` in its environment its notes of what is queued are of the entry alone.
"""

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from threading import Barrier, local
from time import perf_counter, sleep
from typing import Any

from celery import current_app
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections, transaction

from statistics_cache.api import registry
from statistics_cache.broker import queue
from statistics_cache.broker.queue import Wanted
from statistics_cache.broker.schedule import TICK
from statistics_cache.models import StatisticChange, StatisticEntry, StatisticInvalidation, StatisticScope
from tests.jumps import record
from tests.models import Paint
from tests.worker.statistics import followed

Seen = tuple[str, str | None, str, int, float, int]


class Asked(local):
    """How often a thread has sent the broker a message, or has tried to."""

    times = 0


own = Asked()


def count_asked() -> None:
    """Count from now on."""
    send = queue.send

    def counted(task: Any, wanted: Wanted) -> None:
        own.times += 1
        send(task, wanted)

    queue.send = counted


def read(statistic: str, color: str) -> Seen:
    """Ask once, and tell what was given, after how many seconds, and how often the broker was asked for it."""
    asked = registry.get(f"worker.{statistic}")
    began, before = perf_counter(), own.times
    given = asked.answer(color)
    seconds = perf_counter() - began
    return given.state, given.reason, given.tier, given.value, seconds, own.times - before


def read_at_once(statistic: str, colors: list[str]) -> list[Seen]:
    """Ask once for each colour, each in a thread of its own, all at the same moment."""
    barrier = Barrier(len(colors))

    def reader(color: str) -> Seen:
        barrier.wait()
        try:
            return read(statistic, color)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(colors)) as threads:
        return list(threads.map(reader, colors))


def watch(statistic: str, colors: list[str], times: int, pause: float) -> list[Seen]:
    """Ask so many times, for one colour after another."""
    seen: list[Seen] = []
    for color in islice(cycle(colors), times):
        seen.append(read(statistic, color))
        sleep(pause)
    return seen


def end_pause() -> None:
    """Let the broker's breaker have rested for long enough."""
    queue.breaker.retry_at = 0.0


def is_resting() -> bool:
    """Tell whether the broker's breaker is open."""
    return queue.breaker.is_open


def write(color: str, pots: int = 1) -> None:
    """Put pots on the shelf, each in a transaction of its own; who depends on them is told."""
    for _ in range(pots):
        Paint.objects.create(color=color)


def write_unseen(color: str) -> None:
    """Put a pot on the shelf as other programs do: nobody is told."""
    Paint.objects.bulk_create([Paint(color=color)])


def row(statistic: str, color: str) -> dict[str, Any]:
    """Give what the table has of a variant."""
    key = registry.get(f"worker.{statistic}").declaration.variant((color,), {}).key
    found = StatisticEntry.objects.filter(key=key).first() or StatisticEntry()
    computed_at = found.computed_at and found.computed_at.timestamp()
    recorded = {"failures": found.failures, "last_error": found.last_error, "costs": found.costs}
    return recorded | {"payload": found.payload, "computed_at": computed_at}


def log(color: str, rows: int) -> int:
    """Log changes of what follows its source, in one transaction, and give the sum of their jumps."""
    with transaction.atomic():
        return sum(record("default", followed.name, [scope_of(color)], "a test") for _ in range(rows))


def folded(color: str) -> tuple[int, int]:
    """Give the sum that log rows were folded into, and how many there are left to fold."""
    sums = StatisticScope.objects.filter(statistic=followed.name, scope=scope_of(color))
    return sum(sums.values_list("base", flat=True)), StatisticInvalidation.objects.count()


def scope_of(color: str) -> str:
    """Give the scope of what follows its source."""
    return followed.declaration.variant((color,), {}).scopes[0]


def tick(times: int) -> None:
    """Send ticks, all at once."""
    for _ in range(times):
        current_app.tasks[TICK].apply_async()


def clean() -> None:
    """Forget everything that an earlier test has left."""
    for model in (Paint, StatisticEntry, StatisticInvalidation, StatisticScope, StatisticChange):
        model.objects.all().delete()
    caches["statistics"].clear()


def migrate() -> None:
    """Make the tables; first those that models of tests refer to."""
    call_command("migrate", "contenttypes", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)


ORDERS: dict[str, Callable[..., Any]] = {
    order.__name__: order
    for order in (
        read,
        read_at_once,
        watch,
        end_pause,
        is_resting,
        write,
        write_unseen,
        row,
        log,
        folded,
        tick,
        clean,
        migrate,
    )
}


def main() -> None:
    """Do one order after another."""
    if os.environ.get("BROKEN") == "state":
        Wanted.state = "0"  # type: ignore[method-assign,assignment]
    count_asked()
    print("ready", flush=True)  # noqa: T201
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(ORDERS[name](**arguments)), flush=True)  # noqa: T201
