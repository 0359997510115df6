"""What a number of reads felt like: rates, percentiles, shares."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from .reading import NOBODY, Sample

SECONDS = 60
SETTLED = 5  # reads of a tier from which percentiles are told


class Strip(NamedTuple):
    """The last minute: reads in each second, the newest last, and what they felt like; times in milliseconds."""

    per_second: list[int]
    rate: float
    hot_p50: float | None
    hot_p99: float | None
    cold_p50: float | None
    cold_p99: float | None
    share_hot: float
    errors: int
    spared: float


def strip(samples: Sequence[Sample], now: float) -> Strip:
    """Give the figures of the last minute."""
    per_second = [0] * SECONDS
    for each in samples:
        if (ago := int(now - each.at)) < SECONDS:
            per_second[-1 - ago] += 1
    whole = [count for count in per_second[:-1] if count]  # the newest second is not over
    hot, cold = (of_tier(samples, tier) for tier in ("hot", "cold"))
    return Strip(
        per_second=per_second,
        rate=sum(whole) / len(whole) if whole else 0.0,
        hot_p50=percentile(hot, 50),
        hot_p99=percentile(hot, 99),
        cold_p50=percentile(cold, 50),
        cold_p99=percentile(cold, 99),
        share_hot=100 * len(hot) / len(samples) if samples else 0.0,
        errors=len(of_tier(samples, NOBODY)),
        spared=sum(each.spared for each in samples),
    )


def of_tier(samples: Sequence[Sample], tier: str) -> list[float]:
    """Give the milliseconds of reads that a tier has answered, the quickest first."""
    return sorted(1000 * each.took for each in samples if each.tier == tier)


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Give a percentile by the nearest rank; of a few numbers there is none."""
    return ordered[ceil(len(ordered) * percent / 100) - 1] if len(ordered) >= SETTLED else None


def felt(samples: Sequence[Sample]) -> str:
    """Say in a line what readers felt."""
    if not samples:
        return "no reader has read yet"
    slowest = 1000 * max(each.took for each in samples)
    counts = {
        "from Redis": len(of_tier(samples, "hot")),
        "from the table": len(of_tier(samples, "cold")),
        "computed": len(of_tier(samples, "computed")),
        "marked stale": sum(each.state == "stale" for each in samples),
    }
    shown = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    errors = len(of_tier(samples, NOBODY))
    return f"{len(samples)} reads: {shown}; slowest {slowest:,.0f} ms; errors {errors}"
