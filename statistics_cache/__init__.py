"""Statistics that are always fast, and never older than you said."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .entry import Answer, Entry
from .exceptions import (
    ComputeFailed,
    ComputeTimeout,
    DeclarationError,
    ParameterError,
    PayloadError,
    SettingsError,
    StatisticsCacheError,
    TokenError,
    UnknownStatistic,
)
from .sources import Source

if TYPE_CHECKING:
    from .api import Statistic, statistic

__all__ = [
    "Answer",
    "ComputeFailed",
    "ComputeTimeout",
    "DeclarationError",
    "Entry",
    "ParameterError",
    "PayloadError",
    "SettingsError",
    "Source",
    "Statistic",
    "StatisticsCacheError",
    "TokenError",
    "UnknownStatistic",
    "statistic",
]


def __getattr__(name: str) -> Any:
    """Load what needs Django's models at first use: the package itself is imported before any model can be."""
    if name in {"Statistic", "statistic"}:
        return getattr(import_module(".api", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
