"""Statistics that are always fast, and never older than you said."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .declaring.sources import Source
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
    UndeclaredSource,
    UnknownStatistic,
)

if TYPE_CHECKING:
    from .api import Statistic, statistic
    from .broker.schedule import BEAT_SCHEDULE
    from .changing.invalidating import invalidates
    from .changing.managers import StatisticsQuerySet, StatisticsSource
    from .underway import stand_alone

__all__ = [
    "BEAT_SCHEDULE",
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
    "StatisticsQuerySet",
    "StatisticsSource",
    "TokenError",
    "UndeclaredSource",
    "UnknownStatistic",
    "invalidates",
    "stand_alone",
    "statistic",
]


LATE = {
    "BEAT_SCHEDULE": ".broker.schedule",
    "Statistic": ".api",
    "statistic": ".api",
    "StatisticsQuerySet": ".changing.managers",
    "StatisticsSource": ".changing.managers",
    "invalidates": ".changing.invalidating",
    "stand_alone": ".underway",
}


def __getattr__(name: str) -> Any:
    """Load what needs Django's models at first use: the package itself is imported before any model can be."""
    if place := LATE.get(name):
        return getattr(import_module(place, __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
