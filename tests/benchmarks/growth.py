"""What grows with what is stored: each kind of work among 1,000 entries and among a million; folds; new variants."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from time import perf_counter, process_time, thread_time
from typing import Any

from celery import current_app
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.db import connections
from django.test import Client, override_settings
from django.utils.timezone import now
from rich.console import Console
from rich.table import Table

from statistics_cache import Statistic, statistic, upkeep
from statistics_cache.models import StatisticChange, StatisticEntry, StatisticInvalidation, StatisticScope
from tests.models import Paint
from tests.routers import TestRouter

DATABASES = {"sqlite": "SQLite", "default": "PostgreSQL"}
CLOCKS = {"sqlite": thread_time, "default": perf_counter}  # SQLite works in our thread, whose CPU no neighbour disturbs
EACH = 100  # entries of one scope: there are more scopes where there are more entries
FOLDED_SCOPES = 10  # of a thousand log rows, however many scopes there are
TIMES = 40  # that each work is done, on entries all over the table; the least time is shown
MOST = 1.3  # times what a work takes among the fewest entries
FOLDED = 100_000  # log rows of one tick
AIMS = {FOLDED: 15.0, 50: 4.0}  # seconds of client CPU that they take, by the number of their scopes
NEW = 14.0  # microseconds of client CPU for a variant that is not remembered
AT_ONCE = 1_000  # keys of the cache, rows of the log
LIST = "/admin/statistics_cache/statisticentry/"
CASTS = {"computed_at": "timestamptz", "changed_at": "timestamptz", "costs": "jsonb"}  # what PostgreSQL is to be told


@statistic(
    name="benchmarks.growing",
    ttl=timedelta(hours=1),
    stale_ttl=timedelta(hours=9),
    depends_on={Paint: "color"},
    hydrate=[{"color": f"c{number}", "part": number} for number in (1, 4, 7)],
    on_change="revalidate",
)
def growing(color: str, *, part: int = 0) -> int:
    """Be any number of variants, in a hundredth as many scopes."""
    return part


def run(arguments: Sequence[str]) -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks growth")
    parser.add_argument("--max", type=int, default=1_000_000, help="the most entries (a million)")
    parser.add_argument("--on", choices=list(DATABASES.values()), action="append", help="one database (both)")
    given = parser.parse_args(arguments)
    console = Console(width=120)
    console.print(new_variants())
    for alias, name in DATABASES.items():
        if name in (given.on or DATABASES.values()):
            TestRouter.database = alias
            call_command("migrate", database=alias, verbosity=0)
            call_command("migrate", database=alias, run_syncdb=True, verbosity=0)
            console.print(folds(name, min(FOLDED, given.max)))
            console.print(growth(name, given.max))


# Variants


def plain(color: str, doubled: bool = False) -> int:
    """Take what most take."""
    return 1


def new_variants() -> Table:
    """Make variants that are not remembered."""
    found: Statistic[..., int] = statistic(name="benchmarks.plain", depends_on={Paint: "color"})(plain)
    numbers = count()
    table = Table("a variant not remembered", "client CPU", "aim")
    for each in (found, growing):
        taken = least_cpu(partial(make, each, numbers)) / AT_ONCE
        table.add_row(str(each.declaration.parameters.signature), f"{taken * 1e6:.1f} µs", f"{NEW:.0f} µs")
    return table


def make(each: Statistic[..., int], numbers: "count[int]") -> None:
    """Make variants that nobody has asked for."""
    for _ in range(AT_ONCE):
        each.declaration.variant((f"c{next(numbers)}",), {})


def least_cpu(work: Callable[[], object]) -> float:
    """Give the least seconds of this process's CPU."""
    taken = []
    for _ in range(TIMES):
        began = process_time()
        work()
        taken.append(process_time() - began)
    return min(taken)


# Folds


@override_settings(STATISTICS_CACHE={"CACHE_ALIAS": "statistics"})
def folds(database: str, rows: int) -> Table:
    """Fold very many log rows in one tick."""
    table = Table("log rows", "of scopes", "client CPU", "aim", "time", title=f"One tick on {database}")
    for scopes, aim in AIMS.items():
        empty()
        log(rows, min(scopes, rows))
        used, began = process_time(), perf_counter()
        done = upkeep.tick([growing.declaration])
        used, took = process_time() - used, perf_counter() - began
        if done.folded != rows:
            raise RuntimeError(f"{done.folded} of {rows} log rows were folded")
        table.add_row(f"{rows:,}", f"{min(scopes, rows):,}", f"{used:.1f} s", f"{aim:.0f} s", f"{took:.1f} s")
    return table


# What is stored


def empty() -> None:
    """Forget everything, messages and what is hot included."""
    with connections[TestRouter.database].cursor() as cursor:
        for model in (StatisticEntry, StatisticInvalidation, StatisticScope, StatisticChange):
            cursor.execute(f"DELETE FROM {model._meta.db_table}")  # noqa: S608
    current_app.control.purge()
    caches["statistics"].clear()


