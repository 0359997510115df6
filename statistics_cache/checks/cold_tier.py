"""Checks of the databases: a statistic's rows and its sources must lie in one, and be read where they are written."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connections, router
from django.db.models import Model

from statistics_cache.cold import rows as cold
from statistics_cache.cold.tables import MODELS
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.fields import collation_of, inexact
from statistics_cache.models import StatisticEntry, StatisticIdentity, StatisticInvalidation, StatisticScope

from .declarations import declarations, models_of
from .messages import error
from .triggers import is_asked_by

OWN_MODELS = (StatisticEntry, StatisticInvalidation, StatisticScope, StatisticIdentity)
CURE = (
    "Let the router send it there, for reads too: a replica runs behind, and another database cannot share a "
    "transaction. Or name its database by using=."
)


def check_texts(databases: Iterable[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Report tables on MySQL whose texts equal others: `check --database` asks. `migrate` asks, too, and mends them."""
    if is_asked_by(MigrateCommand):
        return []
    return [fault for alias in databases or () for fault in inexact_tables(alias)]


def inexact_tables(alias: str) -> Iterator[CheckMessage]:
    """Give the tables of one database."""
    connection = connections[alias]
    try:
        found = inexact(connection, [model._meta.db_table for model in MODELS])
    except cold.OUTAGES:  # Django says so
        return
    for table in found:
        yield error(
            30,
            f"{alias}: texts of {table} equal others, by case or accent: one variant is given another's value.",
            f"Run `manage.py migrate statistics_cache 0007 --database {alias}`, then "
            f"`manage.py migrate statistics_cache --database {alias}`: it gives them the collation "
            f"{collation_of(connection)}, and has all computed anew.",
        )


def check_databases(**_: Any) -> list[CheckMessage]:
    """Report every `using` that names no database."""
    return [
        error(
            11,
            f"{declaration.name}: using={declaration.using!r} names no entry of DATABASES.",
            f"Name a database.{did_you_mean(declaration.using, connections.databases)}",
            declaration.path,
        )
        for declaration in declarations()
        if declaration.using and declaration.using not in connections.databases
    ]


def check_routers(**_: Any) -> list[CheckMessage]:
    """Report every model that a router keeps, or reads, elsewhere than the statistic's rows are."""
    own = [fault for model in OWN_MODELS for fault in routing_faults("the app", model, router.db_for_write(model))]
    return own + [fault for declaration in declarations() for fault in source_faults(declaration)]


def source_faults(declaration: Declaration[..., Any]) -> Iterator[CheckMessage]:
    """Give what routers do wrong with the sources of one statistic."""
    home = cold.alias_of(declaration)
    for model in models_of(declaration) if home in connections.databases else ():
        yield from routing_faults(declaration.name, model, home)


def routing_faults(subject: str, model: type[Model], home: str) -> Iterator[CheckMessage]:
    """Give what routers do wrong with one model."""
    for verb, alias in (("reads", router.db_for_read(model)), ("writes", router.db_for_write(model))):
        if alias != home:
            yield error(12, f"{subject}: {verb} of {model._meta.label} go to {alias!r}, not to {home!r}.", CURE, model)
