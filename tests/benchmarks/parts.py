"""Clearing a part: what a proof costs with filter scopes and without, and what one of very many parts costs."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from django.db import connection
from django.test import override_settings
from rich.console import Console
from rich.table import Table

from statistics_cache import Statistic, statistic
from statistics_cache.cold import changelog, proving
from statistics_cache.declaring.declaration import Declaration, Variant
from tests.counting import count
from tests.models import Paint

STORED = tuple(10**power for power in range(3, int(os.environ.get("POWER", "5")) + 1))  # 10^6 by hand: POWER=6
SUMS = 200_000  # rows of sums that the proof looks among, as of so many parts that were once cleared
PROOFS = 400  # of each kind in turn, so that both share whatever else the machine does
TIMES = 15  # that each part is cleared, of which the median is shown
SCOPES = 10

FILL = """
    INSERT INTO statistics_cache_statisticentry
        (key, schema, statistic, scopes, params, payload, generation, epoch, computed_at, cost, costs, reason,
         failures, last_error)
    SELECT 'benchmarks.lots:color="c' || n %% 10 || '",part=' || n, %s, 'benchmarks.lots',
        chr(10) || 'color="c' || n %% 10 || '"' || chr(10), '{"color":"c' || n %% 10 || '","part":' || n || '}',
        n::text, 0, 0, now(), 0.01, '[0.01]', 'missing', 0, ''
    FROM generate_series(%s, %s) AS n
"""
ADD_SUMS = """
    INSERT INTO statistics_cache_statisticscope (statistic, scope, base, last_cause)
    SELECT 'benchmarks.five', '~a=' || n, 1, '' FROM generate_series(1, %s) AS n
"""


@statistic(name="benchmarks.lots", ttl=timedelta(hours=1), stale_ttl=timedelta(hours=2), depends_on={Paint: "color"})
def lots(color: str, *, part: int = 0) -> int:
    """Be any number of variants in ten scopes."""
    return part


def one(a: int = 0) -> int:
    """Have one parameter."""
    return a


def two(a: int = 0, b: int = 0) -> int:
    """Have two."""
    return a


def four(a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
    """Have as many as every combination is a part of."""
    return a


def ten(
    a: int = 0,
    b: int = 0,
    c: int = 0,
    d: int = 0,
    e: int = 0,
    f: int = 0,
    g: int = 0,
    h: int = 0,
    i: int = 0,
    j: int = 0,
) -> int:
    """Have very many."""
    return a


@override_settings(STATISTICS_CACHE={"CACHE_ALIAS": "statistics", "MAX_ENTRIES": STORED[-1]})
def run() -> None:
    """Print both tables."""
    console = Console(width=120)
    console.print(proofs())
    console.print(growth())


def proofs() -> Table:
    """Prove one variant of statistics of so many parameters, with its filter scopes and without."""
    with connection.cursor() as cursor:
        cursor.execute(ADD_SUMS, [SUMS])
        cursor.execute("ANALYZE statistics_cache_statisticscope")
    table = Table("parameters", "sums looked for", "proof", "without filter scopes", "ratio", title=f"{SUMS:,} sums")
    for function in (one, two, four, ten):
        found: Statistic[..., int] = statistic(name=f"benchmarks.{function.__name__}", depends_on=[Paint])(function)
        found()
        declaration, variant = found.declaration, found.declaration.variant((), {})
        bare = replace(variant, parts=())
        used, without = in_turn([partial(prove, declaration, variant), partial(prove, declaration, bare)])
        names = f"{len(changelog.all_scopes(variant))} beside {len(changelog.all_scopes(bare))}"
        number = len(declaration.parameters.adapters)
        table.add_row(f"{number}", names, f"{used * 1e6:,.0f} µs", f"{without * 1e6:,.0f} µs", f"{used / without:.2f}")
    return table


def prove(declaration: Declaration[..., Any], variant: Variant) -> None:
    """Prove it, its names spelt anew, as a variant that is seen for the first time has it."""
    proving.prove(declaration, [replace(variant)])


def in_turn(works: list[Callable[[], None]]) -> list[float]:
    """Give the median seconds of each work; they take turns."""
    times: list[list[float]] = [[] for _ in works]
    for _ in range(PROOFS):
        for work, taken in zip(works, times, strict=True):
            began = perf_counter()
            work()
            taken.append(perf_counter() - began)
    return [median(taken) for taken in times]


class Cost(NamedTuple):
    """What a call sends, changes and takes."""

    statements: int
    rows: int
    seconds: float


CALLS: dict[str, Callable[[int], object]] = {
    ".invalidate(color, part=…): one variant": lambda at: lots.invalidate(f"c{at % SCOPES}", part=at),
    ".invalidate(part=…): one of each scope": lambda at: lots.invalidate(part=at),
    ".clear(color, part=…): one variant": lambda at: lots.clear(f"c{at % SCOPES}", part=at),
    ".clear(part=…): one of each scope": lambda at: lots.clear(part=at),
    ".clear(color): a tenth of all": lambda at: lots.clear(f"c{at % SCOPES}"),
}


def growth() -> Table:
    """Clear and invalidate parts where more and more is stored."""
    table = Table("call", *[f"of {number:,}" for number in STORED], "statements, rows, time: the last to the first")
    costs: dict[str, list[Cost]] = {name: [] for name in CALLS}
    for stored in STORED:
        fill(stored)
        for name, call in CALLS.items():
            costs[name].append(cost_of(call, stored))
    for name, found in costs.items():
        table.add_row(name, *map(spell, found), " · ".join(ratios(found[0], found[-1])))
    return table


def fill(stored: int) -> None:
    """Have fresh entries of so many variants stored."""
    with connection.cursor() as cursor:
        for name in ("entry", "scope", "invalidation"):
            cursor.execute(f"TRUNCATE statistics_cache_statistic{name}")
        cursor.execute(FILL, [lots.declaration.fingerprint, 0, stored - 1])
        cursor.execute("VACUUM ANALYZE statistics_cache_statisticentry")


def cost_of(call: Callable[[int], object], stored: int) -> Cost:
    """Measure a call for one variant after another."""
    places = [at * (stored // TIMES) for at in range(TIMES)]
    before = written()
    statements = count(connection, partial(call, places[0])).statements
    rows, times = written() - before, []
    for at in places[1:]:
        began = perf_counter()
        call(at)
        times.append(perf_counter() - began)
    return Cost(statements, rows, median(times))


def written() -> int:
    """Give how many rows of our tables were ever inserted, updated or deleted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        changed = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables"
        cursor.execute(f"{changed} WHERE relname LIKE 'statistics_cache_%'")
        return int(cursor.fetchone()[0])


def spell(cost: Cost) -> str:
    """Write a cost."""
    return f"{cost.statements} statements, {cost.rows} rows, {cost.seconds * 1e3:.1f} ms"


def ratios(first: Cost, last: Cost) -> list[str]:
    """Write by which factor each grows."""
    return [f"{after / max(before, 1e-9):.1f}" for before, after in zip(first, last, strict=True)]
