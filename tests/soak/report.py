"""What a soak prints."""

from collections.abc import Iterable, Iterator, Mapping

from tests.soak.paths import PATHS
from tests.soak.tally import ENDURED, Tally

ENOUGH = 20  # writes for each path, on average, after which none may be left out
KINDS = {"violation": "violations", "lost": "lost", "error": "errors"}
TIERS = ("hot", "cold", "computed")


def shares(tally: Tally) -> dict[str, float]:
    """Give each tier's share of the fresh answers that told it."""
    found = {tier: tally.total(tier) for tier in TIERS}
    whole = max(1, sum(found.values()))
    return {tier: number / whole for tier, number in found.items()}


def progress(tally: Tally, seconds: float) -> str:
    """Give one line."""
    return f"{seconds:5.0f} s: {tally.total('checked'):,} reads checked, {tally.total('written'):,} writes"


def stale(tally: Tally) -> str:
    """Say how many answers were stale, and of how many it was checked since when they lack a change."""
    late = f"{tally.total('changed'):,} may have lacked a change, for no longer than changed_ttl"
    return (
        f"  {tally.total('stale'):,} of them stale and marked so; {late}; {tally.total('misses'):,} more found nothing"
    )


def summary(tally: Tally, seconds: float) -> Iterator[str]:
    """Give the lines of the end."""
    checked, written = tally.total("checked"), tally.total("written")
    yield f"{checked:,} reads checked in {seconds:.0f} s ({checked / seconds:,.0f} per second)"
    yield stale(tally)
    yield "  " + ", ".join(f"{tier} {share:.1%}" for tier, share in shares(tally).items())
    yield f"  p50 {tally.percentile(0.5) * 1e3:.2f} ms, p99 {tally.percentile(0.99) * 1e3:.2f} ms for one entry"
    yield f"{tally.total('evicted'):,} evictions; {tally.total('refreshed'):,} refreshes by a worker"
    yield f"{tally.total('audited'):,} values computed anew, and found as they were stored"
    yield f"{tally.total('retries')} writes tried again after a deadlock"
    yield f"{written:,} writes:"
    for number, path in enumerate(PATHS):
        yield f"  {tally.path(number):7,}  {path.name}"


def verdict(tally: Tally, failures: Iterable[tuple[str, str]]) -> list[str]:
    """Give what was wrong, each with its text; a soak that ended early is not blamed for what it did not get to."""
    return [f"{kind}: {text}" for kind, text in failures] or list(gaps(tally))


def gaps(tally: Tally) -> Iterator[str]:
    """Say what was not shown at all."""
    for tier in TIERS:
        if not tally.total(tier):
            yield f"error: no fresh answer was {tier}"
    if not tally.total("audited"):
        yield "error: no value was found as it was stored"
    if not tally.total("changed"):
        yield "error: nothing that had changed was given"
    for number, path in enumerate(PATHS):
        if tally.total("written") > ENOUGH * len(PATHS) and not tally.path(number):
            yield f"error: nothing was written by {path.name}"


def closing(failures: Iterable[str]) -> str:
    """Give the last line."""
    kinds = [failure.partition(":")[0] for failure in failures]
    return f"violations {kinds.count('violation')}, errors {kinds.count('error')}"


def endured(tally: Tally, seconds: float, outages: Mapping[str, int]) -> Iterator[str]:
    """Give the lines of the end of chaos."""
    checked, count = tally.total("checked"), {name: tally.total(name) for name in ENDURED}
    yield f"{checked:,} reads checked in {seconds:.0f} s; {tally.total('written'):,} writes"
    yield stale(tally)
    yield "  fresh: " + ", ".join(f"{tier} {share:.1%}" for tier, share in shares(tally).items())
    yield f"  p50 {tally.percentile(0.5) * 1e3:.2f} ms, p99 {tally.percentile(0.99) * 1e3:.0f} ms for one entry"
    yield f"  longest read {tally.longest():.2f} s"
    yield f"{tally.total('refreshed'):,} refreshes by a worker"
    yield "  " + ", ".join(f"{count[name]:,} {name}" for name in ENDURED if name != "longest")
    yield f"{sum(outages.values())} outages:"
    for name, number in sorted(outages.items()):
        yield f"  {number:4,}  {name}"


def closing_of_chaos(failures: Iterable[str]) -> str:
    """Give the last line."""
    kinds = [failure.partition(":")[0] for failure in failures]
    return ", ".join(f"{plural} {kinds.count(kind)}" for kind, plural in KINDS.items())
