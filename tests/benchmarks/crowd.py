"""What 16 writers on one scope pay, each transaction open for 50 ms, beside as many whom nobody watches."""

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from time import monotonic, sleep
from typing import Any

from django.db import connection, transaction
from rich.console import Console
from rich.table import Table

from .lines import refill

PROCESSES, THREADS = 4, 4  # 16 writers; in one process they would wait for each other's Python
OPEN = 0.05  # seconds that each transaction stays open
ROUND = 3.0  # seconds; rounds with and without the app take turns, so that both share whatever else the machine does
ROUNDS = 5  # of each
AIM = 0.9  # of the throughput without the app


def run(models: Mapping[str, Any]) -> None:
    """Measure models in turns, the first of which nobody watches, and print what came of it."""
    rows = {name: refill(model, PROCESSES * THREADS) for name, model in models.items()}
    before = deadlocks()
    connection.close()
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        rounds = [[measure(pool, rows[name]) for name in models] for _ in range(ROUNDS)]
        pool.close()
        pool.join()
    report(dict(zip(models, zip(*rounds, strict=True), strict=True)), deadlocks() - before)


def measure(pool: Any, rows: list[Any]) -> float:
    """Give the transactions per second of one round of all processes."""
    shares = [rows[start::PROCESSES] for start in range(PROCESSES)]
    counts: list[int] = pool.map(write_all, shares, chunksize=1)
    return sum(counts) / ROUND


def write_all(rows: list[Any]) -> int:
    """Be one process for one round and give how many transactions its threads have committed."""
    with ThreadPoolExecutor(len(rows)) as threads:
        return sum(threads.map(write, rows))


def write(row: Any) -> int:
    """Update a row of one's own until the round is over; the first transaction, which connects, does not count."""
    count = -1
    end = monotonic() + ROUND
    while monotonic() < end:
        with transaction.atomic():
            row.amount += 1
            row.save()
            sleep(OPEN)
        count += 1
    connection.close()
    return count


def deadlocks() -> int:
    """Give how many deadlocks PostgreSQL has ended in this database."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def report(rates: Mapping[str, Sequence[float]], ended: int) -> None:
    """Print the table."""
    table = Table(
        "16 writers, one scope", "transactions/s", "lowest", "highest", f"ratio (aim: at least {AIM})", box=None
    )
    without = median(next(iter(rates.values())))
    for name, found in rates.items():
        figures = [f"{rate:.0f}" for rate in (median(found), min(found), max(found))]
        table.add_row(name, *figures, f"{median(found) / without:.3f}")
    console = Console(width=120)
    console.print(table)
    console.print(f"deadlocks {ended}")
