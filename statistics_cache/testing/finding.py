"""Which statistic is meant: by its name, or itself."""

from typing import Any

from statistics_cache.api import Statistic, registry
from statistics_cache.declaring.declaration import Declaration


def declaration_of(statistic: Statistic[..., Any] | str) -> Declaration[..., Any]:
    """Give what a statistic was declared with. Raises UnknownStatistic with the nearest name."""
    found = registry.get(statistic) if isinstance(statistic, str) else statistic
    return found.declaration
