"""Which rows a user may see: those of statistics that `visible_to` hides are hidden wherever the admin could tell."""

from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from statistics_cache.api import registry
from statistics_cache.models import StatisticEntry
from statistics_cache.visibility import visible_declarations


def visible_entries(request: HttpRequest) -> QuerySet[StatisticEntry]:
    """Give the rows that the user of a request may see.

    Those of statistics that nobody declares any more are a superuser's: whom `visible_to` kept from them is not known.
    """
    shown = visible_declarations(request)
    entries = StatisticEntry.objects.using(home())
    if not getattr(request, "user", None) or not request.user.is_superuser:
        return entries.filter(statistic__in=sorted(shown))
    hidden = sorted(registry.named.keys() - shown.keys())
    return entries.exclude(statistic__in=hidden) if hidden else entries


def home() -> str:
    """Give the database whose rows the admin lists: where the router writes them."""
    return router.db_for_write(StatisticEntry)
