"""The same write on many models in turn: what it sends, and the least time and client CPU that it takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from random import sample
from time import perf_counter, thread_time
from typing import Any

from django.db import connections, router

from tests.counting import Count, count

from .lines import refill
from .writes import Write

PERIOD = 1.5  # seconds in which rounds of a write begin
LEAST = 2  # rounds, however slow: the first pays for what the others find in memory
MOST = 100  # rounds: what is quick has shown its least time by then


@dataclass
class Cost:
    """What a write of one model takes."""

    count: Count
    times: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    @property
    def time(self) -> float:
        """Give the least seconds."""
        return min(self.times)

    @property
    def cpu(self) -> float:
        """Give the least seconds of this process's CPU."""
        return min(self.used)


def measure(write: Write, models: Sequence[Any]) -> list[Cost]:
    """Give what a write of each model costs; they take turns, to share whatever else the machine does."""
    costs = [counted(write, model) for model in models]
    pairs = list(zip(models, costs, strict=True))
    end, rounds = perf_counter() + PERIOD, 0
    while rounds < LEAST or (rounds < MOST and perf_counter() < end):
        for model, cost in sample(pairs, len(pairs)):  # whoever follows a long write finds cold caches
            timed(write, model, cost)
        rounds += 1
    return costs


def counted(write: Write, model: Any) -> Cost:
    """Write once, and count."""
    rows = refill(model, write.rows)
    return Cost(count(connections[router.db_for_write(model)], partial(write.do, model, rows)))


def timed(write: Write, model: Any, cost: Cost) -> None:
    """Write once more, and note what that took."""
    rows = refill(model, write.rows)
    used, began = thread_time(), perf_counter()
    write.do(model, rows)
    cost.times.append(perf_counter() - began)
    cost.used.append(thread_time() - used)


def judged(figure: float, aim: float | None) -> str:
    """Write a figure, and its aim if it is above that."""
    text = f"{figure:,}" if isinstance(figure, int) else f"{figure:.2f}"
    return text if aim is None or figure <= aim else f"[bold]{text} > {aim:g}[/bold]"
