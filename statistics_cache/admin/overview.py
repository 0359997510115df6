"""How many entries are in which state: exact up to 50,000 rows, above that by their indexed age."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from time import time
from typing import Any, Literal, NamedTuple

from django.db import connections
from django.db.models import Avg, Func, IntegerField, Q, Sum
from django.db.models.expressions import RawSQL
from django.http import HttpRequest

from statistics_cache.cold.changelog import Totals, add_up, cleared_before
from statistics_cache.cold.proving import Moves, all_totals, moves_of
from statistics_cache.cold.rows import SCOPE_SEPARATOR, read_variant, seconds_of, time_for
from statistics_cache.conf import limits, limits_of_key, settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import CLEARED, INVALIDATED
from statistics_cache.entry import CLOCK_TOLERANCE, Generations, State
from statistics_cache.visibility import Declarations, visible_declarations

from .visibility import home, visible_entries

LIMIT = 50_000  # rows that are judged one by one, which takes about half a second
STOP = 10_000  # where the count of one state stops when there are more: a few milliseconds each
MAX_SCOPES = 200_000  # sums read for that
MEMO = "_statistics_overview"
COLUMNS = ("pk", "statistic", "schema", "key", "scopes", "params", "generation", "epoch", "computed_at", "failures")
LISTS = {  # a list of keys as one argument: a statement takes fewer arguments than there are rows
    ("sqlite", "bigint"): "SELECT value FROM json_each(%s)",
    ("sqlite", "text"): "SELECT value FROM json_each(%s)",
    ("postgresql", "bigint"): "SELECT jsonb_array_elements_text(%s::jsonb)::bigint",
    ("postgresql", "text"): "SELECT jsonb_array_elements_text(%s::jsonb)",
}
JUDGED = ("fresh", "stale", "expired", "empty", "orphaned")


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
        for pk, state, is_failing in judge_rows(
            self.entries.values_list(*COLUMNS), self.declarations, totals, self.now
        ):
            found[state].append(pk)
            if is_failing:
                found["failing"].append(pk)
        return found

    def condition(self, state: str) -> Q:
        """Give the rows in a state: exactly, or by age."""
        if self.judged is not None:
            return Q(pk__in=listed(self.judged[state], home(), "bigint"))
        return by_age(self.declarations, self.now)[state]

    def count(self, state: str, *, full: bool = False) -> tuple[int, bool]:
        """Give a number of rows, and whether there are more: a count that is not full stops early."""
        if self.judged is not None:
            return len(self.judged[state]), False
        rows = self.entries.filter(self.condition(state)).values("pk")
        if full:
            return rows.count(), False
        found = rows[: STOP + 1].count()
        return min(found, STOP), found > STOP

    def mean_costs(self) -> dict[str, float]:
        """Give the mean seconds that a stored value of each statistic took, which reads every row."""
        computed = self.entries.exclude(computed_at=None)  # what only ever failed has a cost of 0
        return dict(computed.order_by().values_list("statistic").annotate(mean=Avg("cost")))

    def octets(self) -> int:
        """Give the bytes of all values, which reads every row."""
        return self.entries.aggregate(total=Sum(Octets("payload")))["total"] or 0


def overview_of(request: HttpRequest) -> Overview:
    """Give the overview of a request, made once."""
    memo = vars(request)
    if MEMO not in memo:
        memo[MEMO] = Overview(request)
    found: Overview = memo[MEMO]
    return found


def judge_rows(
    rows: Iterable[Any], declarations: Declarations, totals: Totals, now: float
) -> Iterator[tuple[int, str, bool]]:
    """Give each row's state, as the database proves it, and whether its last compute failed."""
    sums = Sums(totals)
    for pk, statistic, schema, key, scopes, params, generation, epoch, computed_at, failures in rows:
        declaration = declarations.get(statistic)
        if declaration is None or declaration.fingerprint != schema:
            yield pk, "orphaned", failures > 0
            continue
        current, before, moves = sums.of(declaration, key, scopes, params)
        if computed_at is None or epoch != current.epoch or (at := seconds_of(computed_at)) < before:
            yield pk, "empty", failures > 0
            continue
        is_current = generation == current.generation
        state = state_of(declaration, key, now - at, is_current=is_current)
        if state == "stale" and not is_current and moves.left_of(declaration, at, now) <= 0.0:
            state = "expired"
        yield pk, state, failures > 0


