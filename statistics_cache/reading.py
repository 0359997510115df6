"""The read path: the hot tier in one round trip; then what the database proves."""

from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any, TypeVar

from . import judging, underway
from .broker.hurrying import hurry_if_many
from .changing import checking
from .changing.migrating import make_good
from .changing.ongoing import MISSED
from .changing.receiving import BY_TRIGGERS
from .cold import rows as cold
from .cold.proving import Pair
from .cold.transactions import after_commit_together, has_suspects, in_transaction, is_dirty, mark
from .conf import Settings, limits_of, settings
from .declaring.consistency import Consistency
from .declaring.declaration import Declaration, Variant
from .entry import (
    Copy,
    Found,
    Generations,
    Search,
    microseconds,
)
from .hot import asking, counters, generations, looking
from .hot import entries as hot
from .hot.looking import Seen
from .identity import known
from .overrides import overridden, override_of

T = TypeVar("T")


def search(
    declaration: Declaration[..., T],
    variant: Variant,
    allow_stale: bool | None = False,
    consistency: Consistency | None = None,
) -> Search[T]:
    """Look for a variant: in the hot tier alone if a hit is there that is fresh.

    Or one that is only old, for an answer that may be stale (`conf.may_serve`): not for who would compute, and so asks
    the database first. `consistency` is what the caller says of it.
    """
    conf = settings()
    if (other := other_search(declaration, conf, consistency)) is not None:
        return other(declaration, variant)
    if underway.suspects(declaration, variant):
        return search_proved(declaration, [variant])[0]
    seen = looking.look(declaration, variant, known.in_force(cold.alias_of(declaration), conf), conf)
    if (hit := judging.seen_hit(declaration, variant, seen, allow_stale)) is not None:
        return by_itself(hit, seen)
    return search_cold(declaration, [variant], [read_of(variant, seen)])[0]


def search_many(
    declaration: Declaration[..., T],
    variants: Sequence[Variant],
    allow_stale: bool | None = False,
    consistency: Consistency | None = None,
) -> list[Search[T]]:
    """Look for variants as `search` does: all in one round trip, those that are no hit there in one statement."""
    conf = settings()
    if (other := other_search(declaration, conf, consistency)) is not None:
        if (together := TOGETHER.get(other)) is not None:
            return together(declaration, variants)
        return [other(declaration, variant) for variant in variants]
    if any(underway.suspects(declaration, variant) for variant in variants):
        return search_proved(declaration, variants)
    looks = looking.look_many(declaration, variants, known.in_force(cold.alias_of(declaration), conf), conf)
    pairs = list(zip(variants, looks, strict=True))
    hits = [judging.seen_hit(declaration, variant, seen, allow_stale) for variant, seen in pairs]
    left = [pair for pair, hit in zip(pairs, hits, strict=True) if hit is None]
    further = iter(search_cold(declaration, [variant for variant, _ in left], [read_of(*pair) for pair in left]))
    return [by_itself(hit, seen) if hit else next(further) for hit, seen in zip(hits, looks, strict=True)]


def other_search(
    declaration: Declaration[..., Any], conf: Settings, consistency: Consistency | None = None
) -> Callable[..., Search[Any]] | None:
    """Give what to search by where the hot tier is not to be asked first; None where it is, which is nearly always."""
    if overridden and declaration.name in overridden:
        return search_overridden
    if not conf.ENABLED:
        return search_nothing
    if MISSED and (alias := cold.alias_of(declaration)) in MISSED and not make_good(alias):
        return search_nothing
    if underway.running() is not None:
        return search_inside
    is_committed = (consistency or declaration.consistency) == "committed"
    if has_suspects() and is_dirty(cold.alias_of(declaration), declaration.name):
        return search_nothing if is_committed else search_dirty
    if is_committed:
        return search_committed
    if declaration in BY_TRIGGERS and in_transaction(cold.alias_of(declaration)):
        return search_in_transaction
    return None


def by_itself(hit: Found[T], seen: Seen | hot.Read) -> Search[T]:
    """End a search with a hit of the hot tier alone."""
    return Search(hit) if hit.state == "fresh" else Search(hit, identity=seen.identity)


def read_of(variant: Variant, seen: Seen | hot.Read) -> hot.Read:
    """Give all that was seen, whatever it is."""
    return seen.read(variant) if isinstance(seen, Seen) else seen


