"""Which statistics a user may see: what `visible_to` hides is hidden wherever the admin could tell of it."""

from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from statistics_cache.api import registry
from statistics_cache.declaration import Declaration
from statistics_cache.models import StatisticEntry

Declarations = dict[str, Declaration[..., Any]]
MEMO = "_statistics_visible"  # on the request: `visible_to` is a user's code, and is asked once


def visible_declarations(request: HttpRequest) -> Declarations:
    """Give the statistics that the user of a request may see, by name."""
    memo = vars(request)
    if MEMO not in memo:
        declared = (found.declaration for found in registry.all())
        memo[MEMO] = {each.name: each for each in declared if each.is_visible_to(getattr(request, "user", None))}
    found: Declarations = memo[MEMO]
    return found


def visible_entries(request: HttpRequest) -> QuerySet[StatisticEntry]:
    """Give the rows that the user of a request may see, those of statistics that nobody declares included."""
    hidden = sorted(registry.named.keys() - visible_declarations(request).keys())
    entries = StatisticEntry.objects.using(home())
    return entries.exclude(statistic__in=hidden) if hidden else entries


def home() -> str:
    """Give the database whose rows the admin lists: where the router writes them."""
    return router.db_for_write(StatisticEntry)
