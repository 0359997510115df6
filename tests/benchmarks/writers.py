"""What the app costs writers: 16 of them on one scope, each transaction open for 50 ms, with and without the app."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from statistics import median
from time import monotonic, sleep
from typing import Any

from django.db import connection, transaction
from rich.console import Console
from rich.table import Table

from statistics_cache import statistic
from statistics_cache.changing import receiving
from tests.models import Item, Order, Region

PROCESSES, THREADS = 4, 4  # 16 writers; in one process they would wait for each other's Python
OPEN = 0.05  # seconds that each transaction stays open
ROUND = 4.0  # seconds; rounds with and without the app take turns, so that both share whatever else the machine does
ROUNDS = 6  # of each
AIM = 0.9  # of the throughput without the app


@statistic(name="benchmarks.red", depends_on={Item: "color"})
def red(color: str = "red") -> int:
    """Count the items of a colour."""
    return Item.objects.filter(color=color).count()


def run() -> None:
    """Measure in turns and print transactions per second, the ratio and the deadlocks."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    keys = [Item.objects.create(color="red", order=order).pk for _ in range(PROCESSES * THREADS)]
    red()
    before = deadlocks()
    connection.close()
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        rounds = [(measure(pool, keys, app=True), measure(pool, keys, app=False)) for _ in range(ROUNDS)]
        pool.close()
        pool.join()
    report([app for app, _ in rounds], [plain for _, plain in rounds], deadlocks() - before)


def measure(pool: Any, keys: list[int], *, app: bool) -> float:
    """Give the transactions per second of one round of all processes."""
    shares = [keys[start::PROCESSES] for start in range(PROCESSES)]
    counts: list[int] = pool.map(partial(write_all, app=app), shares, chunksize=1)
    return sum(counts) / ROUND


def write_all(keys: list[int], *, app: bool) -> int:
    """Be one process for one round and give how many transactions its threads have committed."""
    with ThreadPoolExecutor(len(keys)) as threads:
        if app:
            return sum(threads.map(write, keys))
        with without_app():
            return sum(threads.map(write, keys))


@contextmanager
def without_app() -> Iterator[None]:
    """Let nobody watch items meanwhile."""
    watches = receiving.WATCHES.pop(Item)
    for signal, receiver in receiving.RECEIVERS.items():
        signal.disconnect(sender=Item, dispatch_uid=f"statistics_cache.{receiver.__name__}")
    yield
    receiving.WATCHES[Item] = watches
    receiving.connect(Item)


def write(key: int) -> int:
    """Update a row of one's own until the round is over; the first transaction, which connects, does not count."""
    count, item = -1, Item.objects.get(pk=key)
    end = monotonic() + ROUND
    while monotonic() < end:
        with transaction.atomic():
            item.amount += 1
            item.save()
            sleep(OPEN)
        count += 1
    connection.close()
    return count


def deadlocks() -> int:
    """Give how many deadlocks PostgreSQL has ended in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def report(app: list[float], plain: list[float], ended: int) -> None:
    """Print the table."""
    table = Table("16 writers, one scope", "transactions/s", "lowest", "highest", box=None)
    for name, rates in (("without the app", plain), ("with the app", app)):
        table.add_row(name, *(f"{rate:.0f}" for rate in (median(rates), min(rates), max(rates))))
    ratio = median(app) / median(plain)
    console = Console(width=120)
    console.print(table)
    console.print(f"ratio {ratio:.3f} (aim: at least {AIM}), deadlocks {ended}")