def search_cold(
    declaration: Declaration[..., T], variants: Sequence[Variant], reads: Sequence[hot.Read]
) -> list[Search[T]]:
    """Ask the database about variants that are no fresh hit, and promote what it proves.

    Where it is not the database whose hot keys were read, all begins anew under its own identity.
    """
    alias = cold.alias_of(declaration)
    taken = mark(alias, declaration.name)
    proofs = checking.prove(declaration, variants) if variants else {}
    counters.flush_now_and_then()
    if proofs is None:
        return [judging.without_database(declaration, *pair) for pair in zip(variants, reads, strict=True)]
    hurry_if_many(max((proof.summed for proof in proofs.values()), default=0))
    if any(judging.is_learnt(alias, read, proofs[variant.key]) for variant, read in zip(variants, reads, strict=True)):
        return search_many(declaration, variants)
    found = [
        judging.conclude(declaration, variant, read, proofs[variant.key], taken)
        for variant, read in zip(variants, reads, strict=True)
    ]
    promote_all(declaration, list(zip(variants, found, strict=True)))
    return found


def promote_all(declaration: Declaration[..., Any], pairs: Sequence[tuple[Variant, Search[Any]]]) -> None:
    """Promote what was found current, fresh or only old. Where a generation is missing it is made first, and the
    database asked again: the tokens of what is hot are older than its proof. What does not exist, or is not current,
    makes none."""
    current = [(variant, ended) for variant, ended in pairs if ended.found and ended.found.is_current]
    for variant, ended in current:
        if ended.captured is not None and ended.captured.hot is not None:
            promote(declaration, variant, ended)
    unstarted = [variant for variant, ended in current if ended.captured is not None and ended.captured.hot is None]
    identity = known.in_force(cold.alias_of(declaration))
    if not unstarted or identity is None or asking.breaker.is_open:
        return
    if in_transaction(cold.alias_of(declaration)):
        for variant in unstarted:
            look_again(declaration, variant)
    else:
        promote_started(declaration, unstarted, identity)


def promote_started(declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str) -> None:
    """Make generations, ask the database, and promote what it then proves current."""
    at, taken = time(), mark(cold.alias_of(declaration), declaration.name)
    tokens = generations.start_tokens(declaration, variants, identity)
    proofs = checking.prove(declaration, variants) or {}
    for variant, token in zip(variants, tokens, strict=True):
        if token is not None and variant.key in proofs:
            read = hot.Read(at, None, token, identity)
            ended = judging.conclude(declaration, variant, read, proofs[variant.key], taken)
            if ended.found and ended.found.is_current:
                promote(declaration, variant, ended)


def promote(declaration: Declaration[..., Any], variant: Variant, ended: Search[Any]) -> None:
    """Store what was just proved in the hot tier, under the tokens that were read before the proof.

    Not from inside a transaction: its snapshot may be older than what was delivered since. There the entry is looked
    for once more after the commit, and promoted then.
    """
    found, captured = ended.found, ended.captured
    if in_transaction(cold.alias_of(declaration)):
        look_again(declaration, variant)
    elif found is not None and captured is not None and captured.identity is not None:
        copy = found.copy._replace(tier="hot", hot=captured.hot, proved_at=captured.proved_at)
        hot.write(declaration, variant, copy, captured.identity)


def look_again(declaration: Declaration[..., Any], variant: Variant) -> None:
    """After the commit, search for a variant once more, for its promotion: all of one commit together."""
    if declaration.consistency == "committed":  # what is hot of it is for nobody
        return
    name = f"{declaration.fingerprint} {variant.key}"
    after_commit_together(cold.alias_of(declaration), search_for_all, name, (declaration, variant))


def search_for_all(wanted: Mapping[str, Pair]) -> None:
    """Search for variants of several statistics: of each statistic in one round trip and one statement."""
    found: dict[Declaration[..., Any], list[Variant]] = {}
    for declaration, variant in wanted.values():
        found.setdefault(declaration, []).append(variant)
    for declaration, variants in found.items():
        search_many(declaration, variants)


def search_nothing(_: Declaration[..., T], __: Variant) -> Search[T]:
    """Find nothing: while the app is disabled, or what changed meanwhile is not made good, and where nothing is to be
    given that this transaction has changed."""
    return Search(None)


