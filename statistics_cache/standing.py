"""How entries stand, judged by their rows alone: as the database proves them, or by their indexed age."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from time import time
from typing import Any, NamedTuple

from django.db.models import Count, Q

from .cold.changelog import Totals, add_up, cleared_before
from .cold.proving import Moves, all_totals, moves_of
from .cold.rows import SCOPE_SEPARATOR, read_variant, seconds_of, time_for
from .conf import limits, limits_of_key, settings
from .declaring.declaration import Declaration, Variant
from .declaring.keys import CLEARED, INVALIDATED
from .entry import CLOCK_TOLERANCE, Generations, State
from .models import StatisticEntry

Declarations = Mapping[str, Declaration[..., Any]]

MAX_SCOPES = 200_000  # sums read to judge rows by
COLUMNS = ("pk", "statistic", "schema", "key", "scopes", "params", "generation", "epoch", "computed_at", "failures")
JUDGED = ("fresh", "stale", "expired", "empty", "orphaned")


def count_states(alias: str, declarations: Declarations, limit: int) -> Counter[tuple[str, str]]:
    """Count the entries of each statistic in each state: exactly up to a number of rows, above that by age."""
    rows = StatisticEntry.objects.using(alias).filter(statistic__in=list(declarations))
    counts = Counter(dict.fromkeys(((name, state) for name in declarations for state in JUDGED), 0))
    is_small = rows.values("pk")[: limit + 1].count() <= limit
    totals = all_totals(alias, list(declarations), MAX_SCOPES) if is_small else None
    if totals is None:
        for state in JUDGED:
            chosen = rows.filter(by_age(declarations, time())[state])
            for name, number in chosen.order_by().values_list("statistic").annotate(Count("pk")):
                counts[name, state] = number
        return counts
    counts.update(
        (each.statistic, each.state)
        for each in judge_rows(alias, rows.values_list(*COLUMNS), declarations, totals, time())
    )
    return counts


class Judged(NamedTuple):
    """What a row is worth, and whether its last compute failed."""

    pk: int
    statistic: str
    state: str
    is_failing: bool


def judge_rows(
    alias: str, rows: Iterable[Any], declarations: Declarations, totals: Totals, now: float
) -> Iterator[Judged]:
    """Give each row's state, as its database proves it, and whether its last compute failed."""
    sums = Sums(alias, totals)
    for pk, statistic, schema, key, scopes, params, generation, epoch, computed_at, failures in rows:
        declaration = declarations.get(statistic)
        if declaration is None or declaration.fingerprint != schema:
            yield Judged(pk, statistic, "orphaned", failures > 0)
            continue
        current, before, moves = sums.of(declaration, key, scopes, params)
        if computed_at is None or epoch != current.epoch or (at := seconds_of(computed_at)) < before:
            yield Judged(pk, statistic, "empty", failures > 0)
            continue
        is_current = generation == current.generation
        state = state_of(declaration, key, now - at, is_current=is_current)
        if state == "stale" and not is_current and moves.left_of(declaration, at, now) <= 0.0:
            state = "expired"
        yield Judged(pk, statistic, state, failures > 0)


class Known(NamedTuple):
    """The generations of a row, before which moment all was cleared, and when its scopes moved."""

    current: Generations
    before: float
    moves: Moves


class Sums:
    """The generations of rows, added up once for all rows of the same scopes where no part was ever cleared alone."""

    def __init__(self, alias: str, totals: Totals) -> None:
        """Note of which statistics a part was."""
        self.alias, self.totals = alias, totals
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
        moves = moves_of(self.alias, self.totals, name, variant)
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
