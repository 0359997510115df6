"""Charts as SVG shapes: numbers in, coordinates out. A policy of `default-src 'self'` allows their attributes."""

from collections.abc import Sequence
from typing import NamedTuple

WIDTH, HEIGHT = 300.0, 72.0
FILLED = 0.82  # of the room that a bar has


class Bar(NamedTuple):
    """One bar, in the units of a view box of `WIDTH` times `HEIGHT`, and what it stands for."""

    x: str
    y: str
    width: str
    height: str
    label: str


def bars(numbers: Sequence[float], labels: Sequence[str]) -> list[Bar]:
    """Give a bar for each number, as high as its share of the greatest."""
    most = max(numbers, default=0) or 1
    step = WIDTH / max(len(numbers), 1)
    drawn = []
    for at, (number, label) in enumerate(zip(numbers, labels, strict=True)):
        height = HEIGHT * number / most
        drawn.append(Bar(spelt(at * step), spelt(HEIGHT - height), spelt(step * FILLED), spelt(height), label))
    return drawn


def spelt(number: float) -> str:
    """Write a coordinate as SVG does, in every locale."""
    return f"{number:.2f}"
