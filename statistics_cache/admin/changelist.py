"""The list of entries: each page judged as a whole, and pages that open at once however many rows there are."""

from functools import cached_property
from typing import Any

from django.contrib.admin.options import IS_FACETS_VAR
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils.translation import gettext as _

from statistics_cache.models import StatisticEntry

from .filters import StatisticFilter
from .overview import LIMIT, Octets, overview_of
from .showing import judge_page
from .sorting import order_of

PREVIEW = 90  # characters of a value


class EntryPaginator(Paginator):  # type: ignore[type-arg]  # at run time it takes none
    """Pages over any number of rows: a count stops at 50,000; that of the whole table is then an estimate."""

    is_large = False  # whether the whole table is known to hold more

    @cached_property
    def count(self) -> int:
        """Give the number of rows, exact up to 50,000."""
        rows: QuerySet[StatisticEntry] = self.object_list  # type: ignore[assignment]
        if self.is_large and not rows.query.where:
            return max(LIMIT, table_size(rows))
        found = rows.order_by().values("pk")[: LIMIT + 1].count()
        return min(found, LIMIT)

    @property
    def is_estimate(self) -> bool:
        """Tell whether there are more rows than were counted."""
        return self.count >= LIMIT


def table_size(rows: QuerySet[StatisticEntry]) -> int:
    """Estimate the rows of the table: what the database's statistics say, else the range of primary keys."""
    connection = connections[rows.db]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [rows.model._meta.db_table]
            )
            found = cursor.fetchone()
        if found and found[0] > 0:
            return int(found[0])
    keys = rows.model.objects.using(rows.db).values_list("pk", flat=True)
    first, last = keys.order_by("pk").first(), keys.order_by("-pk").first()  # one aggregate of both reads every row
    return last - first + 1 if first and last else 0


class EntryList(ChangeList):
    """A page of entries with how each stands."""

    def __init__(self, request: HttpRequest, *arguments: Any) -> None:
        """Show counts beside filters: always up to 50,000 rows, above that when asked."""
        self.is_small = overview_of(request).is_small
        super().__init__(request, *arguments)
        self.is_counted = self.is_small or IS_FACETS_VAR in request.GET
        self.add_facets = self.is_counted
        self.is_facets_optional = not self.is_small
        self.title = _("Statistics")

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[StatisticEntry]) -> Any:
        """Give the order that was chosen, else what is wrong first; above 50,000 rows by key, as an index has it."""
        own = [] if self.params.get(ORDER_VAR) else order_of(overview_of(request))
        return own or super().get_ordering(request, queryset)

    def get_ordering_field_columns(self) -> dict[int, Any]:
        """Mark the columns that the list is in the order of: none where it is in that of urgency."""
        is_own = self.is_small and not self.params.get(ORDER_VAR)
        return {} if is_own else super().get_ordering_field_columns()

    def get_results(self, request: HttpRequest) -> None:
        """Read a page, without the values but for their beginnings, and judge its rows."""
        self.chosen = self.queryset.order_by()
        self.queryset = self.queryset.defer("payload").annotate(
            preview=Left("payload", PREVIEW), octets=Octets("payload")
        )
        super().get_results(request)
        self.result_list, self.tick, counts = judge_page(list(self.result_list), request)
        self.counts = {name: each for name, each in counts.items() if self.is_among(name)}

    @property
    def is_narrowed(self) -> bool:
        """Tell whether a filter or the search leaves rows out."""
        return bool(self.get_filters_params() or self.query)

    @cached_property
    def chosen_rows(self) -> dict[int, str] | None:
        """Give the statistic of each row that is left by its primary key; None where all are, or too many to read."""
        return dict(self.chosen.values_list("pk", "statistic")) if self.is_narrowed and self.is_small else None

    @cached_property
    def chosen_names(self) -> set[str] | None:
        """Give the statistics of the rows that are left; None where they may be of any."""
        if self.chosen_rows is not None:
            return set(self.chosen_rows.values())
        named = self.params.get(StatisticFilter.parameter_name)
        return {named} if named else None

    def is_among(self, name: str) -> bool:
        """Tell whether the list may hold rows of a statistic."""
        return self.chosen_names is None or name in self.chosen_names

    def link(self, **chosen: str) -> str:
        """Give where a filter leads from here: what else is chosen and searched for stays."""
        query: str = self.get_query_string(chosen)
        return query