def fill(size: int) -> None:
    """Have entries, sums of their scopes, and as many keys in the cache; tell the database how large its tables are."""
    empty()
    add_entries(size)
    add_sums(size // EACH)
    with connections[TestRouter.database].cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("ANALYZE")
    for at in range(0, size, AT_ONCE):
        caches["statistics"].set_many({f"other:{number}": "x" * 100 for number in range(at, at + AT_ONCE)})


def scope_sql(scopes: int) -> str:
    """Give SQL for the scope of row `i`."""
    return f"""'color="c' || (i %% {scopes}) || '"'"""


def log(rows: int, scopes: int) -> None:
    """Log changes of so many scopes in turn."""
    columns = {"statistic": "%s", "scope": scope_sql(scopes), "jump": "i + 1", "cause": "'a change'"}
    insert(StatisticInvalidation, rows, columns, [growing.name])


def add_sums(scopes: int) -> None:
    """Have sums of scopes, as of changes long ago."""
    columns = {"statistic": "%s", "scope": scope_sql(scopes), "base": "0", "last_cause": "''", "changed_at": "%s"}
    insert(StatisticScope, scopes, columns, [growing.name, now() - timedelta(days=9)])


def add_entries(size: int) -> None:
    """Store entries: every third is stale by its age."""
    scopes = size // EACH
    columns = {
        "key": f"'benchmarks.growing:' || {scope_sql(scopes)} || ',part=' || i",
        "params": f"""'{{"color":"c' || (i %% {scopes}) || '","part":' || i || '}}'""",
        "scopes": f"%s || {scope_sql(scopes)} || %s",
        "schema": "%s",
        "statistic": "%s",
        "computed_at": "CASE i %% 3 WHEN 0 THEN %s ELSE %s END",
        "payload": "'' || i",
        "generation": "0",
        "epoch": "0",
        "cost": "0.01",
        "costs": "'[0.01]'",
        "reason": "'missing'",
        "failures": "0",
        "last_error": "''",
    }
    names = [growing.declaration.fingerprint, growing.name]
    insert(StatisticEntry, size, columns, ["\n", "\n", *names, now() - timedelta(hours=2), now()])


def insert(model: Any, number: int, columns: Mapping[str, str], values: Sequence[Any]) -> None:
    """Let the database make rows: `i` counts them from 0."""
    connection = connections[TestRouter.database]
    texts = dict(columns)
    if connection.vendor == "postgresql":
        texts = {name: f"({text})::{CASTS[name]}" if name in CASTS else text for name, text in texts.items()}
        texts = {name: text.replace("ELSE %s END", "ELSE %s::timestamptz END") for name, text in texts.items()}
    into = f"{model._meta.db_table} ({', '.join(map(connection.ops.quote_name, texts))})"
    numbers = f"numbers(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM numbers WHERE i < {number - 1})"  # noqa: S608
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {into} WITH RECURSIVE {numbers} SELECT {', '.join(texts.values())} FROM numbers",  # noqa: S608
            [adapt(value) if isinstance(value, datetime) else value for value in values],
        )


# Growth


def growth(database: str, most: int) -> Table:
    """Do each kind of work among ever more entries, and compare the least times."""
    sizes = [10**power for power in range(3, 10) if 10**power <= most]
    table = Table(
        "work", *[f"{size:,}" for size in sizes], "ratio", title=f"The least time among so many entries, on {database}"
    )
    times: dict[str, list[float]] = {}
    options = {"CACHE_ALIAS": "statistics", "MAX_ENTRIES": 2 * most, "PROOF_INTERVAL": 3600}
    with override_settings(ALLOWED_HOSTS=["testserver"], STATISTICS_CACHE=options):
        for size in sizes:
            fill(size)
            for name, work in works(size).items():
                times.setdefault(name, []).append(least(work, size))
    for name, taken in times.items():
        ratio = taken[-1] / taken[0]
        judged = f"{ratio:.2f}" if ratio <= MOST else f"[bold]{ratio:.2f} > {MOST}[/bold]"
        table.add_row(name, *[f"{each * 1e3:.2f} ms" for each in taken], judged)
    return table


Work = Callable[[int], Callable[[], object]]


def works(size: int) -> dict[str, Work]:
    """Give each kind of work, as what makes it ready for the entry of a number."""
    client = Client()
    client.force_login(User.objects.get_or_create(username="growth", is_superuser=True, is_staff=True)[0])
    first = StatisticEntry.objects.order_by("pk").values_list("pk", flat=True)[0]

    def scope(at: int) -> str:
        return f"c{at % (size // EACH)}"

    def fresh(at: int) -> int:
        return at // 3 * 3 + 2  # no other work reads these

    def ready_to_fold(_: int) -> Callable[[], object]:
        log(AT_ONCE, FOLDED_SCOPES)
        return partial(upkeep.fold, TestRouter.database)

    return {
        "hot": lambda _: partial(growing.answer, "c1", part=1),
        "stale": lambda _: partial(growing.answer, "c3", part=3),
        "cold": lambda at: partial(growing.answer, scope(fresh(at)), part=fresh(at)),
        "computed": lambda at: partial(growing.answer, scope(at), part=-1 - at),
        "tick": lambda _: partial(upkeep.tick, [growing.declaration]),
        "admin: entries": lambda _: partial(page, client, LIST),
        "admin: one entry": lambda at: partial(page, client, f"{LIST}{first + at}/change/"),
        "admin: registry": lambda _: partial(page, client, f"{LIST}registry/"),
        "invalidate a scope": lambda at: partial(growing.invalidate, scope(at)),
        "clear one": lambda at: partial(growing.clear, scope(at), part=at),
        f"fold of {AT_ONCE:,}": ready_to_fold,
    }


def page(client: Client, url: str) -> None:
    """Open a page."""
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} gave {answer.status_code}")


def least(work: Work, size: int) -> float:
    """Do a work for one entry after another, and give the least seconds, on SQLite of CPU."""
    clock, taken = CLOCKS[TestRouter.database], []
    for turn in range(TIMES):
        act = work(turn * (size // TIMES))
        began = clock()
        act()
        taken.append(clock() - began)
    return min(taken)
