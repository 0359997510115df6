"""A user's migrations run without our triggers: they go before the first, and come back after the last."""

from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models.signals import post_migrate, pre_migrate

from statistics_cache.cold import rows as cold
from statistics_cache.signals import triggers_unfit

from . import installing
from .installing import DIALECTS


def begin(using: str, plan: Any = None, **_: Any) -> None:
    """Remove them, if anything is to be migrated: reads are live until they are back (Note [Around migrations])."""
    if plan and connections[using].vendor in DIALECTS and installing.has_any(using):
        installing.remove(using)


def end(using: str, **_: Any) -> None:
    """Install what is declared, and remove what is not; say what could not be done."""
    if connections[using].vendor not in DIALECTS:
        return
    try:
        for fault in installing.install(using):
            triggers_unfit.send_robust(sender=None, database=using, fault=fault)
    except cold.OUTAGES as error:
        triggers_unfit.send_robust(sender=None, database=using, fault=str(error))


def connect() -> None:
    """Hear of it once for each command, not once for each app."""
    ours = apps.get_app_config("statistics_cache")
    pre_migrate.connect(begin, sender=ours, dispatch_uid="statistics_cache.remove_triggers")
    post_migrate.connect(end, sender=ours, dispatch_uid="statistics_cache.install_triggers")


# Note [Around migrations]
# SQLite drops no column that a trigger names, and loses triggers where Django makes a table anew; PostgreSQL lets a
# column be renamed, and from then on each INSERT fails. So a migration finds none of them. Whatever it writes nobody
# sees: when all is done, every scope moves. If it fails half-way, what is missing is missing: `check --database` says
# so, and a log row that nobody can check keeps every reader from believing anything until triggers are installed.
