"""What the app tells others, and its log lines: receivers of the same signals.

A signal is sent robustly: what a receiver raises is logged by Django and harms nobody. A log line says in its message
what a console needs, the statistic and the error, and has all its facts in `extra`. No value and no parameter is in one
above DEBUG, but for what an exception of the user's own function says. (Note [What an error says])
"""

import json
import logging
import re
from collections.abc import Iterable
from typing import Any

from django.dispatch import Signal, receiver

logger = logging.getLogger("statistics_cache")
MAX_SHOWN = 200  # characters of an error's text in a log line
PLAIN = {"null", "true", "false"}  # parameters that tell nothing, as JSON

value_read = Signal()
"""Sent with `statistic`, `outcome` ("hit", "stale hit", "miss") and `tier` (None for nothing) for each value that a
call, `answer`, `get` or `get_many` gives or does not find; only if somebody listens."""

refresh_finished = Signal()
"""Sent with `statistic`, `key`, `cost` (seconds), `reason`, `is_stored` when a compute has ended with a value."""

refresh_failed = Signal()
"""Sent with `statistic`, `key`, `error` and `parameters` (JSON texts) when a compute has ended with an exception that
is recorded on the entry."""

invalidated = Signal()
"""Sent with `statistic` and `scopes` when a change that is committed has been delivered, or could not be."""

breaker_changed = Signal()
"""Sent with `name` ("hot", "broker"), `is_open`, `error` (None when it closes) each time a breaker opens or closes."""

store_failed = Signal()
"""Sent with `statistic`, `error` when a computed value could not be stored; the caller has its answer all the same."""

drift_found = Signal()
"""Sent with `statistic`, `key`, `fields` (paths in the value), `is_deterministic` when an audit finds that a fresh
value is not what its function gives; where two computes differ as well, `is_deterministic` is False."""

source_undeclared = Signal()
"""Sent once with `statistic`, `source` (a model's label, a table, or another statistic), `database` (None for another
statistic) and `line` (what to write) where a compute reads what its statistic does not name."""

write_unseen = Signal()
"""Sent once for each line of code and model, under DEBUG and in tests, with `model`, `verb`, `place` ("file:line"),
`statistics` (names) and `line` (what to write) where rows of a watched model are written and nobody sees it."""

declared_late = Signal()
"""Sent once with `statistic` and `module` where one is declared when the apps are loaded, in a module that they do not
load: other processes neither log its changes nor refresh it."""

hydration_failed = Signal()
"""Sent with `statistic`, `error` when the callable of `hydrate=` raises: nothing of it is hydrated at this tick."""

visibility_failed = Signal()
"""Sent with `statistic`, `error` when `visible_to=` raises: the statistic is hidden from that user."""

refresh_refused = Signal()
"""Sent with `statistic`, `error` when a message asks for a refresh that nobody can do; it is dropped."""

scope_failed = Signal()
"""Sent with `statistic`, `error` when the scope of a changed row cannot be worked out: every scope of it falls."""

tick_ended = Signal()
"""Sent with `changes` (the statistic and the cause of each log row that was folded), `queued` and `pruned` when a tick
has done its work; only if somebody listens."""

tables_missing = Signal()
"""Sent once with `database` when the app's tables are not there, or may not be written: nothing is stored."""

row_odd = Signal()
"""Sent with `database`, `row` (its primary key) and `error` when a log row cannot be folded: it went, and every scope
of its statistic has moved."""

triggers_unfit = Signal()
"""Sent with `database`, `fault` when `migrate` cannot give a table its triggers: reads of what depends on it are
live."""

tenants_mixed = Signal()
"""Sent once with `database` when `search_path` changes on its connections and the cache alias has no KEY_FUNCTION:
nothing is kept hot."""


def name_of(error: Exception | None) -> str | None:
    """Name the class of an error: its text may hold values."""
    return type(error).__name__ if error else None


