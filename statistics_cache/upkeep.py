"""The work ahead of readers and behind them: the tick, hydration, and what a refresh in the background does."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, takewhile
from time import monotonic, time
from typing import Any, Literal, TypeVar

from django.db import connections, router

from . import answering, auditing, computing, flying, reading
from .broker import queue
from .broker.queue import Wanted
from .changing import checking
from .changing.receiving import BY_TRIGGERS
from .cold import changelog, proving
from .cold import rows as cold
from .conf import limits, limits_of, settings
from .declaring.declaration import Declaration, Variant
from .declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE, INVALIDATED
from .entry import Answer, Copy, Search
from .exceptions import ComputeFailed
from .hot import entries as hot
from .identity import known
from .models import StatisticEntry
from .overrides import override_of
from .signals import hydration_failed, tick_ended
from .tidying import Changed, Declarations, Out, is_clearing, prune, sweep, unless_out

T = TypeVar("T")

Outcome = Literal["fresh", "refreshed", "busy", "blocked", "unproven"]

LOOKED_AT = 1_000  # variants of a statistic that one tick looks at, of each kind: a grid is looked at whole
FOLDS = 100  # of 1,000 log rows each, in one tick
AHEAD = 2  # ticks: what is not refreshed by then is refreshed at the next tick, before it is stale


@dataclass(frozen=True, slots=True)
class Ticked:
    """What one tick did: log rows folded, refreshes that are queued now, rows pruned."""

    folded: int
    queued: int
    pruned: int


def tick(declarations: Declarations) -> Ticked:
    """Fold the log, queue the hydrated variants that are wanted, prune what is expired.

    Ticks at the same time do nothing twice, and none at all while the app is disabled. Nothing that readers are
    told depends on it. A database that is out costs the others nothing: all is done for them, then its error is
    raised. (Note [What a tick costs])
    """
    if not settings().ENABLED:
        return Ticked(0, 0, 0)
    homes = {cold.alias_of(declaration) for declaration in declarations} | {router.db_for_write(StatisticEntry)}
    out: Out = {}
    folded = [row for alias in sorted(homes) for row in unless_out(out, alias, fold, alias) or ()]
    changed = {(row.statistic, row.scope): row for row in folded}
    changed |= {pair: None for alias in homes for pair in unless_out(out, alias, moved_lately, alias) or ()}
    queued = queue_wanted(declarations, changed, out)
    pruned = prune(declarations, out) + sweep(declarations, changed, out)
    if tick_ended.receivers:
        changes = [(row.statistic, row.cause) for row in folded]
        tick_ended.send_robust(sender=None, changes=changes, queued=queued, pruned=pruned)
    for error in out.values():
        raise error
    hot.note_tick(known.find(known.home()), time())
    auditing.audit_some(declarations)
    return Ticked(len(folded), queued, pruned)


def fold(alias: str) -> list[Any]:
    """Fold the log of one database until it is empty, or another process folds it; check first what is unchecked."""
    folded: list[Any] = []
    for _ in range(FOLDS):
        checking.check_all(alias)
        rows = changelog.fold(alias)
        folded += rows or ()
        if rows is None or len(rows) < changelog.FOLDED_AT_ONCE:
            break
    return folded


def moved_lately(alias: str) -> list[tuple[str, str]]:
    """Give the scopes that SQLite's triggers have moved since the tick before the last: they leave no log rows."""
    ours = [each.name for each in BY_TRIGGERS if cold.alias_of(each) == alias]
    if not ours or connections[alias].vendor != "sqlite":
        return []
    moved = changelog.moved_since(alias, ours, cold.time_for(time() - AHEAD * settings().TICK))
    return [(name, scope) for name, scope in moved if not is_clearing(scope)]


def queue_wanted(declarations: Declarations, changed: Changed, out: Out) -> int:
    """Queue the hydrated variants that are wanted: those never computed, then the oldest, of equals the costliest.

    At most BATCH new ones, each once: what waits for a worker is in nobody's way. None while the broker is out.
    """
    if not (settings().HYDRATION_ENABLED and settings().ENABLED):
        return 0
    known = [(cold.alias_of(declaration), declaration) for declaration in declarations]
    found = [
        each for alias, declaration in known for each in unless_out(out, alias, wanted, declaration, changed) or ()
    ]
    published = takewhile(lambda result: result != "refused", map(queue.publish, sorted(found, key=urgency)))
    new = (result for result in published if result == "queued")
    return sum(1 for _ in islice(new, settings().BATCH))


