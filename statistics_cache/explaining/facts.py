"""What is known of one variant: what is stored, by whom, what changed since, what the next read does, what comes next.

Looks as a peek does: promotes, computes and changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from statistics_cache import judging, reading, upkeep
from statistics_cache.changing.watching import models_of
from statistics_cache.cold import history
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import all_scopes
from statistics_cache.cold.proving import Proof
from statistics_cache.cold.transactions import is_dirty
from statistics_cache.conf import limits_of, may_serve, settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import CLOCK_TOLERANCE, Copy, Found, Limits, Reason, State, lasting, moment
from statistics_cache.hot import asking
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from statistics_cache.peeking import Peek, peek_many

MOST = 1_000  # changes that are looked at
NextRead = Literal["hot", "proved", "stale", "computes", "fails", "raises", "disabled", "inside", "transaction", "live"]
Refresher = Literal["tick", "perhaps the tick", "worker", "reader", "nobody"]


@dataclass(frozen=True, slots=True)
class Change:
    """So many changes of a scope by one cause, and when the last was; without a cause several."""

    scope: str
    cause: str
    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class HotCopy:
    """What Redis holds: whether its tokens are those of now, and whether that is believed without asking the table."""

    computed_at: datetime
    proved_at: datetime
    are_equal: bool
    is_believed: bool


@dataclass(frozen=True, slots=True)
class ColdCopy:
    """What the table holds: whether the database proves it current, and whether it was cleared."""

    computed_at: datetime
    is_current: bool
    is_cleared: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """The story of one variant.

    `by` is who computed it: read, worker, tick, command, or empty where nobody knows; `why` is for what: missing, a
    reason of being stale, refresh, set. `changes` are those since the compute, the newest first. `asks_at` is from when
    on a read has a worker asked, None if it has not; `refresh_at` from when on `refresher` has it computed.
    """

    statistic: str
    parameters: str
    at: datetime
    ttl: timedelta
    stale_ttl: timedelta
    changed_ttl: timedelta | None
    sources: tuple[str, ...]
    state: State | Literal["missing"]
    reason: Reason | None = None
    computed_at: datetime | None = None
    age: timedelta | None = None
    cost: timedelta | None = None
    by: str = ""
    why: str = ""
    is_changed: bool = False
    changes: tuple[Change, ...] = ()
    next_read: NextRead = "computes"
    asks_at: datetime | None = None
    refresher: Refresher = "nobody"
    refresh_at: datetime | None = None
    is_database_out: bool = False
    is_cache_out: bool = False
    hot: HotCopy | None = None
    cold: ColdCopy | None = None
    failures: int = 0
    last_error: str = ""
    retry_at: datetime | None = None


def facts_of(declaration: Declaration[..., Any], variant: Variant) -> Facts:
    """Gather what is known of a variant. What it holds is not told, whoever asks."""
    peek = peek_many(declaration, [variant])[0]
    bounds, now = limits_of(declaration, variant), peek.read.at
    special = special_read(declaration, peek.proof)
    found = None if special == "live" else peek.found
    if found and special == "transaction" and found.state != "expired":
        found = found._replace(state="stale", reason="transaction")
    asks_at = asks_from(declaration, peek, found) if special is None else None
    refresher, refresh_at = refresh_of(declaration, variant, peek, found)
    row = peek.row
    by, why = made_by(declaration, variant, found) if found and peek.proof else ("", "")
    is_changed = bool(found and peek.proof and found.copy.database != peek.proof.database)
    return Facts(
        statistic=declaration.name,
        parameters=variant.json,
        at=moment(now),
        ttl=lasting(bounds.ttl),
        stale_ttl=lasting(bounds.stale_ttl),
        changed_ttl=declaration.changed_ttl,
        sources=tuple(sorted(model._meta.label for model in models_of(declaration))),
        state=found.state if found else "missing",
        reason=found.reason if found else None,
        computed_at=moment(found.copy.computed_at) if found else None,
        age=lasting(found.copy.age(now)) if found else None,
        cost=lasting(found.copy.cost) if found else None,
        by=by,
        why=why,
        is_changed=is_changed,
        changes=changes_since(declaration, variant, found.copy) if found and is_changed else (),
        next_read=special or next_read_of(declaration, peek, found, bounds),
        asks_at=None if asks_at is None else moment(asks_at),
        refresher=refresher,
        refresh_at=None if refresh_at is None else moment(refresh_at),
        is_database_out=peek.proof is None,
        is_cache_out=asking.breaker.is_open,
        hot=hot_of(peek.read, bounds),
        cold=cold_of(peek.proof),
        failures=row.failures if row else 0,
        last_error=row.last_error if row else "",
        retry_at=moment(row.retry_at) if row and row.retry_at is not None and is_blocked(peek) else None,
    )


def special_read(declaration: Declaration[..., Any], proof: Proof | None) -> NextRead | None:
    """Say why a read would be live here whatever is stored; None where it would be like any other."""
    if not settings().ENABLED:
        return "disabled"
    way = reading.other_search(declaration, settings())
    if way is reading.search_inside:
        return "inside"
    if is_dirty(cold.alias_of(declaration), declaration.name):
        return "transaction"
    is_unaccounted = way is reading.search_nothing or (proof is not None and not proof.is_checked)
    return "live" if is_unaccounted else None


def next_read_of(
    declaration: Declaration[..., Any], peek: Peek[Any], found: Found[Any] | None, bounds: Limits
) -> NextRead:
    """Say what a call would do now."""
    if found and found.state == "fresh":
        return "hot" if is_hot(declaration, peek, found, bounds) else "proved"
    if found and gives_stale(declaration, found):
        return "stale"
    if peek.proof is None:
        return "raises"
    return "fails" if is_blocked(peek) else "computes"


def gives_stale(declaration: Declaration[..., Any], found: Found[Any]) -> bool:
    """Tell whether a call gives what is not fresh."""
    lacks = found.is_changed and declaration.consistency == "committed"
    return not lacks and found.reason != "transaction" and may_serve(declaration, found)


def is_hot(declaration: Declaration[..., Any], peek: Peek[Any], found: Found[Any], bounds: Limits) -> bool:
    """Tell whether a call takes the hot copy without asking the table."""
    copy, way = peek.read.copy, reading.other_search(declaration, settings())
    return way is None and copy is not None and copy == found.copy and judging.believed(copy, peek.read, bounds)


def is_blocked(peek: Peek[Any]) -> bool:
    """Tell whether the last compute failed and is not to be tried yet."""
    row, proof = peek.row, peek.proof
    return bool(row and proof and row.is_blocked(proof.database.generation, peek.read.at))


def asks_from(declaration: Declaration[..., Any], peek: Peek[Any], found: Found[Any] | None) -> float | None:
    """Give from when on a read that is given a stale value has a worker asked; None where none is."""
    if not found or found.state == "fresh" or not gives_stale(declaration, found) or found.reason == "unproven":
        return None
    if is_blocked(peek) and peek.row:
        return peek.row.retry_at
    return max(peek.read.at, found.copy.computed_at + declaration.floor(found.copy.cost))


def refresh_of(
    declaration: Declaration[..., Any], variant: Variant, peek: Peek[Any], found: Found[Any] | None
) -> tuple[Refresher, float | None]:
    """Say who has it computed next, and from when on."""
    now, bounds = peek.read.at, limits_of(declaration, variant)
    if not settings().ENABLED or peek.proof is None:
        return "nobody", None
    blocked = peek.row.retry_at if is_blocked(peek) and peek.row else None
    if keeper := keeper_of(declaration, variant):
        return keeper, max(now, blocked or due_from(declaration, found, bounds))
    if blocked is not None:
        return "reader", blocked
    if found is None or found.state == "expired":
        return "reader", now
    stale_at = found.copy.computed_at + bounds.ttl if found.state == "fresh" else now
    if may_serve(declaration, found._replace(state="stale")):
        return "worker", max(stale_at, found.copy.computed_at + declaration.floor(found.copy.cost))
    return "reader", stale_at


def keeper_of(declaration: Declaration[..., Any], variant: Variant) -> Refresher | None:
    """Say whether the tick keeps a variant warm; no callable is asked."""
    if not (declaration.is_hydrated and settings().HYDRATION_ENABLED):
        return None
    if callable(declaration.hydrate):
        return "perhaps the tick"
    try:
        return "tick" if variant.key in declaration.fixed_grid else None
    except Exception:  # noqa: BLE001  (types of the user's validate it; the tick tells of it by a signal)
        return "perhaps the tick"


def due_from(declaration: Declaration[..., Any], found: Found[Any] | None, bounds: Limits) -> float:
    """Give from when on the tick wants a variant that it keeps warm; 0 for now."""
    if found is None or found.state == "expired":
        return 0.0
    copy = found.copy
    floor = copy.computed_at + declaration.floor(copy.cost)
    if found.state != "fresh":
        return floor
    return max(floor, copy.computed_at + bounds.ttl - upkeep.ahead() - copy.cost)


def made_by(declaration: Declaration[..., Any], variant: Variant, found: Found[Any]) -> tuple[str, str]:
    """Give who computed what was found, and for what; nothing where the table no longer knows."""
    rows = StatisticEntry.objects.using(cold.alias_of(declaration)).filter(schema=declaration.fingerprint)
    own = rows.filter(key=variant.key, computed_at=cold.time_for(found.copy.computed_at))
    return own.values_list("computed_by", "reason").first() or ("", "")


def changes_since(declaration: Declaration[..., Any], variant: Variant, copy: Copy) -> tuple[Change, ...]:
    """Give what changed since a compute, the newest first, as far as it is kept."""
    began = cold.time_for(copy.computed_at - CLOCK_TOLERANCE)
    kept = history.since(cold.alias_of(declaration), declaration.name, all_scopes(variant), began, MOST)
    return tuple(Change(each.scope, each.cause, each.number, each.at) for each in kept)


def hot_of(read: hot.Read, bounds: Limits) -> HotCopy | None:
    """Say what the cache holds."""
    if (copy := read.copy) is None:
        return None
    are_equal = copy.hot == read.found
    is_believed = judging.believed(copy, read, bounds)
    return HotCopy(moment(copy.computed_at), moment(copy.proved_at), are_equal, is_believed)


def cold_of(proof: Proof | None) -> ColdCopy | None:
    """Say what the table holds."""
    if proof is None or proof.row is None or (copy := proof.row.copy) is None:
        return None
    return ColdCopy(moment(copy.computed_at), copy.database == proof.database, not proof.holds(copy))
