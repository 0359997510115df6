"""The comparison as tables of text."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

from tests.benchmarks.peers.catalogue import PEERS

from .jobs import COLD, COST, FEW, MANY, MORE, PROCESSES, READS, STALE

Row = dict[str, Any]


class Layout(NamedTuple):
    """A table: its title, its headings, and the cells of a peer's row."""

    title: str
    headings: tuple[str, ...]
    cells: Callable[[Row], list[str]]


def crowd(row: Row) -> list[str]:
    """Give what a crowd waited."""
    return [ms(row["median"]), ms(row["longest"]), str(row["computes"]), ", ".join(row["errors"])]


def stale(row: Row) -> list[str]:
    """Give what a crowd waited, beside as many of whom nobody had to compute."""
    return [ms(row["hot"]), *crowd(row)]


def ms(milliseconds: float | None) -> str:
    """Write a time."""
    return "not filled" if milliseconds is None else f"{milliseconds:,.1f}"


def reads_of(row: Row) -> list[str]:
    """Write what came of reads without Redis."""
    return [", ".join(sorted(set(row["outcomes"]))), str(row["computes"]), ms(row["least"])]


WAITED = ("median ms", "longest ms", "computes", "raised")
RATIOS = ("best/raw", "best/floor", "best/text", "cpu/floor", "cpu/text")
AT_ONCE = f"a compute takes {1000 * COST:.0f} ms"
LAYOUTS = {
    "stale": Layout(
        f"{STALE} callers of a value that is too old ({AT_ONCE}; no worker runs)", ("hot ms", *WAITED), stale
    ),
    "cold": Layout(f"{COLD} callers of a value that is not stored, one process ({AT_ONCE})", WAITED, crowd),
    "cold-processes": Layout(f"The same {COLD} callers in {PROCESSES} processes", WAITED, crowd),
    "invalidate": Layout(
        "Dropping all of so many entries, ms",
        tuple(f"{number:,}" for number in (FEW, MORE, MANY)),
        lambda row: [ms(row[str(number)]) for number in (FEW, MORE, MANY)],
    ),
    "change": Layout(
        "A change lands while the value is computed: which one is given afterwards",
        ("given",),
        lambda row: [row["given"] or "computes nothing when read"],
    ),
    "failing": Layout(
        "The compute fails: what a reader gets",
        ("nothing stored", "stored, too old"),
        lambda row: [row["missing"], row["too_old"]],
    ),
    "refused": Layout(f"Redis refuses connections: {READS} reads", ("each gets", "computes", "least ms"), reads_of),
}


def print_report(report: Row, console: Console) -> None:
    """Print all tables."""
    console.print(", ".join(f"{name} {value}" for name, value in report["about"].items()), highlight=False)
    for name, why in report["left_out"].items():
        console.print(f"left out: {name}: {why}", highlight=False, markup=False)
    if report["reads"]:
        console.print(reads(report["reads"]))
    for name, rows in report["jobs"].items():
        console.print(job(LAYOUTS[name], rows))


def reads(rows: list[Row]) -> Table:
    """Give the table of reads."""
    table = plain("One read, µs", ("best", "median", "CPU", *RATIOS))
    for row in rows:
        ratios = (f"{row[name]:.2f}" if name in row else "" for name in RATIOS)
        table.add_row(row["title"], *(f"{row[name]:.1f}" for name in ("best", "median", "cpu")), *ratios)
    return table


def job(layout: Layout, rows: dict[str, Row]) -> Table:
    """Give the table of another job."""
    table = plain(layout.title, layout.headings)
    for name, row in rows.items():
        cells = [f"failed: {row['failed']}"] if "failed" in row else layout.cells(row)
        table.add_row(PEERS[name].title, *cells)
    return table


def plain(title: str, headings: tuple[str, ...]) -> Table:
    """Give an empty table."""
    table = Table(box=None, title=f"\n{title}", title_justify="left", title_style="bold")
    table.add_column("")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table