def urgency(each: Wanted) -> tuple[float, float]:
    """Sort what is wanted: the earlier computed first, then the costlier."""
    copy = each.row.copy if each.row else None
    return (copy.computed_at, -copy.cost) if copy else (0.0, 0.0)


def wanted(declaration: Declaration[..., Any], changed: Changed) -> list[Wanted]:
    """Give the hydrated variants of a statistic that are due, changed, or never computed, and not to be left alone.

    Whatever its `hydrate=` raises is told by a signal: it keeps no other statistic from its own.
    """
    if not declaration.is_hydrated:
        return []
    try:
        grid = declaration.hydrated()
    except Exception as error:  # noqa: BLE001  (a callable of the user's; reported by name)
        hydration_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
        return []
    return wanted_among(declaration, list(to_look_at(declaration, grid, changed).values())) or []


def wanted_among(declaration: Declaration[..., Any], variants: Sequence[Variant]) -> list[Wanted] | None:
    """Give those of some hydrated variants that are wanted; None while the database is out."""
    proofs = checking.prove(declaration, variants, payloads=False)
    if proofs is None:
        return None
    return [
        wanted_of(declaration, variant, proof)
        for variant, proof in ((variant, proofs[variant.key]) for variant in variants)
        if is_wanted(declaration, variant, proof, time())
    ]


def wanted_of(declaration: Declaration[..., Any], variant: Variant, proof: proving.Proof) -> Wanted:
    """Name the refresh of a variant that the tick wants."""
    floor = floor_of(declaration, proof.copy)
    return Wanted(declaration, variant, proof.database, proof.row, proof.identity, floor=floor, is_of_tick=True)


def to_look_at(declaration: Declaration[..., Any], grid: Mapping[str, Variant], changed: Changed) -> dict[str, Variant]:
    """Give the variants of a grid to look at: up to 1,000 all; of more the oldest, the changed, and some in turn."""
    if len(grid) <= LOOKED_AT:
        return dict(grid)
    now = time()
    earliest = now + ahead() + settings().LEASE_TTL - limits(declaration).ttl * (1 - settings().JITTER)
    old = (key for key in cold.aged(declaration, earliest, now) if key in grid)
    scopes = {scope for name, scope in changed if name == declaration.name}
    parts = {scope for scope in scopes if scope.startswith((CLEARED, INVALIDATED))}
    moved = (key for key, variant in grid.items() if is_moved(variant, scopes, parts))
    start = int(now / settings().TICK) * LOOKED_AT % len(grid)
    in_turn = islice(cycle(grid), start, start + LOOKED_AT)
    return {key: grid[key] for keys in (islice(old, LOOKED_AT), islice(moved, LOOKED_AT), in_turn) for key in keys}


def is_moved(variant: Variant, scopes: Collection[str], parts: Collection[str]) -> bool:
    """Tell whether a variant belongs to some scopes; `parts` are the filter scopes among them."""
    if not {EVERY_SCOPE, EPOCH_SCOPE, *variant.scopes}.isdisjoint(scopes):
        return True
    return bool(parts) and not {*variant.clearing, *variant.invalidating}.isdisjoint(parts)


def is_wanted(declaration: Declaration[..., Any], variant: Variant, proof: proving.Proof, now: float) -> bool:
    """Tell whether a variant is to be computed: there is none, its source has changed, it is due, or of the future. Not
    before its floor is over."""
    if proof.row and proof.row.is_blocked(proof.database.generation, now):
        return False
    copy = proof.copy
    if copy is None or copy.is_of_the_future(now):
        return True
    is_open = not flying.is_early(declaration, copy, now)
    return is_open and (copy.database != proof.database or is_due(declaration, variant, copy, now))


def floor_of(declaration: Declaration[..., Any], copy: Copy | None) -> float:
    """Give the floor of what is stored: there is none where nothing is."""
    return declaration.floor(copy.cost) if copy else 0.0


