"""For your own tests: statistics with values that you choose, refreshes that run at once, and what to assert of both.

Everything here may be nested, and is undone when its `with` block ends, however that ends. It holds for the whole
process: for threads, a live server's too, and for async tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .aging import age_entry
    from .asserting import assert_computes, assert_invalidated, assert_not_invalidated
    from .isolating import IsolatedStatistics, isolated_statistics
    from .overriding import disable_statistics_cache, override_statistic
    from .refreshing import Refresh, capture_refreshes, run_refreshes_inline

__all__ = [
    "IsolatedStatistics",
    "Refresh",
    "age_entry",
    "assert_computes",
    "assert_invalidated",
    "assert_not_invalidated",
    "capture_refreshes",
    "disable_statistics_cache",
    "isolated_statistics",
    "override_statistic",
    "run_refreshes_inline",
]

LATE = {
    "IsolatedStatistics": ".isolating",
    "Refresh": ".refreshing",
    "age_entry": ".aging",
    "assert_computes": ".asserting",
    "assert_invalidated": ".asserting",
    "assert_not_invalidated": ".asserting",
    "capture_refreshes": ".refreshing",
    "disable_statistics_cache": ".overriding",
    "isolated_statistics": ".isolating",
    "override_statistic": ".overriding",
    "run_refreshes_inline": ".refreshing",
}


def __getattr__(name: str) -> Any:
    """Load what needs Django's models at first use: pytest imports its plugins before Django is set up."""
    if place := LATE.get(name):
        return getattr(import_module(place, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
