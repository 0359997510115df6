"""The read path: the hot tier in one round trip; then what the database proves; then a compute."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import random
from time import time
from typing import Any, Generic, NamedTuple, TypeVar

from . import cold, computing, hot
from .conf import limits, settings
from .declaration import Declaration, Variant
from .entry import CLOCK_TOLERANCE, Answer, Capture, Copy, Entry, Limits, Reason, State, judge, microseconds, moment
from .exceptions import PayloadError
from .transactions import in_transaction

T = TypeVar("T")

EARLY = 0.5  # the part of the proof interval after which readers begin to prove again, so that no herd meets its end
STEEPNESS = 8  # of the rise from 0 at EARLY to 1 at the end: 0.4 % of reads at three quarters, 43 % at 95 %


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The best copy there is, decoded, and what it is worth; `captured` is a token that a compute may begin with."""

    value: T
    copy: Copy
    state: State
    reason: Reason | None

    def answer(self) -> Answer[T]:
        """Give this as a reader sees it."""
        copy = self.copy
        age = timedelta(seconds=copy.age(time()))
        cost = timedelta(seconds=copy.cost)
        return Answer(self.value, self.state, self.reason, copy.tier, moment(copy.computed_at), age, cost)


@dataclass(frozen=True, slots=True)
class Search(Generic[T]):
    """What a search ended with; `captured` is a token, taken before anything was looked at, that a compute may use."""

    found: Found[T] | None
    captured: Capture | None = None

    @property
    def fresh(self) -> bool:
        """Tell whether the search found a fresh value."""
        return self.found is not None and self.found.state == "fresh"


class Peek(NamedTuple, Generic[T]):
    """What a look ended with: the best copy there is, and the table's row, which may record a failure alone."""

    found: Found[T] | None
    row: cold.Row | None


def answer(declaration: Declaration[..., T], variant: Variant) -> Answer[T]:
    """Give a fresh value: found hot, else proved by the database, else computed."""
    return conclude(declaration, variant, search(declaration, variant))


def answer_many(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Answer[T]]:
    """Answer for each variant: one round trip, one statement for what is missing there, a compute for what is left."""
    searches = search_many(declaration, variants)
    return [conclude(declaration, *pair) for pair in zip(variants, searches, strict=True)]


def conclude(declaration: Declaration[..., T], variant: Variant, ended: Search[T]) -> Answer[T]:
    """Give what a search found fresh, else compute."""
    found = ended.found
    if found is not None and found.state == "fresh":
        return found.answer()
    return computing.compute(declaration, variant, ended.captured, (found and found.reason) or "missing")


def answer_at_once(
    declaration: Declaration[..., T], variant: Variant, allow_stale: bool | None = None
) -> Answer[T] | None:
    """Give what the cache has, fresh, or stale where that is allowed; None otherwise. Never computes."""
    found = search(declaration, variant).found
    if found is None or not (found.state == "fresh" or may_serve(declaration, found, allow_stale)):
        return None
    return found.answer()


def may_serve(declaration: Declaration[..., Any], found: Found[Any], allow_stale: bool | None) -> bool:
    """Tell whether policy lets a stale value be given: where stale_ttl is above ttl, unless the caller says otherwise.

    A value whose source changed is given only by a statistic that revalidates.
    """
    if found.state == "expired" or (found.reason == "source" and declaration.on_change == "expire"):
        return False
    bounds = limits(declaration)
    return bounds.stale_ttl > bounds.ttl if allow_stale is None else allow_stale