def search_dirty(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """In a transaction that changed a source, find what is stored as stale alone, and take no token."""
    read = hot.read(declaration, variant, known.in_force(cold.alias_of(declaration)))
    proofs = checking.prove(declaration, [variant])
    proof = proofs[variant.key] if proofs else None
    bounds = limits_of(declaration, variant)
    found = proof and judging.best(declaration, [judging.hot_copy(read, proof), proof.copy], proof, read.at, bounds)
    if not found or found.state == "expired" or underway.suspects(declaration, variant):
        return Search(None)
    return Search(found._replace(state="stale", reason="transaction", is_changed=False))


def search_overridden(declaration: Declaration[..., T], _: Variant) -> Search[T]:
    """In a test find what it has put in the statistic's place, made anew for each; nothing where a compute raises."""
    override, at = override_of(declaration.name), microseconds(time())
    if override is None or override.error is not None:
        return Search(None)
    copy = Copy(override.payload, at - override.age, 0.0, Generations(0, 0), "hot")
    value = declaration.decode(override.payload)
    return Search(Found(value, copy, override.state, override.reason, at, override.reason == "source"))


def search_in_transaction(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """In a transaction find only what the database proves, of a statistic whose changes triggers log: what the
    transaction itself has changed nobody here may have seen, but its own log rows count in the proof."""
    return search_all_in_transaction(declaration, [variant])[0]


def search_all_in_transaction(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Search[T]]:
    """Find so of several variants, by one statement."""
    nothing = hot.Read(microseconds(time()), None, (None,), known.in_force(cold.alias_of(declaration)))
    return search_cold(declaration, variants, [nothing] * len(variants))


def search_committed(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """Find only what lacks nothing that was committed before, by one statement, whatever the hot tier says or does."""
    return search_all_committed(declaration, [variant])[0]


def search_all_committed(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Search[T]]:
    """Find so of several variants, by one statement; nothing hot is read, begun or promoted.

    (Note [What was committed])
    """
    nothing = hot.Read(microseconds(time()), None, (None,), None)
    taken = mark(cold.alias_of(declaration), declaration.name)
    proofs = checking.prove(declaration, variants) if variants else {}
    counters.flush_now_and_then()
    if proofs is None:
        return [Search(None)] * len(variants)
    found = []
    for variant in variants:
        ended = judging.conclude(declaration, variant, nothing, proofs[variant.key], taken)
        found.append(
            proved(declaration, variant, ended) if underway.suspects(declaration, variant) else unlacking(ended)
        )
    return found


def unlacking(ended: Search[T]) -> Search[T]:
    """Take what lacks a change for expired, which no policy allows."""
    if ended.found is None or not ended.found.is_changed:
        return ended
    return ended._replace(found=ended.found._replace(state="expired", reason="source"))


TOGETHER: dict[Callable[..., Search[Any]], Callable[..., list[Search[Any]]]] = {
    search_in_transaction: search_all_in_transaction,
    search_committed: search_all_committed,
}


def search_proved(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Search[T]]:
    """In a thread that may be at work for a compute, find only what the database proves; what is not there may be
    computed, and stored, as anywhere."""
    identity = known.in_force(cold.alias_of(declaration))
    ended = search_cold(declaration, variants, hot.read_many(declaration, variants, identity))
    return [proved(declaration, *pair) for pair in zip(variants, ended, strict=True)]


def proved(declaration: Declaration[..., T], variant: Variant, ended: Search[T]) -> Search[T]:
    """Leave of what a search found only what is fresh, and not while the database is out; a compute may use it."""
    if ended.fresh is None or ended.captured is None:
        return ended._replace(found=None)
    underway.use(declaration, variant, ended.fresh.copy.computed_at)
    return ended


def search_inside(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """Within a compute, find only what the database proves; the outer value is then as old as this one."""
    underway.use_statistic(declaration)
    proofs = checking.prove(declaration, [variant])
    proof = proofs[variant.key] if proofs else None
    found = proof and judging.best(
        declaration, [proof.copy], proof, microseconds(time()), limits_of(declaration, variant)
    )
    if not found or found.state != "fresh":
        return Search(None)
    underway.use(declaration, variant, found.copy.computed_at)
    return Search(found)


# Note [What was committed]
# The statement that reads the row adds up the log in the same snapshot, which is taken after the read began. Whoever
# committed a change of the source before that has its log row in it, so equal sums mean that the value holds it; no
# delivery, cache or clock has a part in that. Where the sums differ the caller computes, from what is committed by
# then. A value that is only old lacks nothing, and is given as stale where policy allows that; one whose source changed
# is not, for nobody knows what it lacks. With signals the log row of a plain model's save in autocommit commits after
# the row itself: triggers, `StatisticsSource` and transactions have one commit for both.