class Known(NamedTuple):
    """The generations of a row, before which moment all was cleared, and when its scopes moved."""

    current: Generations
    before: float
    moves: Moves


class Sums:
    """The generations of rows, added up once for all rows of the same scopes where no part was ever cleared alone."""

    def __init__(self, totals: Totals) -> None:
        """Note of which statistics a part was."""
        self.totals = totals
        self.parted = {name for name, scope in totals if scope.startswith((CLEARED, INVALIDATED))}
        self.known: dict[tuple[str, str], Known] = {}

    def of(self, declaration: Declaration[..., Any], key: str, scopes: str, params: str) -> Known:
        """Give what a row belongs to."""
        name = declaration.name
        if name in self.parted and (variant := read_variant(declaration, key, params)) is not None:
            return self.add_up(name, variant)
        if (name, scopes) not in self.known:
            own = tuple(scope for scope in scopes.split(SCOPE_SEPARATOR) if scope)
            self.known[name, scopes] = self.add_up(name, Variant({}, key, own))
        return self.known[name, scopes]

    def add_up(self, name: str, variant: Variant) -> Known:
        """Add up what an entry belongs to."""
        moves = moves_of(home(), self.totals, name, variant)
        return Known(add_up(self.totals, name, variant), cleared_before(self.totals, name, variant), moves)


def state_of(declaration: Declaration[..., Any], key: str, age: float, *, is_current: bool) -> State:
    """Give what `judge` gives of a row, at a third of the price: jitter is looked at only where it decides."""
    ttl, stale_ttl, proof = limits(declaration)
    if age >= stale_ttl or -age > max(proof, CLOCK_TOLERANCE):
        return "expired"
    if age < -CLOCK_TOLERANCE or not is_current or age >= ttl:
        return "stale"
    is_young = age < ttl * (1.0 - settings().JITTER) or age < limits_of_key(declaration, key).ttl
    return "fresh" if is_young else "stale"


def by_age(declarations: Declarations, now: float) -> dict[str, Q]:
    """Give a condition for each state that an index answers: age alone, without jitter, sources and clearing."""
    alike: dict[tuple[float, float], list[str]] = defaultdict(list)
    for declaration in declarations.values():
        bounds = limits(declaration)
        alike[bounds.ttl, bounds.stale_ttl].append(declaration.name)
    found = {state: Q(pk__in=[]) for state in JUDGED}
    for (ttl, stale_ttl), names in alike.items():
        young, servable, ahead = (
            time_for(now - ttl),
            time_for(now - stale_ttl),
            time_for(now + settings().PROOF_INTERVAL),
        )
        found["fresh"] |= Q(statistic__in=names, computed_at__gt=young, computed_at__lte=ahead)
        found["stale"] |= Q(statistic__in=names, computed_at__lte=young, computed_at__gt=servable)
        found["expired"] |= Q(statistic__in=names, computed_at__lte=servable)
        found["expired"] |= Q(statistic__in=names, computed_at__gt=ahead)
    found["empty"] = Q(statistic__in=list(declarations), computed_at=None)
    found["orphaned"] = ~Q(statistic__in=list(declarations))
    for declaration in declarations.values():
        found["orphaned"] |= Q(statistic=declaration.name) & ~Q(schema=declaration.fingerprint)
    return found | {"failing": Q(failures__gt=0)}


def listed(keys: Collection[int] | Collection[str], alias: str, kind: Literal["bigint", "text"]) -> Any:
    """Give keys as the right side of `__in` in a statement to a database."""
    sql = LISTS.get((connections[alias].vendor, kind))
    return RawSQL(sql, [json.dumps(list(keys))]) if sql else list(keys)  # noqa: S611  (constant text; keys are bound)