def search(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """Look for a variant: in the hot tier alone if a fresh hit is there."""
    return search_many(declaration, [variant])[0]


def search_many(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Search[T]]:
    """Look for variants: all in one round trip, those that are no fresh hit there in one statement.

    While the app is disabled nothing is found; within a compute only what the database proves is.
    """
    if not settings().ENABLED:
        return [Search(None)] * len(variants)
    if computing.running() is not None:
        return [search_inside(declaration, variant) for variant in variants]
    bounds = limits(declaration)
    reads = hot.read_many(declaration, variants)
    ended = {index: Search(hit) for index, read in enumerate(reads) if (hit := hot_hit(declaration, read, bounds))}
    left = [index for index in range(len(variants)) if index not in ended]
    further = search_cold(declaration, [variants[index] for index in left], [reads[index] for index in left])
    ended |= zip(left, further, strict=True)
    return [ended[index] for index in range(len(variants))]


def hot_hit(declaration: Declaration[..., T], read: hot.Read, bounds: Limits) -> Found[T] | None:
    """Give a hot copy that is fresh by itself, unless it is unreadable or this reader is the one to prove it early."""
    if read.copy is None or not believed(read.copy, read, bounds) or is_to_prove(read.copy, read.at, bounds):
        return None
    return opened(declaration, read.copy, "fresh", None)


def believed(copy: Copy, read: hot.Read, bounds: Limits) -> bool:
    """Tell whether a hot copy is fresh by itself: its tokens are those of now, its proof and its age are young."""
    return (
        read.tokens is not None
        and copy.hot == read.tokens
        and -CLOCK_TOLERANCE <= read.at - copy.proved_at < bounds.proof
        and -CLOCK_TOLERANCE <= read.at - copy.computed_at < bounds.ttl
    )


def is_to_prove(copy: Copy, now: float, bounds: Limits) -> bool:
    """Draw whether this reader proves a hit before its proof is too old."""
    elapsed = (now - copy.proved_at) / bounds.proof
    return elapsed > EARLY and random() < ((elapsed - EARLY) / (1 - EARLY)) ** STEEPNESS


def opened(declaration: Declaration[..., T], copy: Copy, state: State, reason: Reason | None) -> Found[T] | None:
    """Decode a copy; None for one that is no value of the statistic, which is then a miss and replaced."""
    try:
        return Found(declaration.decode(copy.payload), copy, state, reason)
    except PayloadError:
        return None


def search_cold(
    declaration: Declaration[..., T], variants: Sequence[Variant], reads: Sequence[hot.Read]
) -> list[Search[T]]:
    """Ask the database about variants that are no fresh hit, and promote what it proves."""
    bounds = limits(declaration)
    tokens = [read.tokens for read in reads]
    if None in tokens:
        tokens = hot.start_tokens(declaration, variants)
    proofs = cold.prove(declaration, variants) if variants else {}
    if proofs is None:
        return [search_without_database(declaration, read, bounds) for read in reads]
    ended: list[Search[T]] = []
    for variant, read, token in zip(variants, reads, tokens, strict=True):
        proof = proofs[variant.key]
        captured = Capture(read.at, read.at, token, proof.database)
        found = best(declaration, [read.copy, proof.copy], proof, read.at, bounds)
        if found is not None and found.state == "fresh":
            promote(declaration, variant, found.copy, captured)
        ended.append(Search(found, captured))
    return ended


def best(
    declaration: Declaration[..., T], copies: Sequence[Copy | None], proof: cold.Proof, now: float, bounds: Limits
) -> Found[T] | None:
    """Give the readable copy that is current, else the latest; one of another epoch was cleared and is none."""
    of_epoch = [copy for copy in copies if copy is not None and copy.database.epoch == proof.database.epoch]
    for copy in sorted(of_epoch, key=lambda copy: (copy.database == proof.database, copy.computed_at), reverse=True):
        state, reason = judge(copy, now, bounds, current=copy.database == proof.database)
        if (found := opened(declaration, copy, state, reason)) is not None:
            return found
    return None


def promote(declaration: Declaration[..., Any], variant: Variant, copy: Copy, captured: Capture) -> None:
    """Store what was just proved in the hot tier, under the tokens that were read before the proof.

    Never from inside a transaction: its snapshot may be older than what was delivered since.
    """
    if not in_transaction(cold.alias_of(declaration)):
        proved = replace(copy, tier="hot", hot=captured.hot, proved_at=captured.proved_at)
        hot.write(declaration, variant, proved)


def search_without_database(declaration: Declaration[..., T], read: hot.Read, bounds: Limits) -> Search[T]:
    """While the database is out, give a hot copy whose tokens are those of now: fresh if believed, else unproven."""
    copy = read.copy
    if copy is None or read.tokens is None or copy.hot != read.tokens:
        return Search(None)
    current = True if believed(copy, read, bounds) else None
    return Search(opened(declaration, copy, *judge(copy, read.at, bounds, current=current)))


def search_inside(declaration: Declaration[..., T], variant: Variant) -> Search[T]:
    """Within a compute, find only what the database proves; the outer value is then as old as this one."""
    proofs = cold.prove(declaration, [variant])
    proof = proofs[variant.key] if proofs else None
    found = proof and best(declaration, [proof.copy], proof, microseconds(time()), limits(declaration))
    if not found or found.state != "fresh":
        return Search(None)
    computing.use(found.copy.computed_at)
    return Search(found)


def peek(declaration: Declaration[..., T], variant: Variant) -> Entry[T] | None:
    """Give everything known of a stored value, in whatever state; promotes and computes nothing."""
    peeked = peek_many(declaration, [variant])[0]
    return to_entry(declaration, variant, peeked.found, peeked.row, limits(declaration)) if peeked.found else None


def peek_many(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Peek[T]]:
    """Look at variants without changing anything: one round trip, one statement, and the judgement of a read."""
    bounds = limits(declaration)
    reads = hot.read_many(declaration, variants)
    proofs = cold.prove(declaration, variants)
    if proofs is None:
        return [Peek(search_without_database(declaration, read, bounds).found, None) for read in reads]
    return [
        peek_at(declaration, read, proofs[variant.key], bounds) for variant, read in zip(variants, reads, strict=True)
    ]


def peek_at(declaration: Declaration[..., T], read: hot.Read, proof: cold.Proof, bounds: Limits) -> Peek[T]:
    """Judge what both tiers hold of one variant."""
    return Peek(best(declaration, [read.copy, proof.copy], proof, read.at, bounds), proof.row)


def peek_stored(declaration: Declaration[..., T], texts: Mapping[str, str]) -> Iterator[tuple[Variant, Peek[T]]]:
    """Look at every variant that the table holds in the current schema and that has these parameters, in batches."""
    for variants in cold.stored_variants(declaration, texts):
        yield from zip(variants, peek_many(declaration, variants), strict=True)


def to_entry(
    declaration: Declaration[..., T], variant: Variant, found: Found[T], row: cold.Row | None, bounds: Limits
) -> Entry[T]:
    """Give a found copy with everything known of it."""
    copy, given = found.copy, found.answer()
    return Entry(
        statistic=declaration.name,
        parameters=variant.values,
        value=given.value,
        state=given.state,
        reason=given.reason,
        tier=given.tier,
        computed_at=given.computed_at,
        age=given.age,
        cost=given.cost,
        expires_in=timedelta(seconds=max(0.0, bounds.stale_ttl - given.age.total_seconds())),
        generation=copy.database.generation,
        epoch=copy.database.epoch,
        schema=declaration.fingerprint,
        size=len(copy.payload.encode()),
        failures=row.failures if row else 0,
        last_error=row.last_error if row else "",
    )
