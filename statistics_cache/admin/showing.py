"""What the admin shows of rows: each judged as a read would, all of a page together."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.http import HttpRequest

from statistics_cache.cold.changelog import all_scopes
from statistics_cache.cold.history import Causes, find_causes
from statistics_cache.cold.rows import read_variant, seconds_of
from statistics_cache.conf import limits_of
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Limits
from statistics_cache.hot.counters import Counts, keys_of, read_counts
from statistics_cache.models import StatisticEntry
from statistics_cache.peeking import Look, look_together
from statistics_cache.visibility import Declarations, visible_declarations

from .visibility import home
from .words import empty_because, orphaned_because, since, why

ATTRIBUTE = "_statistics_shown"


@dataclass(frozen=True)
class Current:
    """A row that calls can mean: its declaration and variant, how it stands, and its limits."""

    declaration: Declaration[..., Any]
    variant: Variant
    look: Look
    bounds: Limits

    def age_of(self, computed_at: datetime) -> float:
        """Give the seconds since a time, not below 0, at the moment at which the state was judged."""
        return max(0.0, self.look.read.at - seconds_of(computed_at))

    @property
    def changed_after(self) -> float | None:
        """Give how many seconds after the compute its source first changed; None while nothing has."""
        copy, _, _, read, proof = self.look
        if copy is None or copy.database == proof.database:
            return None
        return max(0.0, proof.moves.first_since(copy.computed_at, read.at) - copy.computed_at)

    @property
    def since(self) -> str:
        """Say when its source changed, and when it may be refreshed next, where that was declared."""
        copy, state, reason, read, proof = self.look
        if copy is None or state is None or reason != "source":
            return ""
        changed = read.at - proof.moves.first_since(copy.computed_at, read.at)
        early = copy.computed_at + self.declaration.floor(copy.cost) - read.at
        return since(self.declaration, state, changed, early)


@dataclass(frozen=True)
class Shown:
    """How one row stands: a state, why it is not fresh, and the rest for a row that calls can mean."""

    state: str
    why: str
    current: Current | None


class Page(NamedTuple):
    """Rows with how they stand, when the last tick ended (None: unknown), and how often statistics were read."""

    rows: list[StatisticEntry]
    tick: int | None
    counts: dict[str, Counts]


def judge_page(rows: Sequence[StatisticEntry], request: HttpRequest) -> Page:
    """Judge rows: one cache round trip, one statement, and two more where a source has changed."""
    declarations = visible_declarations(request)
    pairs = {row.pk: pair for row in rows if (pair := pair_of(row, declarations))}
    looks, tick, numbers = look_together(list(pairs.values()), keys_of(declarations))
    current = {
        pk: Current(*pair, look, limits_of(*pair)) for (pk, pair), look in zip(pairs.items(), looks, strict=True)
    }
    changed = [each for each in current.values() if each.look.reason == "source"]
    causes = find_causes(
        home(),
        {each.declaration.name for each in changed},
        {scope for each in changed for scope in all_scopes(each.variant)},
    )
    for row in rows:
        vars(row)[ATTRIBUTE] = show(row, current.get(row.pk), declarations, causes)
    return Page(list(rows), tick, read_counts(declarations, numbers))


def newest_cause(causes: Causes, statistic: str, variant: Variant) -> str:
    """Say what last changed an entry; nothing if nothing is known."""
    known = [causes[statistic, scope] for scope in all_scopes(variant) if (statistic, scope) in causes]
    return max(known).text if known else ""


def pair_of(row: StatisticEntry, declarations: Declarations) -> tuple[Declaration[..., Any], Variant] | None:
    """Give the variant that a row is of; None for an orphan."""
    declaration = declarations.get(row.statistic)
    if declaration is None or declaration.fingerprint != row.schema:
        return None
    variant = read_variant(declaration, row.key, row.params)
    return (declaration, variant) if variant else None


def show(row: StatisticEntry, current: Current | None, declarations: Declarations, causes: Any) -> Shown:
    """Put what is known of one row together."""
    if current is None:
        return Shown("orphaned", orphaned_because(declarations.get(row.statistic), row.schema), None)
    look = current.look
    if look.state is None:
        return Shown("empty", empty_because(is_computed=row.computed_at is not None, failures=row.failures), current)
    cause = newest_cause(causes, row.statistic, current.variant)
    return Shown(look.state, why(look.state, look.reason, current.bounds, cause, current.since), current)


def shown(row: StatisticEntry) -> Shown:
    """Give how a row of a judged page stands."""
    found: Shown = vars(row)[ATTRIBUTE]
    return found
