"""The check after a commit: scopes that lie on other rows are read from where they lead now (Note [The check])."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import product
from operator import or_
from typing import Any, NamedTuple

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from pydantic_core import to_json

from statistics_cache.cold import changelog, proving
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import Change
from statistics_cache.cold.proving import Pair, Proof
from statistics_cache.cold.transactions import in_transaction
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.models import StatisticInvalidation

from .selecting import AT_ONCE, field_of
from .walking import Hop, Trail
from .watching import Row, Watch, scopes_of

MOST_KEYS = 1_000  # records of one write whose scopes are read after the commit; of more, every scope falls
TRIES = 3  # to prove with nothing unchecked; under more writers than that, a reader computes for itself
Record = tuple[Any, ...]  # the values of a watch's `keys` in one row

# What has to hold before anything of a statistic is believed: that its changes are seen at all.
demands: list[Callable[[Declaration[..., Any]], bool]] = []

# What `via` of a log row names, by statistic and the watch's name.
KNOWN: dict[tuple[str, str], Watch] = {}


def via_of(watch: Watch, records: Iterable[Record]) -> str | None:
    """Write from which values the scopes of rows are read; None where that is no JSON, or too much of it."""
    some = list(records)
    if len(some) > MOST_KEYS:
        return None
    try:
        return to_json({watch.name: some}).decode()
    except ValueError:
        return None


def check(alias: str, rows: Sequence[StatisticInvalidation]) -> bool:
    """Log the scopes that unchecked rows lead to now, in their place. Tells whether it was done, by whomever.

    Raises what the database raises.
    """
    if not rows:
        return True
    led = [(row, leads_of(row)) for row in rows]
    far = Far(alias)
    far.read([lead for _, leads in led for lead in leads or ()])
    found = {(row.statistic, scope): row.cause for row, leads in led for scope in scopes_led(far, leads)}
    changelog.mark_checked(alias, rows, [Change(name, scope, cause) for (name, scope), cause in found.items()])
    return True


class Lead(NamedTuple):
    """Where scopes are read: a watch, and the values of its keys in some rows."""

    watch: Watch
    rows: Sequence[Row]


def leads_of(row: StatisticInvalidation) -> list[Lead] | None:
    """Read `via` of a log row; None where this process does not know what it names."""
    try:
        named: Mapping[str, list[list[Any]]] = json.loads(row.via or "")
        return [lead_of(KNOWN[row.statistic, name], records) for name, records in named.items()]
    except (AttributeError, KeyError, TypeError, ValueError, ValidationError, RecursionError):
        return None


def lead_of(watch: Watch, records: Iterable[Sequence[Any]]) -> Lead:
    """Read values of keys as they were written into a log row."""
    fields = [field_of(watch.table, column) for column in watch.keys]
    read = [[field.to_python(value) for field, value in zip(fields, record, strict=True)] for record in records]
    return Lead(watch, [dict(zip(watch.keys, record, strict=True)) for record in read])


def scopes_led(far: "Far", leads: Iterable[Lead] | None) -> set[str]:
    """Give the scopes that leads come to; every scope where it is not known what they lead to."""
    if leads is None:
        return {EVERY_SCOPE}
    return {scope for lead in leads for row in lead.rows for scope in far.scopes(lead.watch, row)}


def scopes_near(alias: str, watch: Watch, record: Record) -> set[str]:
    """Give the scopes of a row that leads to no other."""
    return Far(alias).scopes(watch, dict(zip(watch.keys, record, strict=True)))


class Far:
    """What lies at the end of trails, read in one statement for each first hop, 500 keys at once, and unlocked."""

    def __init__(self, alias: str) -> None:
        """Begin with nothing read."""
        self.alias = alias
        self.found: dict[Hop, dict[Record, set[Any]]] = {}

    def read(self, leads: Iterable[Lead]) -> None:
        """Read all that these lead to."""
        wanted: dict[Hop, dict[Record, None]] = {}
        for watch, rows in leads:
            for trail in watch.trails.values():
                if trail.hops:
                    begun = (start_of(trail, row) for row in rows)
                    wanted.setdefault(trail.hops[0], {}).update((start, None) for start in begun if None not in start)
        for hop, starts in wanted.items():
            known = self.found.setdefault(hop, {})
            every = list(starts)
            for at in range(0, len(every), AT_ONCE):
                for *start, value in read_over(self.alias, hop, every[at : at + AT_ONCE]):
                    known.setdefault(tuple(start), set()).add(value)

    def scopes(self, watch: Watch, row: Row) -> set[str]:
        """Give the scopes of a row.

        One that leads to rows that are gone has none: their own deletion logged it. Where the database does not hold
        them, they may never have been there, and what is asked for None may count the row.
        """
        may_be_none = watch.declaration.parameters.may_be_none
        choices = []
        for name, trail in watch.trails.items():
            found = self.values(trail, start_of(trail, row))
            is_loose = not found and not trail.hops[0].certain and may_be_none(name)
            choices.append({None} if is_loose else found)
        return {
            scope
            for chosen in product(*choices)
            for scope in scopes_of(watch.declaration, dict(zip(watch.trails, chosen, strict=True)))
        }

    def values(self, trail: Trail, start: Record) -> set[Any]:
        """Give the values at the end of a trail that begins so; one that begins with None ends with it."""
        if not trail.hops:
            return {start[0] if len(start) == 1 else start}
        return {None} if None in start else self.found.get(trail.hops[0], {}).get(start, set())


def start_of(trail: Trail, row: Row) -> Record:
    """Give the values that a trail begins with in a row."""
    return tuple(row[column] for column in trail.columns)


def read_over(alias: str, hop: Hop, starts: Sequence[Record]) -> Iterable[tuple[Any, ...]]:
    """Read the rest of a path from the rows that values lead to."""
    rows: QuerySet[Any] = QuerySet(model=hop.model, using=alias)
    if len(hop.joins) == 1:
        chosen = Q(**{f"{hop.joins[0]}__in": [start[0] for start in starts]})
    else:
        chosen = reduce(or_, (Q(**dict(zip(hop.joins, start, strict=True))) for start in starts))
    return rows.order_by().filter(chosen).values_list(*hop.joins, hop.rest)


# What readers and the tick do with what is unchecked


def check_all(alias: str, statistics: Iterable[str] | None = None) -> bool:
    """Check what was committed and not checked since (a process was killed, or is about to do so), of some statistics.

    Tells whether it was done: not inside a transaction, whose snapshot may be older, nor while the database is out.
    """
    if in_transaction(alias):
        return False
    try:
        return check(alias, changelog.unchecked(alias, statistics))
    except cold.OUTAGES:
        return False


def prove(
    declaration: Declaration[..., Any], variants: Sequence[Variant], *, payloads: bool = True
) -> dict[str, Proof] | None:
    """Prove as `proving.prove` does, and check first what is unchecked; the proofs say where that was not possible, or
    where nobody sees changes yet."""
    proofs = proving.prove(declaration, variants, payloads=payloads)
    if proofs and not is_watched(declaration):
        return {key: proof._replace(is_checked=False) for key, proof in proofs.items()}
    for _ in range(TRIES):
        if not proofs or all(proof.is_checked for proof in proofs.values()):
            break
        if not check_all(cold.alias_of(declaration), [declaration.name]):
            break
        proofs = proving.prove(declaration, variants, payloads=payloads)
    return proofs


def prove_together(pairs: Sequence[Pair]) -> list[Proof]:
    """Prove as `proving.prove_together` does, and check first what is unchecked. Raises what the database raises."""
    proofs = proving.prove_together(pairs)
    lacking = {pair[0] for pair, proof in zip(pairs, proofs, strict=True) if not proof.is_checked}
    done = [check_all(cold.alias_of(declaration), [declaration.name]) for declaration in lacking]
    proofs = proving.prove_together(pairs) if any(done) else proofs
    watched = [is_watched(declaration) for declaration, _ in pairs]
    return [proof._replace(is_checked=proof.is_checked and seen) for proof, seen in zip(proofs, watched, strict=True)]


def is_watched(declaration: Declaration[..., Any]) -> bool:
    """Tell whether changes of a statistic's sources are seen at all."""
    return all(holds(declaration) for holds in demands)


# Note [The check]
# A row's scope may lie on other rows: an item is in the region of its order. What a writer reads of it before its own
# commit may have changed by then, in a transaction that the writer cannot see, and no lock of ours is to hold that one
# up. So the log row of the item says only from which order the region is read (`via`). After the commit it is read
# from there: whatever the other transaction did, either it is committed, and read here, or it is not, and then it
# moves both regions when it commits, for the order's own row is read under the lock of its own statement. Until the
# check is done, nothing that the statistic has is believed, captured or promoted; and what is delivered then is `*`,
# for between the commit and the check others may have moved, too. Readers and the tick check what a killed process
# left. Searched exhaustively: checked before the commit, only the scopes found delivered, proofs that do not wait, and
# then delivered before the check: each is wrong. Where proofs wait, that order alone is not.
