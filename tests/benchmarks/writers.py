"""What the app costs writers: each kind of write, by the number of statistics that watch; then many writers at once."""

from collections.abc import Iterator

from django.core.management import call_command
from rich.console import Console
from rich.table import Table

from tests.models import QuietLine
from tests.routers import TestRouter

from . import crowd
from .lines import COLUMN, NUMBERS, PATH, PLAIN, SOURCE, Twin, make_ends, twins, warm
from .measuring import Cost, measure
from .writes import WRITES, Write

DATABASES = {"sqlite": "SQLite", "default": "PostgreSQL"}
MANY = 3.0  # times the client CPU of one statistic, at most, for 20
HEADINGS = ("by", *(text for kind in (PLAIN, SOURCE) for text in (f"{kind}: st", "trips", "time", "CPU")))
NOTES = f"""\
by: how many statistics watch. st: statements, BEGIN and COMMIT too. trips: to Redis; a pipeline is one. time, CPU: the
least, as multiples of the same write of a model that nobody watches (there: in milliseconds). 20/1: the client CPU of
20 statistics over that of one (aim: at most {MANY:.0f}). What is above its aim is followed by `>` and the aim."""


def run() -> None:
    """Measure each write on both databases and print a table of each; then 16 writers on one scope."""
    forms = {"columns": twins("columns", (COLUMN,)), "mixed": twins("mixed", (PATH, COLUMN))}
    console = Console(width=132)
    for database, name in DATABASES.items():
        TestRouter.database = database
        make_ready(database, [twin for family in forms.values() for twin in family])
        console.print(tabulate(name, forms))
        console.print(NOTES, end="\n\n", highlight=False)
    crowd.run(next(twin.model for twin in forms["columns"] if (twin.kind, twin.number) == (SOURCE, 1)), QuietLine)


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


Known = dict[tuple[str, int], Cost]


def rows(write: Write, quiet: Cost, known: Known) -> Iterator[list[str]]:
    """Give the lines of one write: nobody's, those of each number of statistics, and how many compare with one."""
    yield [write.name, "nobody", *map(str, quiet.count), f"{1e3 * quiet.time:.2f} ms", f"{1e3 * quiet.cpu:.2f} ms"]
    for number in NUMBERS:
        found = [cells(write, quiet, known[kind, number]) for kind in (PLAIN, SOURCE)]
        yield ["", str(number), *(cell for group in found for cell in group)]
    ratios = [known[kind, 20].cpu / known[kind, 1].cpu for kind in (PLAIN, SOURCE)]
    yield ["", "20/1", *(cell for ratio in ratios for cell in ("", "", "", judged(ratio, MANY)))]


def cells(write: Write, quiet: Cost, cost: Cost) -> list[str]:
    """Give what a watched write costs, beside the same write of nobody's."""
    most = [a + b for a, b in zip(quiet.count, write.more, strict=True)] if write.more else [None, None]
    counts = [judged(each, aim) for each, aim in zip(cost.count, most, strict=True)]
    return [*counts, judged(cost.time / quiet.time, write.times), f"{cost.cpu / quiet.cpu:.2f}"]


def judged(figure: float, aim: float | None) -> str:
    """Write a figure, and its aim if it is above that."""
    text = f"{figure:,}" if isinstance(figure, int) else f"{figure:.2f}"
    return text if aim is None or figure <= aim else f"[bold]{text} > {aim:g}[/bold]"
