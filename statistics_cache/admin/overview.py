"""How many entries are in which state: exact up to 50,000 rows, above that by their indexed age."""

import json
from collections.abc import Collection
from functools import cached_property
from time import time
from typing import Any, Literal

from django.db import connections
from django.db.models import Avg, Func, IntegerField, Q, QuerySet, Sum
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from statistics_cache.cold.proving import all_totals
from statistics_cache.models import StatisticEntry
from statistics_cache.standing import COLUMNS, JUDGED, MAX_SCOPES, by_age, judge_rows
from statistics_cache.visibility import visible_declarations

from .visibility import home, visible_entries

LIMIT = 50_000  # rows that are judged one by one, which takes about half a second
STOP = 10_000  # where the count of one state stops when there are more: a few milliseconds each
MEMO = "_statistics_overview"
LISTS = {  # a list of keys as one argument: a statement takes fewer arguments than there are rows
    ("sqlite", "bigint"): "SELECT value FROM json_each(%s)",
    ("sqlite", "text"): "SELECT value FROM json_each(%s)",
    ("postgresql", "bigint"): "SELECT jsonb_array_elements_text(%s::jsonb)::bigint",
    ("postgresql", "text"): "SELECT jsonb_array_elements_text(%s::jsonb)",
}


class Octets(Func):
    """The size of a text in bytes."""

    function = "OCTET_LENGTH"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """Count bytes where the database has no function of that name."""
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **context)


class Overview:
    """The states of all entries that a user may see, as they were when the request came."""

    def __init__(self, request: HttpRequest) -> None:
        """Count up to the limit."""
        self.entries = visible_entries(request)
        self.declarations = visible_declarations(request)
        self.now = time()
        self.number = self.entries.values("pk")[: LIMIT + 1].count()

    @property
    def is_small(self) -> bool:
        """Tell whether there are few enough rows to look at each."""
        return self.number <= LIMIT

    @cached_property
    def judged(self) -> dict[str, list[int]] | None:
        """Give the rows in each state, and those that fail; None where there are too many to look at each."""
        if not self.is_small:
            return None
        totals = all_totals(home(), list(self.declarations), MAX_SCOPES)
        if totals is None:
            return None
        found: dict[str, list[int]] = {state: [] for state in (*JUDGED, "failing")}
        rows = self.entries.values_list(*COLUMNS)
        for pk, _, state, is_failing in judge_rows(home(), rows, self.declarations, totals, self.now):
            found[state].append(pk)
            if is_failing:
                found["failing"].append(pk)
        return found

    def condition(self, state: str) -> Q:
        """Give the rows in a state: exactly, or by age."""
        if self.judged is not None:
            return Q(pk__in=listed(self.judged[state], home(), "bigint"))
        return by_age(self.declarations, self.now)[state]

    def count(self, state: str) -> tuple[int, bool]:
        """Count rows by age, and tell whether there are more: it stops early."""
        found = self.entries.filter(self.condition(state)).values("pk")[: STOP + 1].count()
        return min(found, STOP), found > STOP

    def mean_costs(self) -> dict[str, float]:
        """Give the mean seconds that a stored value of each statistic took, which reads every row."""
        computed = self.entries.exclude(computed_at=None)  # what only ever failed has a cost of 0
        return dict(computed.order_by().values_list("statistic").annotate(mean=Avg("cost")))

    def octets(self, rows: QuerySet[StatisticEntry]) -> int:
        """Give the bytes of the values of some rows, which reads each."""
        return rows.aggregate(total=Sum(Octets("payload")))["total"] or 0


def overview_of(request: HttpRequest) -> Overview:
    """Give the overview of a request, made once."""
    memo = vars(request)
    if MEMO not in memo:
        memo[MEMO] = Overview(request)
    found: Overview = memo[MEMO]
    return found


def listed(keys: Collection[int] | Collection[str], alias: str, kind: Literal["bigint", "text"]) -> Any:
    """Give keys as the right side of `__in` in a statement to a database."""
    sql = LISTS.get((connections[alias].vendor, kind))
    return RawSQL(sql, [json.dumps(list(keys))]) if sql else list(keys)  # noqa: S611  (constant text; keys are bound)
