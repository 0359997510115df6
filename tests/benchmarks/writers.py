"""What the app costs writers: each kind of write, by the number of statistics that watch; one that writes very much;
then many writers at once."""

import argparse
from collections.abc import Iterator, Sequence

from django.core.management import call_command
from django.db.models import Model
from rich.console import Console
from rich.table import Table

from tests.counting import Count
from tests.models import QuietLine
from tests.routers import TestRouter

from . import crowd, much
from .lines import BASES, COLUMN, NUMBERS, PATH, SOURCE, TRIGGERS, Twin, make_ends, twins, warm
from .measuring import Cost, judged, measure
from .writes import TRIP, WRITES, Write

DATABASES = {"sqlite": "SQLite", "default": "PostgreSQL"}
MANY = 3.0  # times the client CPU of one statistic, at most, for 20
HEADINGS = ("by", *(text for kind in BASES for text in (f"{kind}: st", "trips", "time", "CPU")))
NOTES = f"""\
plain, source: by signals; triggers: a plain model, by triggers (aim: one trip more, where scopes lie on the row).
by: how many statistics watch. st: statements, BEGIN and COMMIT too. trips: to Redis; a pipeline is one. time, CPU: the
least, as multiples of the same write of a model that nobody watches (there: in milliseconds). 20/1: the client CPU of
20 statistics over that of one (aim: at most {MANY:.0f}). What is above its aim is followed by `>` and the aim."""


def run(arguments: Sequence[str]) -> None:
    """Measure each write on both databases and print a table of each; then 16 writers on one scope."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks writers")
    parser.add_argument("--rows", type=int, default=1_000_000, help="that one UPDATE changes (a million)")
    parser.add_argument("--only", choices=("each", "much", "crowd"), action="append", help="of the three (all)")
    given = parser.parse_args(arguments)
    wanted = given.only or ["each", "much", "crowd"]
    forms = {"columns": twins("columns", (COLUMN,)), "mixed": twins("mixed", (PATH, COLUMN))}
    columns: Family = {(twin.kind, twin.number): twin.model for twin in forms["columns"]}
    console = Console(width=170)
    for database, name in DATABASES.items():
        TestRouter.database = database
        make_ready(database, [twin for family in forms.values() for twin in family])
        if "each" in wanted:
            console.print(tabulate(name, forms))
            console.print(NOTES, end="\n\n", highlight=False)
        if "much" in wanted:
            several = {
                "10, by signals": columns[SOURCE, 10],
                **{f"{n}, by triggers": columns[TRIGGERS, n] for n in (1, 10)},
            }
            console.print(much.tabulate(name, {"nobody": QuietLine, **several}, given.rows))
    if "crowd" in wanted:
        watched = {"by signals": columns[SOURCE, 1], "by triggers": columns[TRIGGERS, 1]}
        crowd.run({"without the app": QuietLine, **watched})


def make_ready(database: str, family: list[Twin]) -> None:
    """Make all tables, what lines refer to, and what their writers invalidate."""
    call_command("migrate", database=database, verbosity=0)  # what models without migrations refer to comes first
    call_command("migrate", database=database, run_syncdb=True, verbosity=0)
    make_ends()
    warm([each for twin in family for each in twin.statistics])


def tabulate(database: str, forms: dict[str, list[Twin]]) -> Table:
    """Measure each write on one database."""
    table = Table(box=None, title=f"What a write costs on {database}", title_justify="left")
    table.add_column("write", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for write in WRITES:
        family = forms[write.form]
        quiet, *costs = measure(write, [QuietLine, *(twin.model for twin in family)])
        known = {(twin.kind, twin.number): cost for twin, cost in zip(family, costs, strict=True)}
        for row in rows(write, quiet, known):
            table.add_row(*row)
        table.add_section()
    return table


Family = dict[tuple[str, int], type[Model]]
Known = dict[tuple[str, int], Cost]


def rows(write: Write, quiet: Cost, known: Known) -> Iterator[list[str]]:
    """Give the lines of one write: nobody's, those of each number of statistics, and how many compare with one."""
    yield [write.name, "nobody", *map(str, quiet.count), f"{1e3 * quiet.time:.2f} ms", f"{1e3 * quiet.cpu:.2f} ms"]
    for number in NUMBERS:
        found = [cells(aims_of(write, kind), quiet, known[kind, number]) for kind in BASES]
        yield ["", str(number), *(cell for group in found for cell in group)]
    ratios = [known[kind, 20].cpu / known[kind, 1].cpu for kind in BASES]
    yield ["", "20/1", *(cell for ratio in ratios for cell in ("", "", "", judged(ratio, MANY)))]


def aims_of(write: Write, kind: str) -> Write:
    """Give a write with what it may cost: by triggers it sends its own statements, where no path is to be checked."""
    if kind != TRIGGERS:
        return write
    return write._replace(more=Count(0, TRIP) if write.form == "columns" else None, times=None)


def cells(write: Write, quiet: Cost, cost: Cost) -> list[str]:
    """Give what a watched write costs, beside the same write of nobody's."""
    most = [a + b for a, b in zip(quiet.count, write.more, strict=True)] if write.more else [None, None]
    counts = [judged(each, aim) for each, aim in zip(cost.count, most, strict=True)]
    return [*counts, judged(cost.time / quiet.time, write.times), f"{cost.cpu / quiet.cpu:.2f}"]
