"""The filters of the list; what a user may not see is no choice and in no count."""

from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from statistics_cache.models import StatisticEntry
from statistics_cache.standing import JUDGED
from statistics_cache.visibility import visible_declarations

from .overview import overview_of
from .words import STATES

Choices = list[tuple[str, str]]


class ChoiceFilter(SimpleListFilter):
    """A filter that refuses what is none of its choices."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[StatisticEntry]) -> QuerySet[StatisticEntry] | None:
        """Give the rows of the choice."""
        chosen = self.value()
        if chosen is None:
            return None
        if chosen not in dict(self.lookup_choices):
            raise IncorrectLookupParameters(f"{self.parameter_name} is {chosen!r}")
        return queryset.filter(self.condition(request, chosen))

    def get_facet_counts(self, pk_attname: str, filtered_qs: Any) -> dict[str, Count]:
        """Count the rows of each choice in one pass."""
        return {
            f"{at}__c": Count(pk_attname, filter=self.condition(self.request, chosen))
            for at, (chosen, _) in enumerate(self.lookup_choices)
        }

    def condition(self, request: HttpRequest, chosen: str) -> Q:
        """Give what rows of a choice have in common."""
        raise NotImplementedError


class StateFilter(ChoiceFilter):
    """Exact up to 50,000 rows; above that by age alone, and named so."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Name the states."""
        suffix = "" if overview_of(request).is_small else " " + _("by age")
        return [
            (each, str(STATES[each]) + (suffix if each in ("fresh", "stale", "expired") else "")) for each in JUDGED
        ]

    def condition(self, request: HttpRequest, chosen: str) -> Q:
        """Give the rows in a state."""
        return overview_of(request).condition(chosen)


class StatisticFilter(ChoiceFilter):
    """By declared statistic; rows of others are orphaned."""

    title = gettext_lazy("statistic")
    parameter_name = "statistic"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Name the statistics that the user may see."""
        return [(name, name) for name in visible_declarations(request)]

    def condition(self, request: HttpRequest, chosen: str) -> Q:
        """Give the rows of a statistic."""
        return Q(statistic=chosen)


class ErrorFilter(ChoiceFilter):
    """By whether the last compute failed."""

    title = gettext_lazy("last compute")
    parameter_name = "error"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        """Name both."""
        return [("yes", _("Failed")), ("no", _("Succeeded"))]

    def condition(self, request: HttpRequest, chosen: str) -> Q:
        """Give the rows that fail, or do not."""
        return Q(failures__gt=0) if chosen == "yes" else Q(failures=0)


PARAMETERS = {filter_.parameter_name for filter_ in (StateFilter, StatisticFilter, ErrorFilter)} | {
    f"computed_at__{lookup}" for lookup in ("gte", "lt", "isnull")
}
