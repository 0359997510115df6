"""What the app tells others, and its log lines: receivers of the same signals.

A signal is sent robustly: what a receiver raises is logged by Django and harms nobody. A log line has a constant
message and its facts in `extra`; values are in none, parameters only below INFO.
"""

import logging
from typing import Any

from django.dispatch import Signal, receiver

logger = logging.getLogger("statistics_cache")

value_read = Signal()
"""Sent with `statistic`, `outcome` ("hit", "stale hit", "miss") and `tier` (None for nothing) for each value that a
call, `answer`, `get` or `get_many` gives or does not find; only if somebody listens."""

refresh_finished = Signal()
"""Sent with `statistic`, `key`, `cost` (seconds), `reason`, `is_stored` when a compute has ended with a value."""

refresh_failed = Signal()
"""Sent with `statistic`, `key`, `error` when a compute has ended with an exception that is recorded on the entry."""

invalidated = Signal()
"""Sent with `statistic` and `scopes` when a change that is committed has been delivered, or could not be."""

breaker_changed = Signal()
"""Sent with `name` ("hot", "broker"), `is_open`, `error` (None when it closes) each time a breaker opens or closes."""

store_failed = Signal()
"""Sent with `statistic`, `error` when a computed value could not be stored; the caller has its answer all the same."""

source_undeclared = Signal()
"""Sent once with `outer`, `inner` and `missing` (models) where a statistic uses another without naming its sources."""

hydration_failed = Signal()
"""Sent with `statistic`, `error` when the callable of `hydrate=` raises: nothing of it is hydrated at this tick."""

visibility_failed = Signal()
"""Sent with `statistic`, `error` when `visible_to=` raises: the admin shows nothing of the statistic to that user."""

refresh_refused = Signal()
"""Sent with `statistic`, `error` when a message asks for a refresh that nobody can do; it is dropped."""

scope_failed = Signal()
"""Sent with `statistic`, `error` when the scope of a changed row cannot be worked out: every scope of it falls."""

tables_missing = Signal()
"""Sent once with `database` when the app's tables are not there, or may not be written: nothing is stored."""

tenants_mixed = Signal()
"""Sent once with `database` when `search_path` changes on its connections and the cache alias has no KEY_FUNCTION:
nothing is kept hot."""


def name_of(error: Exception | None) -> str | None:
    """Name the class of an error: its text may hold values."""
    return type(error).__name__ if error else None


@receiver(refresh_finished)
def log_refresh_finished(statistic: str, key: str, cost: float, reason: str, is_stored: bool, **_: Any) -> None:
    """Log one line per compute."""
    facts = {"statistic": statistic, "entry": key, "cost": cost, "reason": reason, "is_stored": is_stored}
    logger.debug("refresh finished", extra=facts)


@receiver(refresh_failed)
def log_refresh_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per compute."""
    logger.warning("refresh failed", extra={"statistic": statistic, "error": name_of(error)})


@receiver(invalidated)
def log_invalidated(statistic: str, scopes: list[str], **_: Any) -> None:
    """Log one line per delivery."""
    logger.debug("invalidated", extra={"statistic": statistic, "scopes": scopes})


@receiver(breaker_changed)
def log_breaker(name: str, is_open: bool, error: Exception | None, **_: Any) -> None:
    """Log one line per change."""
    facts = {"breaker": name, "error": name_of(error)}
    if is_open:
        logger.error("breaker opened", extra=facts)
    else:
        logger.info("breaker closed", extra=facts)


@receiver(store_failed)
def log_store_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per value that was not stored."""
    logger.error("store failed", extra={"statistic": statistic, "error": name_of(error)})


@receiver(source_undeclared)
def log_source_undeclared(outer: str, inner: str, missing: str, **_: Any) -> None:
    """Log one line per pair of statistics."""
    logger.warning("source undeclared", extra={"outer": outer, "inner": inner, "missing": missing})


@receiver(hydration_failed)
def log_hydration_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per tick."""
    logger.error("hydration failed", extra={"statistic": statistic, "error": name_of(error)})


@receiver(visibility_failed)
def log_visibility_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per request."""
    logger.error("visibility failed", extra={"statistic": statistic, "error": name_of(error)})


@receiver(refresh_refused)
def log_refresh_refused(statistic: object, error: Exception, **_: Any) -> None:
    """Log one line per message."""
    logger.warning("refresh refused", extra={"statistic": f"{statistic!r:.100}", "error": name_of(error)})


@receiver(scope_failed)
def log_scope_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per write."""
    message = "scope failed: every scope of the statistic falls"
    logger.error(message, extra={"statistic": statistic, "error": name_of(error)})


@receiver(tables_missing)
def log_tables_missing(database: str, **_: Any) -> None:
    """Log one line per process."""
    message = "the tables of statistics_cache are missing or may not be written: run `manage.py migrate`"
    logger.error(message, extra={"database": database})


@receiver(tenants_mixed)
def log_tenants_mixed(database: str, **_: Any) -> None:
    """Log one line per process."""
    message = (
        "search_path changes on a connection: no hot tier, for nothing tells tenants apart. "
        "Give the cache alias a KEY_FUNCTION that names the tenant"
    )
    logger.error(message, extra={"database": database})
