"""What the app tells others, and its log lines: receivers of the same signals."""

import logging
from typing import Any

from django.dispatch import Signal, receiver

logger = logging.getLogger("statistics_cache")

breaker_changed = Signal()
"""Sent with `name` ("hot"), `is_open` and `error` (None when it closes) each time a breaker opens or closes."""

store_failed = Signal()
"""Sent with `statistic`, `error` when a computed value could not be stored; the caller has its answer all the same."""

source_undeclared = Signal()
"""Sent once with `outer`, `inner` and `missing` (models) where a statistic uses another without naming its sources."""


@receiver(breaker_changed)
def log_breaker(name: str, is_open: bool, error: Exception | None, **_: Any) -> None:
    """Log one line per change."""
    level, state = (logging.ERROR, "open") if is_open else (logging.INFO, "closed")
    logger.log(level, "breaker=%s state=%s error=%s", name, state, type(error).__name__ if error else None)


@receiver(store_failed)
def log_store_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per value that was not stored."""
    logger.error("store_failed statistic=%s error=%s", statistic, type(error).__name__)


@receiver(source_undeclared)
def log_source_undeclared(outer: str, inner: str, missing: str, **_: Any) -> None:
    """Log one line per pair of statistics."""
    logger.warning("source_undeclared outer=%s inner=%s missing=%s", outer, inner, missing)
