"""Which statistics a user may see: what `visible_to` hides is hidden wherever the admin could tell of it."""

from typing import Any

from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from statistics_cache.api import registry
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.models import StatisticEntry
from statistics_cache.signals import visibility_failed

Declarations = dict[str, Declaration[..., Any]]
MEMO = "_statistics_visible"  # on the request: `visible_to` is a user's code, and is asked once


def visible_declarations(request: HttpRequest) -> Declarations:
    """Give the statistics that the user of a request may see, by name."""
    memo = vars(request)
    if MEMO not in memo:
        declared = (found.declaration for found in registry.all())
        user = getattr(request, "user", None)
        memo[MEMO] = {each.name: each for each in declared if is_visible(each, user)}
    found: Declarations = memo[MEMO]
    return found


def is_visible(declaration: Declaration[..., Any], user: Any) -> bool:
    """Tell whether a user may see a statistic; where `visible_to` raises, nobody may, and that is told."""
    try:
        return declaration.is_visible_to(user)
    except Exception as error:  # noqa: BLE001  (a user's code: a fault in it hides one statistic, and breaks no page)
        visibility_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
        return False


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