def is_due(declaration: Declaration[..., Any], variant: Variant, copy: Copy, now: float) -> bool:
    """Tell whether a hydrated variant will be stale before the tick after next, the time of its compute included."""
    stale_at = copy.computed_at + limits_of(declaration, variant).ttl
    is_ahead = stale_at < now + ahead() + copy.cost
    return is_ahead and declaration.is_hydrated and settings().HYDRATION_ENABLED


def ahead() -> float:
    """Give the seconds until the tick after next."""
    return AHEAD * settings().TICK


def refresh(
    declaration: Declaration[..., Any],
    variant: Variant,
    *,
    forced: bool = False,
    retries: bool = False,
    waits: bool = False,
) -> Outcome:
    """Do what a queued refresh asks for: promote what the database proves; compute what is stale or due, once.

    Gives "fresh" where there was nothing to do, "busy" where another computes it, "blocked" after a failure that is
    not to be repeated yet, "unproven" while the database is out. Raises what the function raises, which is recorded on
    the entry, or where that was not possible and the caller `retries`, DatabaseOut. One who `waits` gives another's
    compute WAIT_TIMEOUT to end, and then takes what it brought, or if `forced` computes.
    """
    if override_of(declaration.name) is not None:
        return "fresh"
    look = partial(look_for_work, declaration, variant, forced)
    ended = look()
    if ended.fresh is not None or not settings().ENABLED:
        return "fresh"
    if ended.captured is None:
        return "unproven"
    if ended.is_blocked:
        return "blocked"
    floor = declaration.floor(flying.cost_of(ended))
    captured = ended.captured
    queue.keep_note(Wanted(declaration, variant, captured.database, ended.row, captured.identity, floor=floor))
    deadline = monotonic() + settings().WAIT_TIMEOUT * waits
    try:
        given = flying.fly_or_follow(declaration, variant, ended, look, deadline, retries)
    except ComputeFailed:  # another's failed meanwhile
        return "blocked"
    if given is None:
        return "busy"
    if given.state == "stale":  # another's failed meanwhile, and this is what there is
        return "blocked"
    return "refreshed" if given.tier == "computed" else "fresh"


def refresh_later(declaration: Declaration[..., Any], variant: Variant) -> bool:
    """Queue a refresh that computes whatever is stored, once for its state, and tell whether one is queued."""
    return refresh_all_later(declaration, [variant]) == 1


def refresh_all_later(declaration: Declaration[..., Any], variants: Sequence[Variant]) -> int:
    """Queue a refresh of each variant as `refresh_later` does, and give how many: fewer once the broker is out."""
    proofs = checking.prove(declaration, variants, payloads=False) or {}
    queued = 0
    for variant in variants if settings().ENABLED else ():
        proof = proofs.get(variant.key)
        if not proof or not queue.later(
            Wanted(declaration, variant, proof.database, proof.row, proof.identity, forced=True)
        ):
            break
        queued += 1
    return queued


def look_for_work(declaration: Declaration[..., T], variant: Variant, forced: bool) -> Search[T]:
    """Search, and take what is due for stale; if forced, whatever there is."""
    ended = reading.search(declaration, variant)
    if (fresh := ended.fresh) is not None and (forced or is_due(declaration, variant, fresh.copy, time())):
        captured = computing.capture(declaration, variant)
        ended = captured._replace(found=fresh._replace(state="stale", reason="age"))
    if forced and ended.row:
        ended = ended._replace(row=ended.row._replace(retry_at=None))
    return ended


def hydrate(declaration: Declaration[..., T]) -> list[Answer[T]]:
    """Make every variant that `hydrate=` names fresh: promoted where the database proves it, else computed.

    Does nothing where HYDRATION_ENABLED is False. All are tried; then the first exception is raised.
    """
    if not settings().HYDRATION_ENABLED:
        return []
    given, errors = answering.settle_many(declaration, list(declaration.hydrated().values()), takes_stale=False)
    if errors:
        raise errors[0]
    return given


# Note [What a tick costs]
# A tick does work for the log rows there are, for the variants that `hydrate=` names, and for what is expired; of what
# else is stored it counts the rows of one statistic, in an index. Of each hydrated statistic it looks at no more than
# 1,000 variants of a kind, in one statement per 500, without their payloads. A grid of more is looked at by age (an
# index, of which 20,000 rows at most are read), by the scopes just folded, and in turn, so that what a tick has missed
# (the broker was out, the batch was full) is found by a later one.
