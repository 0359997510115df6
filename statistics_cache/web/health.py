"""Whether all is well, for a probe: JSON and a status, no value, no parameter, and no name but those of databases."""

from time import time
from typing import Any, NamedTuple

from django.db import Error, router, transaction
from django.db.models import Min, Q
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from statistics_cache.api import registry
from statistics_cache.broker import queue
from statistics_cache.broker.schedule import is_late
from statistics_cache.cold import rows as cold
from statistics_cache.conf import settings
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.hot import asking
from statistics_cache.hot import entries as hot
from statistics_cache.identity import known
from statistics_cache.models import StatisticEntry

LISTED = 500  # keys in one statement, of which each database takes as many


class Database(NamedTuple):
    """What the table of one database tells: seconds since the epoch, and a number; both None while it is out."""

    is_out: bool
    oldest: float | None = None
    failing: int | None = None


@transaction.non_atomic_requests
@never_cache
@require_safe
def health(_: HttpRequest) -> JsonResponse:
    """Say what is wrong, and 503 if anything is: never fails, whatever is out. (Note [What the status says])"""
    declared = [found.declaration for found in registry.all()]
    databases = {alias: look_at(alias, declared) for alias in sorted(homes(declared))}
    tick = None if databases[known.home()].is_out else hot.last_tick(known.find(known.home()))
    told = tell(databases, tick, is_awaited=asking.is_redis() and any(each.is_hydrated for each in declared))
    return JsonResponse(told, status=200 if told["status"] == "ok" else 503)


def homes(declared: list[Declaration[..., Any]]) -> set[str]:
    """Give the databases that hold entries."""
    return {cold.alias_of(each) for each in declared} | {router.db_for_write(StatisticEntry), known.home()}


def look_at(alias: str, declared: list[Declaration[..., Any]]) -> Database:
    """Ask one table: a statement for what fails, and one for each statistic that is hydrated, answered by indexes."""
    here = [each for each in declared if cold.alias_of(each) == alias]
    failing = Q(statistic__in=[each.name for each in here], failures__gt=0)
    try:
        known.find(alias)
        number = StatisticEntry.objects.using(alias).filter(failing).count()
        ages = [oldest_of(alias, each) for each in here if each.is_hydrated]
    except Error:  # it is out, or has no tables: either way nothing can be proved
        return Database(is_out=True)
    return Database(is_out=False, oldest=min(filter(None, ages), default=None), failing=number)


def oldest_of(alias: str, declaration: Declaration[..., Any]) -> float | None:
    """Give when the oldest value of what is hydrated was computed. (Note [Whose age is told])"""
    rows = StatisticEntry.objects.using(alias).filter(statistic=declaration.name, schema=declaration.fingerprint)
    if not callable(declaration.hydrate) and len(declaration.fixed_grid) <= LISTED:
        rows = rows.filter(key__in=declaration.fixed_grid)
    oldest = rows.exclude(payload=None).aggregate(at=Min("computed_at"))["at"]
    return oldest.timestamp() if oldest else None


def tell(databases: dict[str, Database], tick: int | None, *, is_awaited: bool) -> dict[str, Any]:
    """Give what is found, and by name what is wrong."""
    now, conf = time(), settings()
    ages = [now - each.oldest for each in databases.values() if each.oldest is not None]
    problems = {
        **{f"database {alias}": each.is_out for alias, each in databases.items()},
        "cache": asking.breaker.is_open,
        "broker": queue.breaker.is_open,
        "tick": is_awaited and conf.ENABLED and conf.HYDRATION_ENABLED and (tick is None or is_late(tick)),
    }
    return {
        "status": "fail" if any(problems.values()) else "ok",
        "problems": [name for name, is_wrong in problems.items() if is_wrong],
        "tick_age": None if tick is None else max(0.0, now - tick),
        "breakers": {"cache": asking.breaker.is_open, "broker": queue.breaker.is_open},
        "oldest_hydrated_age": max(0.0, *ages) if ages else None,
        "failing_entries": sum(each.failing or 0 for each in databases.values()),
    }


# Note [What the status says]
# 503 means that a part is out: a database, the cache, the broker (as this process knows them), or the tick although
# something is to be hydrated and the cache is one that processes share. Answers are given all the same, so it is a
# reason to wake somebody and none to end a process. A function that fails is told of and is no reason: that is one
# statistic's, and everything else is well.

# Note [Whose age is told]
# A probe runs no code of the user's: a `hydrate=` that is a callable is not asked. Then, and where the grid is larger
# than one statement takes, the age is that of the oldest entry of the statistic, hydrated or read by somebody.
