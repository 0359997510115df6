"""What a tick costs where much is stored: with a million fresh entries, and with some of them due."""

from datetime import timedelta
from statistics import median
from time import perf_counter

from celery import current_app
from django.core.cache import caches
from django.db import connection
from django.test import override_settings
from rich.console import Console
from rich.table import Table

from statistics_cache import statistic, upkeep
from statistics_cache.models import StatisticEntry

STORED = (1_000, 10_000, 1_000_000)
HYDRATED = 1_000  # variants that `hydrate=` names; the rest was asked for by readers
DUE = 50
TICKS = 7  # of which the median is shown

# Rows as storing them leaves them, past Django: a million of them in seconds.
FILL = """
    INSERT INTO statistics_cache_statisticentry
        (key, schema, statistic, scopes, params, payload, generation, epoch, computed_at, cost, costs, reason,
         failures, last_error)
    SELECT 'benchmarks.squares:number=' || n, %s, 'benchmarks.squares', chr(10), '{"number":' || n || '}',
        n::text, 0, 0, now(), 0.01, '[0.01]', 'missing', 0, ''
    FROM generate_series(%s, %s) AS n
"""


@statistic(
    name="benchmarks.squares",
    ttl=timedelta(hours=1),
    stale_ttl=timedelta(hours=2),
    hydrate=[{"number": number} for number in range(HYDRATED)],
)
def squares(number: int) -> int:
    """Square a number."""
    return number * number


@override_settings(STATISTICS_CACHE={"CACHE_ALIAS": "statistics", "MAX_ENTRIES": STORED[-1]})
def run() -> None:
    """Fill the table, let nothing be due, then something, and print what a tick takes."""
    table = Table("entries stored", "nothing due", f"{DUE} of {HYDRATED:,} hydrated due")
    stored = 0
    for number in STORED:
        fill(stored, number)
        stored = number
        quiet = median(ticks())
        table.add_row(f"{stored:,}", f"{quiet * 1000:,.1f} ms", f"{make_due() * 1000:,.1f} ms")
    Console(width=100).print(table)


def fill(start: int, end: int) -> None:
    """Store fresh entries of these numbers."""
    with connection.cursor() as cursor:
        cursor.execute(FILL, [squares.declaration.fingerprint, start, end - 1])
        cursor.execute("VACUUM ANALYZE statistics_cache_statisticentry")


def ticks() -> list[float]:
    """Give the seconds of each of some ticks."""
    return [tick(0) for _ in range(TICKS)]


def tick(due: int) -> float:
    """Give the seconds of one tick, which must queue so many refreshes."""
    began = perf_counter()
    done = upkeep.tick([squares.declaration])
    took = perf_counter() - began
    assert done.queued == due, done
    return took


def make_due() -> float:
    """Make some of the hydrated variants due, and give the seconds of the tick that queues them; then undo it."""
    keys = [f"benchmarks.squares:number={number}" for number in range(DUE)]
    rows = StatisticEntry.objects.filter(key__in=keys)
    before = rows.get(key=keys[0]).computed_at
    assert before
    rows.update(computed_at=before - timedelta(minutes=59))
    took = tick(DUE)
    rows.update(computed_at=before)
    current_app.control.purge()
    caches["statistics"].clear()  # the notes that they are queued
    return took