def text_of(error: Exception, parameters: Iterable[str] = ()) -> str:
    """Give class and text of an error for a log line: its first line, without these parameters (JSON texts)."""
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001  (whatever a class of the user's own raises when it is written)
        lines = []
    text = without(lines[0], parameters)[:MAX_SHOWN] if lines else ""
    text = "".join(each if each.isprintable() else "?" for each in text)  # what a terminal obeys, or cannot encode
    return f"{name}: {text}" if text else name


def without(text: str, parameters: Iterable[str]) -> str:
    """Replace parameters in a text, wherever they stand as words."""
    spelt = {form for given in set(parameters) - PLAIN for form in (given, given.strip('"'), str(json.loads(given)))}
    for form in sorted(filter(None, spelt), key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", "…", text)
    return text


@receiver(refresh_finished)
def log_refresh_finished(statistic: str, key: str, cost: float, reason: str, is_stored: bool, **_: Any) -> None:
    """Log one line per compute."""
    facts = {"statistic": statistic, "entry": key, "cost": cost, "reason": reason, "is_stored": is_stored}
    logger.debug("refresh finished", extra=facts)


@receiver(refresh_failed)
def log_refresh_failed(statistic: str, error: Exception, parameters: Iterable[str] = (), **_: Any) -> None:
    """Log one line per compute."""
    facts = {"statistic": statistic, "error": name_of(error)}
    logger.warning("refresh failed: %s: %s", statistic, text_of(error, parameters), extra=facts)


@receiver(invalidated)
def log_invalidated(statistic: str, scopes: list[str], **_: Any) -> None:
    """Log one line per delivery."""
    logger.debug("invalidated", extra={"statistic": statistic, "scopes": scopes})


@receiver(breaker_changed)
def log_breaker(name: str, is_open: bool, error: Exception | None, **_: Any) -> None:
    """Log one line per change."""
    facts = {"breaker": name, "error": name_of(error)}
    if is_open:
        logger.error("breaker opened: %s: %s", name, facts["error"], extra=facts)
    else:
        logger.info("breaker closed: %s", name, extra=facts)


@receiver(store_failed)
def log_store_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per value that was not stored."""
    facts = {"statistic": statistic, "error": name_of(error)}
    logger.error("store failed: %s: %s", statistic, text_of(error), extra=facts)


@receiver(drift_found)
def log_drift_found(statistic: str, fields: Iterable[str], is_deterministic: bool, **_: Any) -> None:
    """Log one line per audit."""
    facts = {"statistic": statistic, "fields": list(fields), "is_deterministic": is_deterministic}
    if is_deterministic:
        logger.error("drift found: %s: %s", statistic, ", ".join(fields), extra=facts)
    else:
        logger.warning("not deterministic: %s: %s", statistic, ", ".join(fields), extra=facts)


@receiver(source_undeclared)
def log_source_undeclared(statistic: str, source: str, database: str | None, line: str, **_: Any) -> None:
    """Log one line per statistic and source."""
    facts = {"statistic": statistic, "source": source, "database": database, "line": line}
    where = f" on database {database!r}" if database else ""
    message = "source undeclared: %s reads %s%s, and is told of no change there. %s"
    logger.warning(message, statistic, source, where, line, extra=facts)


@receiver(write_unseen)
def log_write_unseen(model: str, verb: str, place: str, statistics: list[str], line: str, **_: Any) -> None:
    """Log one line per place."""
    facts = {"model": model, "verb": verb, "place": place, "statistics": statistics}
    message = "write unseen: %s of %s at %s: nobody tells %s. %s"
    logger.warning(message, verb, model, place, ", ".join(statistics), line, extra=facts)


@receiver(declared_late)
def log_declared_late(statistic: str, module: str, **_: Any) -> None:
    """Log one line per statistic."""
    message = "declared late: %s: other processes do not import %s: move it to a module `statistics.py` of an app"
    logger.warning(message, statistic, module, extra={"statistic": statistic, "module_name": module})


@receiver(hydration_failed)
def log_hydration_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per tick."""
    facts = {"statistic": statistic, "error": name_of(error)}
    logger.error("hydration failed: %s: %s", statistic, text_of(error), extra=facts)


@receiver(visibility_failed)
def log_visibility_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per request."""
    facts = {"statistic": statistic, "error": name_of(error)}
    logger.error("visibility failed: %s: %s", statistic, text_of(error), extra=facts)


@receiver(refresh_refused)
def log_refresh_refused(statistic: object, error: Exception, **_: Any) -> None:
    """Log one line per message."""
    facts = {"statistic": f"{statistic!r:.100}", "error": name_of(error)}
    logger.warning("refresh refused: %s: %s", facts["statistic"], facts["error"], extra=facts)


@receiver(scope_failed)
def log_scope_failed(statistic: str, error: Exception, **_: Any) -> None:
    """Log one line per write."""
    facts = {"statistic": statistic, "error": name_of(error)}
    logger.error("scope failed: %s: every scope of it falls: %s", statistic, said_of(error), extra=facts)


def said_of(error: Exception) -> str | None:
    """Give what is said of an error that rows may have caused: its class alone, but where it is about the models."""
    return text_of(error) if getattr(error, "is_of_models", False) else name_of(error)


@receiver(tables_missing)
def log_tables_missing(database: str, **_: Any) -> None:
    """Log one line per process."""
    message = "the tables of statistics_cache are missing or may not be written on %r: run `manage.py migrate`"
    logger.error(message, database, extra={"database": database})


@receiver(row_odd)
def log_row_odd(database: str, row: int, error: Exception, **_: Any) -> None:
    """Log one line per row."""
    facts = {"database": database, "row": row, "error": name_of(error)}
    message = "log row %s on %r could not be folded (%s): every scope of its statistic moves in its place"
    logger.error(message, row, database, name_of(error), extra=facts)


@receiver(triggers_unfit)
def log_triggers_unfit(database: str, fault: str, **_: Any) -> None:
    """Log one line per table."""
    facts = {"database": database, "fault": fault}
    logger.error("triggers not installed on %r: %s: its statistics are computed live", database, fault, extra=facts)


@receiver(tenants_mixed)
def log_tenants_mixed(database: str, **_: Any) -> None:
    """Log one line per process."""
    message = (
        "search_path changes on connections to %r: no hot tier, for nothing tells tenants apart. "
        "Give the cache alias a KEY_FUNCTION that names the tenant"
    )
    logger.error(message, database, extra={"database": database})


# Note [What an error says]
# A console that shows "refresh failed" alone makes its reader search. An error's text says what is wrong, and may hold
# what the function was given or has read. Given is known: it is replaced. Read is not: whoever writes rows into the
# text of an exception finds them in every log that shows exceptions, Celery's and Django's among them. Where rows of a
# write are at hand (scopes), where a message came from elsewhere (refused ones), and of what servers answer, who quote
# commands (breakers), no text is shown.
