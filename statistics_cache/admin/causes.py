"""What last changed a scope: from the log, and from the sums that the log was folded into."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from django.db.models import Max

from statistics_cache.cold.changelog import all_scopes
from statistics_cache.declaring.declaration import Variant
from statistics_cache.models import StatisticInvalidation, StatisticScope


class Cause(NamedTuple):
    """When a scope changed, and what did it."""

    at: datetime
    text: str


Causes = dict[tuple[str, str], Cause]  # by statistic and scope


def find_causes(alias: str, statistics: Collection[str], scopes: Collection[str]) -> Causes:
    """Give the newest cause of each scope that ever moved, in two statements."""
    wanted = {"statistic__in": sorted(statistics), "scope__in": sorted(scopes)}
    if not statistics:
        return {}
    folded = StatisticScope.objects.using(alias).filter(**wanted).exclude(changed_at=None)
    logged = StatisticInvalidation.objects.using(alias)
    newest = logged.filter(**wanted).values("statistic", "scope").annotate(last=Max("pk")).values("last")
    found: Causes = {}
    rows = [
        *folded.values_list("statistic", "scope", "changed_at", "last_cause"),
        *logged.filter(pk__in=newest).values_list("statistic", "scope", "created_at", "cause"),
    ]
    for statistic, scope, at, text in rows:
        if at is not None:
            found[statistic, scope] = max(found.get((statistic, scope), Cause(at, text)), Cause(at, text))
    return found


def newest_cause(causes: Causes, statistic: str, variant: Variant) -> str:
    """Say what last changed an entry; nothing if nothing is known."""
    known = [causes[statistic, scope] for scope in all_scopes(variant) if (statistic, scope) in causes]
    return max(known).text if known else ""
