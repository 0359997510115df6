"""Reading statistics as the page's readers do, and what each read felt like."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic, perf_counter
from typing import Any, NamedTuple

from django.db import Error

from project.catalog.showing.measuring import Variant
from statistics_cache import Answer, StatisticsCacheError

NOBODY = "error"  # what stands in place of a tier where nothing answered


class Sample(NamedTuple):
    """One read: when (`time.monotonic`), how long it took, from where, and the compute that it spared (seconds)."""

    at: float
    took: float
    tier: str
    state: str = ""
    spared: float = 0.0
    computed_at: datetime | None = None


def sample(variant: Variant) -> Sample:
    """Read a variant once."""
    at, began = monotonic(), perf_counter()
    try:
        answer: Answer[Any] = variant.statistic.answer(**variant.parameters)
    except (StatisticsCacheError, Error):
        return Sample(at, perf_counter() - began, NOBODY)
    took = perf_counter() - began
    spared = 0.0 if answer.tier == "computed" else answer.cost.total_seconds()
    return Sample(at, took, answer.tier, answer.state, spared, answer.computed_at)


def timed(do: Callable[[], object]) -> float:
    """Give the seconds that something takes."""
    began = perf_counter()
    do()
    return perf_counter() - began
