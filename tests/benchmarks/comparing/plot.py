"""The best read of each peer as bars, in two SVG files: for light pages and for dark ones."""

from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.peers.catalogue import OURS

COMMAND = "python -m tests.benchmarks"
WIDTH, NAMES, NUMBERS = 760, 220, 60  # pixels: in all, for the names, for the numbers after the longest bar
LINE, BAR, TOP, BOTTOM = 24, 14, 56, 30  # heights
ALONE = {"cold", "batch"}  # forms that are no hit of one value, and so no bar


class Colours(NamedTuple):
    """Of one file."""

    text: str
    faint: str
    bar: str
    ours: str


FILES = {
    "reads-light.svg": Colours("#1f2328", "#59636e", "#b6c2cf", "#0969da"),
    "reads-dark.svg": Colours("#f0f6fc", "#9198a1", "#3d444d", "#4493f8"),
}


def write_plots(folder: Path, report: dict[str, Any]) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, colours in FILES.items():
        (folder / name).write_text(draw(report, colours))


def draw(report: dict[str, Any], colours: Colours) -> str:
    """Give one file's text: bars from the shortest to the longest."""
    rows = sorted((row for row in report["reads"] if row["form"] not in ALONE), key=lambda row: float(row["best"]))
    height = TOP + LINE * len(rows) + BOTTOM
    scale = (WIDTH - NAMES - NUMBERS) / max(row["best"] for row in rows)
    about = ", ".join(f"{name} {value}" for name, value in report["about"].items())
    lines = [
        opening(height),
        f"<title>One read of a cached value of 2 KB, best of a run, in µs: {escape(spoken(rows))}</title>",
        label(0, 18, "One read of a cached value of 2 KB: best of a run, µs (less is better)", colours.text, "bold"),
        label(0, 36, about, colours.faint, size=10),
        *(part for at, row in enumerate(rows) for part in bar(row, TOP + LINE * at, scale, colours)),
        label(0, height - 8, f"made by: {COMMAND}", colours.faint, size=11),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def opening(height: int) -> str:
    """Give the first line of a file."""
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="system-ui, sans-serif">'


def bar(row: dict[str, Any], top: int, scale: float, colours: Colours) -> list[str]:
    """Give the name, the bar and the number of a row."""
    is_ours, length = row["peer"] == OURS, max(1.0, row["best"] * scale)
    weight, fill = ("bold", colours.ours) if is_ours else ("normal", colours.bar)
    return [
        label(0, top + BAR - 2, row["title"], colours.text, weight),
        f'<rect x="{NAMES}" y="{top}" width="{length:.1f}" height="{BAR}" rx="2" fill="{fill}"/>',
        label(NAMES + length + 6, top + BAR - 2, f"{row['best']:.0f}", colours.text, weight),
    ]


def label(x: float, y: float, text: str, fill: str, weight: str = "normal", size: int = 13) -> str:
    """Give a line of text."""
    return f'<text x="{x:.0f}" y="{y}" fill="{fill}" font-weight="{weight}" font-size="{size}">{escape(text)}</text>'


def spoken(rows: list[dict[str, Any]]) -> str:
    """Give the bars as words."""
    return ", ".join(f"{row['title']} {row['best']:.0f}" for row in rows)
