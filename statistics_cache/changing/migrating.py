"""`migrate` and `flush` change rows by models of another time, or none: afterwards every scope has moved."""

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

from statistics_cache.cold import rows as cold
from statistics_cache.cold import tables
from statistics_cache.cold.transactions import in_transaction
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.identity import facts, known

from .delivering import Logging, log_all
from .ongoing import MISSED, is_missed, ongoing
from .receiving import TRIGGERED, WATCHES


def begin(using: str, plan: Any = None, **_: Any) -> None:
    """While migrations run, read no rows around statements: tables may not have the columns yet that models have."""
    tables.forget(using)
    ongoing(using).is_migrating = bool(plan)


def end(using: str, plan: Any = None, **_: Any) -> None:
    """Move every scope of every statistic on the database, unless there was nothing to migrate."""
    tables.forget(using)
    known.forget(using)
    ongoing(using).is_migrating = False
    if facts.is_there(connections[using]):
        known.make(using)
    if plan != [] and not is_missed(using):  # `flush` sends none
        move_all(using, "flushed" if plan is None else "migrated")


def move_all(alias: str, cause: str) -> None:
    """Log a change of every scope of every statistic that has its rows on a database, and deliver it."""
    every = (*WATCHES.values(), *TRIGGERED.values())
    declared = {watch.declaration for watches in every for watch in watches}
    names = sorted(each.name for each in declared if cold.alias_of(each) == alias)
    log_all(alias, [Logging(name, cause, frozenset({EVERY_SCOPE})) for name in names])


def make_good(alias: str) -> bool:
    """Once the app is enabled again, move every scope on a database that was written meanwhile, for nothing was logged.

    Tells whether that is done; in a transaction, which may be rolled back, it waits.
    """
    if in_transaction(alias):
        return False
    MISSED.discard(alias)
    try:
        move_all(alias, "changed while disabled")
    except cold.OUTAGES:
        MISSED.add(alias)
        return False
    return True


def connect() -> None:
    """Hear of it once for each command, not once for each app."""
    ours = apps.get_app_config("statistics_cache")
    pre_migrate.connect(begin, sender=ours, dispatch_uid="statistics_cache.begin")
    post_migrate.connect(end, sender=ours, dispatch_uid="statistics_cache.end")
