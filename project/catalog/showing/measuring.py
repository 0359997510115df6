"""How long a statistic takes to compute, and to read from each tier."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from time import perf_counter
from typing import Any, NamedTuple

from project.catalog.models import Category
from project.catalog.statistics import category_statistics, usage_statistics
from statistics_cache import Statistic

READS = 5  # the best of a few: what a read costs, without what else the machine does


class Variant(NamedTuple):
    """One statistic with one set of parameters."""

    statistic: Statistic[..., Any]
    parameters: dict[str, Any]

    def __str__(self) -> str:
        """The parameters as a call writes them, without options that are off."""
        return ", ".join(f"{name}={value}" for name, value in self.parameters.items() if value is not False)


@dataclass(frozen=True)
class Measured:
    """What computing and reading one variant took, in seconds."""

    variant: Variant
    computed: float
    hot: float
    cold: float

    @property
    def ratio(self) -> float:
        """How many times faster a hot read is than computing."""
        return self.computed / self.hot


def variants() -> list[Variant]:
    """Every finite variant of `category_statistics`, and `usage_statistics` with 30 days per category."""
    finite = [Variant(category_statistics, dict(parameters)) for parameters in category_statistics.variants()]
    return finite + [Variant(usage_statistics, {"category": category, "days": 30}) for category in Category]


def measure(variant: Variant) -> Measured:
    """Compute a variant, then read it from the hot tier and from the cold one."""
    statistic, parameters = variant
    computed = statistic.refresh(**parameters).cost
    hot = min(timed_read(variant, "hot") for _ in range(READS))
    cold = min(cold_reads(variant))
    return Measured(variant, computed / timedelta(seconds=1), hot, cold)


def cold_reads(variant: Variant) -> Iterator[float]:
    """Time reads that find nothing in the hot tier."""
    for _ in range(READS):
        variant.statistic.clear(**variant.parameters, tier="hot")
        yield timed_read(variant, "cold")


def timed_read(variant: Variant, tier: str) -> float:
    """Time one read. Raises RuntimeError if another tier than the one meant has answered."""
    started = perf_counter()
    answer = variant.statistic.answer(**variant.parameters)
    elapsed = perf_counter() - started
    if answer.tier != tier:
        raise RuntimeError(f"{variant.statistic.name} {variant}: read {answer.tier}, not {tier}")
    return elapsed
