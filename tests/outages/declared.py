"""The statistic that every verb is tried on."""

from typing import Any, Literal

from statistics_cache import statistic
from statistics_cache.api import Statistic
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, Stock, count_stock


def told(color: Color, *, doubled: bool = False) -> Stock:
    """Count paint."""
    found = count_stock(color)
    return Stock(pots=found.pots, litres=found.litres * (1 + doubled))


def declare(on_change: Literal["expire", "revalidate"] = "expire", version: int = 1) -> Statistic[..., Stock]:
    """Declare `tests.told`."""
    options: dict[str, Any] = {"ttl": TTL, "stale_ttl": STALE_TTL, "hydrate": True, "version": version}
    return statistic(name="tests.told", depends_on={Paint: "color"}, on_change=on_change, **options)(told)
