"""Looking at what is stored, in whatever state: promotes, computes and changes nothing."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Generic, NamedTuple, TypeVar

from .changing import checking
from .cold import proving
from .cold import rows as cold
from .cold.proving import Pair
from .conf import limits, limits_of
from .declaring.declaration import Declaration, Variant
from .entry import Copy, Entry, Found, Reason, Row, State
from .hot import entries as hot
from .identity import known
from .judging import best, hot_copy, is_learnt, rank, without_database

T = TypeVar("T")


class Peek(NamedTuple, Generic[T]):
    """What a look ended with: the best copy there is, and the table's row, which may record a failure alone.

    `read` is what was found hot, `proof` what the database said, None while it is out.
    """

    found: Found[T] | None
    row: Row | None
    read: hot.Read
    proof: proving.Proof | None


def peek(declaration: Declaration[..., T], variant: Variant) -> Entry[T] | None:
    """Give everything known of a stored value."""
    found, row, *_ = peek_many(declaration, [variant])[0]
    return to_entry(declaration, variant, found, row) if found else None


def peek_many(declaration: Declaration[..., T], variants: Sequence[Variant]) -> list[Peek[T]]:
    """Look at variants: one round trip, one statement, and the judgement of a read."""
    alias = cold.alias_of(declaration)
    reads = hot.read_many(declaration, variants, known.in_force(alias))
    proofs = checking.prove(declaration, variants)
    if proofs is None:
        pairs = zip(variants, reads, strict=True)
        return [Peek(without_database(declaration, *pair).found, None, pair[1], None) for pair in pairs]
    if any(is_learnt(alias, read, proofs[variant.key]) for variant, read in zip(variants, reads, strict=True)):
        return peek_many(declaration, variants)
    return [
        peek_at(declaration, variant, read, proofs[variant.key]) for variant, read in zip(variants, reads, strict=True)
    ]


def peek_at(declaration: Declaration[..., T], variant: Variant, read: hot.Read, proof: proving.Proof) -> Peek[T]:
    """Judge what both tiers hold of one variant."""
    bounds = limits_of(declaration, variant)
    found = best(declaration, [hot_copy(read, proof), proof.copy], proof, read.at, bounds)
    return Peek(found, proof.row, read, proof)


def peek_stored(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> Iterator[tuple[Variant, Peek[Any]]]:
    """Look at every variant that the table holds in the current schema and that has these parameters, in batches."""
    for variants in cold.stored_variants(declaration, texts):
        yield from zip(variants, peek_many(declaration, variants), strict=True)


class Look(NamedTuple):
    """How a stored variant stands, its value unread: `copy` is the best there is, without a cold one's payload.

    Where no read may serve what is stored, `copy` and `state` are None.
    """

    copy: Copy | None
    state: State | None
    reason: Reason | None
    read: hot.Read
    proof: proving.Proof


class Looks(NamedTuple):
    """Looks at variants, in order, when the last tick ended, and the numbers that were asked for."""

    looks: list[Look]
    tick: int | None
    numbers: dict[str, int]


def look_together(pairs: Sequence[Pair], numbers: Collection[str] = ()) -> Looks:
    """Look at variants of several statistics, and at numbers of the hot tier: one round trip, and one statement for
    each database."""
    wanted = [(*pair, known.in_force(cold.alias_of(pair[0]))) for pair in pairs]
    reads, tick, found = hot.read_together(wanted, known.default(), numbers)
    proofs = checking.prove_together(pairs)
    looks = [look_at(*pair, read, proof) for pair, read, proof in zip(pairs, reads, proofs, strict=True)]
    return Looks(looks, tick, found)


def look_at(declaration: Declaration[..., Any], variant: Variant, read: hot.Read, proof: proving.Proof) -> Look:
    """Judge what both tiers hold of one variant as a read does, save that no copy is decoded."""
    there = [copy for copy in (hot_copy(read, proof), proof.copy) if copy and proof.holds(copy)]
    if not there:
        return Look(None, None, None, read, proof)
    copy = max(there, key=lambda copy: rank(copy, proof))
    bounds = limits_of(declaration, variant)
    return Look(copy, *proof.judge(declaration, copy, read.at, bounds), read, proof)


def to_entry(declaration: Declaration[..., T], variant: Variant, found: Found[T], row: Row | None) -> Entry[T]:
    """Give a found copy with everything known of it."""
    copy, given = found.copy, found.answer()
    left = timedelta(seconds=min(limits(declaration).stale_ttl - copy.age(found.at), found.left))
    return Entry(
        statistic=declaration.name,
        parameters=declaration.arguments(variant),
        value=given.value,
        state=given.state,
        reason=given.reason,
        tier=given.tier,
        computed_at=given.computed_at,
        age=given.age,
        cost=given.cost,
        expires_in=timedelta(0) if given.state == "expired" else max(timedelta(0), left),
        generation=copy.database.generation,
        epoch=copy.database.epoch,
        schema=declaration.fingerprint,
        size=len(copy.payload.encode()),
        failures=row.failures if row else 0,
        last_error=row.last_error if row else "",
    )
