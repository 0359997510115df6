"""Checks of capture by triggers: what databases have, and which scopes are wider in SQL than they were declared."""

import sys
from collections.abc import Iterable, Iterator
from types import FrameType
from typing import Any

from django.core.checks import CheckMessage
from django.core.management import BaseCommand
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections

from statistics_cache.cold import rows as cold
from statistics_cache.triggering import installing
from statistics_cache.triggering.describing import Unfit, homes, watched_on

from .messages import error, warning


def check_triggers(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report triggers that are missing, altered or of what is not declared: `check --database` asks.

    `migrate` asks, too, before anything else, and ends at an error; it is what makes them, so it is told of none.
    """
    if is_asked_by(MigrateCommand):
        return []
    return [fault for alias in databases or () for fault in trigger_faults(alias)]


def is_asked_by(command: type[BaseCommand]) -> bool:
    """Tell whether a command is what has checks run: Django passes that to none of them."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and not isinstance(frame.f_locals.get("self"), command):
        frame = frame.f_back
    return frame is not None


def trigger_faults(alias: str) -> Iterator[CheckMessage]:
    """Give what is wrong with the triggers of one database."""
    try:
        found = installing.faults(alias) if connections[alias].vendor in installing.DIALECTS else []
    except cold.OUTAGES:  # Django says so
        return
    for fault in found:
        hint = (
            f"Run `manage.py statistics_triggers install --database {alias}`, or let the owner of the tables run what "
            "`manage.py statistics_triggers sql` prints. Until then its statistics may be computed live."
        )
        yield error(28, f"{alias}: {fault}.", hint)


def check_vendors(**_: Any) -> list[CheckMessage]:
    """Report a database that has no triggers of ours: everything is computed live there."""
    found = []
    for alias in homes():
        try:
            installing.dialect_of(connections[alias])
        except Unfit as reason:
            found.append(error(29, f"{reason}.", "Or keep these statistics on PostgreSQL or SQLite."))
    return found


def check_spelling(**_: Any) -> list[CheckMessage]:
    """Report scopes that SQL cannot spell as Python does: each change drops every variant."""
    known = [alias for alias in homes() if connections[alias].vendor in installing.DIALECTS]
    return [fault for alias in known for fault in spelling_faults(alias)]


def spelling_faults(alias: str) -> Iterator[CheckMessage]:
    """Give the scopes of one database, each with the reason, once for each statistic and table."""
    for watched in watched_on(alias):
        told: set[str] = set()
        for watch in watched.watches:
            why = installing.unspelt(alias, watch)
            name = watch.declaration.name
            if why is None or name in told:
                continue
            told.add(name)
            message = f"{name}: with triggers, each change of {watched.table._meta.label} drops every variant: {why}."
            hint = "Name a scope of plain texts, integers, booleans, dates, UUIDs or Enums, or write capture='signals'."
            yield warning(22, message, hint, watched.table)
