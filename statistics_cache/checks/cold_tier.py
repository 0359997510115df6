"""Checks of the databases: a statistic's rows and its sources must lie in one, and be read where they are written."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage
from django.db import connections, router
from django.db.models import Model

from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.models import StatisticEntry, StatisticIdentity, StatisticInvalidation, StatisticScope

from .declarations import declarations, models_of
from .messages import error

OWN_MODELS = (StatisticEntry, StatisticInvalidation, StatisticScope, StatisticIdentity)
CURE = (
    "Let the router send it there, for reads too: a replica runs behind, and another database cannot share a "
    "transaction. Or name its database by using=."
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
