"""Judgement of copies: which is current, which is a hit by itself, and which of several is best to give."""

from collections.abc import Sequence
from random import random
from typing import Any, TypeVar

from .cold import proving
from .cold import rows as cold
from .cold.transactions import has_changed, has_suspects
from .conf import allows_old, limits_of
from .declaring.declaration import Declaration, Variant
from .entry import Copy, Found, Limits, Reason, Search, State, is_known, judge, microseconds
from .exceptions import PayloadError
from .hot import entries as hot
from .hot.looking import Seen
from .identity import known

T = TypeVar("T")

EARLY = 0.5  # the part of the proof interval after which readers begin to prove again, so that no herd meets its end
STEEPNESS = 8  # of the rise from 0 at EARLY to 1 at the end: 0.4 % of reads at three quarters, 43 % at 95 %


def seen_hit(
    declaration: Declaration[..., T], variant: Variant, seen: Seen | hot.Read, allow_stale: bool | None
) -> Found[T] | None:
    """Give a hot copy that is a hit by itself: judged as bytes where that is plain, else with care."""
    if not isinstance(seen, Seen):
        return hot_hit(declaration, seen, limits_of(declaration, variant), allow_stale)
    if (plain := seen.current(variant.key)) is None:
        return hot_hit(declaration, seen.read(variant), seen.plan.bounds, allow_stale)
    return current_hit(declaration, *plain, seen.at, seen.plan.bounds, allow_stale)


def hot_hit(
    declaration: Declaration[..., T], read: hot.Read, bounds: Limits, allow_stale: bool | None = False
) -> Found[T] | None:
    """Give a hot copy that is a hit by itself: it is known to be current."""
    if read.copy is None or not believed(read.copy, read, bounds):
        return None
    return current_hit(declaration, read.copy, read.copy.payload, read.at, bounds, allow_stale)


def current_hit(
    declaration: Declaration[..., T],
    copy: Copy,
    payload: str | bytes,
    at: float,
    bounds: Limits,
    allow_stale: bool | None,
) -> Found[T] | None:
    """Give a copy that is known to be current if it is fresh, or only old and that is allowed; not if it is unreadable
    or this reader is the one to prove it early. (Note [Old by itself])"""
    is_fresh = at - copy.computed_at < bounds.ttl
    if not (is_fresh or may_be_old(declaration, copy.age(at), bounds, allow_stale)) or is_to_prove(copy, at, bounds):
        return None
    try:
        value = declaration.decode(payload)
    except PayloadError:
        return None
    return Found(value, copy, "fresh", None, at) if is_fresh else Found(value, copy, "stale", "age", at)


def may_be_old(declaration: Declaration[..., Any], age: float, bounds: Limits, allow_stale: bool | None) -> bool:
    """Tell whether a copy that is known to be current answers though it is older than its ttl: not where policy refuses
    that, nor in a transaction that has changed anything."""
    if age >= bounds.stale_ttl or not allows_old(declaration, allow_stale):
        return False
    return not (has_suspects() and has_changed(cold.alias_of(declaration)))


def believed(copy: Copy, read: hot.Read, bounds: Limits) -> bool:
    """Tell whether a hot copy is known to be current: its tokens are those of now, and its proof is young."""
    return copy.hot == read.found and is_known(copy, read.at, bounds)


def is_to_prove(copy: Copy, now: float, bounds: Limits) -> bool:
    """Draw whether this reader proves a hit before its proof is too old."""
    elapsed = (now - copy.proved_at) / bounds.proof
    return elapsed > EARLY and random() < ((elapsed - EARLY) / (1 - EARLY)) ** STEEPNESS


def opened(
    declaration: Declaration[..., T], copy: Copy, state: State, reason: Reason | None, at: float
) -> Found[T] | None:
    """Decode a copy that was judged at a moment; None for what is no value of the statistic: a miss, then replaced."""
    try:
        return Found(declaration.decode(copy.payload), copy, state, reason, at)
    except PayloadError:
        return None


def conclude(
    declaration: Declaration[..., T], variant: Variant, read: hot.Read, proof: proving.Proof, taken: tuple[str, int]
) -> Search[T]:
    """Give the best of what was read of one variant and what the database says, and the token of this moment."""
    if not proof.is_checked:
        return Search(None)
    tokens = read.tokens if read.identity == proof.identity else None
    captured = proof.capture(microseconds(read.at), tokens, taken)
    copies = [hot_copy(read, proof), proof.copy]
    found = best(declaration, copies, proof, read.at, limits_of(declaration, variant))
    return Search(found, captured, proof.row)


def is_learnt(alias: str, read: hot.Read, proof: proving.Proof) -> bool:
    """Tell whether a read was of another database than the proof, whose identity is in force by now."""
    return read.identity != proof.identity and proof.identity == known.in_force(alias)


def hot_copy(read: hot.Read, proof: proving.Proof) -> Copy | None:
    """Give what a read found hot, unless it is another database's than the proof."""
    return read.copy if read.identity == proof.identity else None


def best(
    declaration: Declaration[..., T], copies: Sequence[Copy | None], proof: proving.Proof, now: float, bounds: Limits
) -> Found[T] | None:
    """Give the readable copy that is best to give; one that was cleared is none."""
    left = [copy for copy in copies if copy is not None and proof.holds(copy)]
    for copy in sorted(left, key=lambda copy: rank(copy, proof), reverse=True):
        state, reason = proof.judge(declaration, copy, now, bounds)
        if (found := opened(declaration, copy, state, reason, now)) is not None:
            until = proof.left_of(declaration, copy, now)
            return found._replace(is_changed=copy.database != proof.database, left=until)
    return None


def rank(copy: Copy, proof: proving.Proof) -> tuple[bool, bool, float]:
    """Order copies: what is current before what is not, and of what is current the row, which is what was proved, or a
    hot copy of just that: the cache may say what it likes. Else the latest."""
    is_current = copy.database == proof.database
    return is_current, is_current and (copy.tier == "cold" or is_same(copy, proof.copy)), copy.computed_at


def is_same(copy: Copy, row: Copy | None) -> bool:
    """Tell whether a hot copy is that of a row, whose payload may not have been read."""
    return row is not None and row.computed_at == copy.computed_at and row.payload in ("", copy.payload)


def without_database(declaration: Declaration[..., T], variant: Variant, read: hot.Read) -> Search[T]:
    """While the database is out, give a hot copy whose tokens are those of now: fresh if believed, else unproven."""
    copy = read.copy
    if copy is None or copy.hot != read.found:
        return Search(None)
    bounds = limits_of(declaration, variant)
    current = True if believed(copy, read, bounds) else None
    return Search(opened(declaration, copy, *judge(copy, read.at, bounds, current=current), read.at))


# Note [Old by itself]
# Equal tokens and a young proof say that a copy is current, whatever its age. So one that is older than its ttl is
# given as stale without a statement, where policy allows it, and a worker is asked: else fifty readers of one entry
# would each ask the database until the refresh has landed. Only answers are given so. A refresh, `hydrate`, a follower
# and whoever would compute ask the database first, which alone knows that a compute has failed and is not to be tried
# again; the failure keeps the note that a refresh is queued for as long (`computing.fail`).
# The database promotes such copies as it does fresh ones. A slow promotion may put an older copy over a newer one that
# was stored meanwhile under equal tokens: then the older is given, as stale, until its proof is old.
