"""The proof: rows, and the database's generations at the same instant, in one statement for many variants."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from math import inf
from time import time
from typing import Any, NamedTuple

from django.db import connections

from statistics_cache.conf import settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import UNCHECKED_SCOPE
from statistics_cache.entry import CLOCK_TOLERANCE, Capture, Copy, Generations, Limits, Reason, Row, State, judge
from statistics_cache.fields import read_moment, timely
from statistics_cache.identity import known
from statistics_cache.identity.facts import member_sql, spell
from statistics_cache.models import StatisticEntry, StatisticInvalidation

from . import rows as cold
from . import tables
from .changelog import Total, Totals, add_up, all_scopes, cleared_before, epoch_scopes, sums_sql
from .transactions import in_transaction

Pair = tuple[Declaration[..., Any], Variant]

SCOPES_AT_ONCE = 10_000  # in one statement, which binds each twice; SQLite takes at least 32,766 arguments

COLUMNS = (
    "schema",
    "key",
    "payload",
    "generation",
    "epoch",
    "computed_at",
    "cost",
    "failures",
    "last_error",
    "retry_at",
    "failed_generation",
)
TIMES = ("folded", "logged")  # after the columns: of sums alone


class Moves(NamedTuple):
    """When some scopes moved, as a database gives it: their last folds, and their oldest log rows."""

    alias: str
    folded: Sequence[Any]
    logged: Sequence[Any]

    def first_since(self, computed_at: float, now: float) -> float:
        """Give the moment of the first change that a value lacks which was computed at a time, or an earlier one; never
        before that time. (Note [The first change])"""
        if any(at >= computed_at - CLOCK_TOLERANCE for at in self.read(self.folded)):
            return computed_at
        first = min(self.read(self.logged), default=computed_at)
        return first if computed_at < first <= now + CLOCK_TOLERANCE else computed_at

    def left_of(self, declaration: Declaration[..., Any], computed_at: float, now: float) -> float:
        """Give the seconds of `changed_ttl` that are left of a value that lacks a change; without one it never ends."""
        if declaration.changed_ttl is None:
            return inf
        return declaration.changed_ttl.total_seconds() - (now - self.first_since(computed_at, now))

    def read(self, moments: Iterable[Any]) -> list[float]:
        """Give moments in seconds."""
        return [at for at in (read_time(self.alias, "computed_at", each) for each in moments) if at is not None]


def moves_of(alias: str, totals: Totals, statistic: str, variant: Variant) -> Moves:
    """Give when those scopes of an entry moved whose moving makes it stale: not those that clear it."""
    clearing = epoch_scopes(variant)
    names = [(statistic, scope) for scope in all_scopes(variant) if scope not in clearing]
    known = [totals[name] for name in names if name in totals]
    return Moves(alias, [each.folded for each in known], [each.logged for each in known])


class Proof(NamedTuple):
    """One variant's row, and the database's generations at the same instant.

    While `is_checked` is False a change whose scopes lie on other rows was committed, and nobody has read these scopes
    since: nothing is current by this proof, and nothing may be captured or stored under it. What was computed `before`
    a moment was cleared. `identity` is the database's, None where it has none yet. `moves` tells when what the entry
    belongs to moved, `summed` how many log rows the statement has added up.
    """

    row: Row | None
    database: Generations
    is_checked: bool = True
    before: float = 0.0
    identity: str | None = None
    moves: Moves = Moves("", (), ())
    summed: int = 0

    @property
    def beyond(self) -> int | None:
        """Give the row's generation if it is above the sum: no capture of this database can have it."""
        copy = self.row.copy if self.row else None
        return copy.database.generation if copy and copy.database.generation > self.database.generation else None

    @property
    def ahead(self) -> float | None:
        """Give the row's time if it has not come yet: only a clock that was set back since has left it."""
        copy = self.row.copy if self.row else None
        return copy.computed_at if copy and copy.computed_at > time() + CLOCK_TOLERANCE else None

    def capture(self, at: float, tokens: tuple[int, ...] | None, mark: tuple[str, int]) -> Capture:
        """Give the token of a moment before this proof, with the hot tier's generations of that moment."""
        return Capture(at, at, tokens, self.database, mark, self.before, self.identity, self.beyond, self.ahead)

    @property
    def copy(self) -> Copy | None:
        """Give the row's copy, if it has one that was not cleared."""
        copy = self.row.copy if self.row else None
        return copy if copy and self.holds(copy) else None

    def holds(self, copy: Copy) -> bool:
        """Tell whether a copy is there for readers: one of another epoch was cleared, and one from before the moment
        before which all was."""
        return copy.database.epoch == self.database.epoch and copy.computed_at >= self.before

    def judge(
        self, declaration: Declaration[..., Any], copy: Copy, now: float, limits: Limits
    ) -> tuple[State, Reason | None]:
        """Give the state of a copy and the reason: one that has lacked a change for `changed_ttl` is for no reader."""
        state, reason = judge(copy, now, limits, current=copy.database == self.database)
        if state == "stale" and self.left_of(declaration, copy, now) <= 0.0:
            return "expired", "source"
        return state, reason

    def left_of(self, declaration: Declaration[..., Any], copy: Copy, now: float) -> float:
        """Give the seconds of `changed_ttl` that are left of a copy; of one that is current it has not begun."""
        if copy.database == self.database:
            return inf
        return self.moves.left_of(declaration, copy.computed_at, now)


def prove(
    declaration: Declaration[..., Any], variants: Sequence[Variant], *, payloads: bool = True
) -> dict[str, Proof] | None:
    """Read rows and generations of a statistic's variants, by key; None when the database is out, or not migrated.

    Without `payloads` a copy's payload is empty, which spares reading much. Inside a transaction the error is raised
    instead: it has already spoilt the transaction.
    """
    alias = cold.alias_of(declaration)
    try:
        if not tables.are_complete(alias):
            return None
        pairs = [(declaration, variant) for variant in variants]
        found = prove_on(alias, pairs, payloads)
        if any(proof.identity is None for proof in found.values()) and not in_transaction(alias) and known.make(alias):
            found = prove_on(alias, pairs, payloads)
        return found
    except cold.OUTAGES:
        if in_transaction(alias):
            raise
        return None


def prove_together(pairs: Sequence[Pair]) -> list[Proof]:
    """Read rows, without their payloads, and generations of variants of several statistics, in order.

    Raises what the database raises.
    """
    found: dict[str, Proof] = {}
    for alias in {cold.alias_of(declaration) for declaration, _ in pairs}:
        found |= prove_on(alias, [pair for pair in pairs if cold.alias_of(pair[0]) == alias], payloads=False)
    return [found[variant.key] for _, variant in pairs]


def prove_on(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, Proof]:
    """Read what one database holds of variants, by key, so many in one statement."""
    found: dict[str, Proof] = {}
    for some in batches(pairs):
        found |= prove_at_once(alias, some, payloads)
    return found


def batches(pairs: Sequence[Pair]) -> Iterator[list[Pair]]:
    """Give variants, as many at once as one statement takes."""
    some: list[Pair] = []
    left = SCOPES_AT_ONCE
    for pair in pairs:
        number = len(all_scopes(pair[1]))
        if some and (len(some) == cold.READ_AT_ONCE or number > left):
            yield some
            some, left = [], SCOPES_AT_ONCE
        some.append(pair)
        left -= number
    if some:
        yield some


def prove_at_once(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, Proof]:
    """Run the statement. A row counts where both its schema and its key are those of the variant."""
    schemas = list(dict.fromkeys(declaration.fingerprint for declaration, _ in pairs))
    keys = [variant.key for _, variant in pairs]
    names = list(dict.fromkeys(declaration.name for declaration, _ in pairs))
    scopes = list(dict.fromkeys(scope for _, variant in pairs for scope in all_scopes(variant)))
    rows: dict[tuple[str, str], Row] = {}
    totals: dict[tuple[str, str], Total] = {}
    unchecked: set[str] = set()
    identity: str | None = None
    connection = connections[alias]
    with connection.cursor() as cursor:
        sql = proof_sql(alias, connection.vendor, len(schemas), len(keys), len(names), len(scopes), payloads)
        cursor.execute(sql, [*schemas, *keys, *[*names, *scopes] * 2, *names])
        for member, first, second, *columns in cursor.fetchall():
            if member == TOTAL:
                totals[first, second] = read_total(alias, columns[1], columns[3], columns[2], *columns[-len(TIMES) :])
            elif member == UNCHECKED:
                unchecked.add(first)
            elif member == IDENTITY:
                identity = spell(connection, first, second)
            else:
                rows[first, second] = read_row(alias, columns[: -len(TIMES)])
    is_of, summed = known.note(connection, identity), sum(total.summed for total in totals.values())
    return {
        variant.key: Proof(
            rows.get((declaration.fingerprint, variant.key)),
            add_up(totals, declaration.name, variant),
            declaration.name not in unchecked,
            cleared_before(totals, declaration.name, variant),
            is_of,
            moves_of(alias, totals, declaration.name, variant),
            summed,
        )
        for declaration, variant in pairs
    }


# The statement's members, told apart by their first column.
ENTRY, TOTAL, UNCHECKED, IDENTITY = "entry", "total", "unchecked", "identity"


@lru_cache(maxsize=256)
def proof_sql(alias: str, _vendor: str, schemas: int, keys: int, names: int, scopes: int, payloads: bool) -> str:
    """Give the statement, made once per shape: rows and sums must be of one instant, also where there is no row."""
    members = entries_sql(alias, schemas, keys, payloads), totals_sql(alias, names, scopes), unchecked_sql(alias, names)
    return " UNION ALL ".join([*members, member_sql(connections[alias], IDENTITY, len(COLUMNS) + len(TIMES) - 2)])


def entries_sql(alias: str, schemas: int, keys: int, payloads: bool) -> str:
    """Give the member that reads rows."""
    quote = connections[alias].ops.quote_name
    columns = dict(zip(COLUMNS, map(quote, COLUMNS), strict=True))
    for name in ("computed_at", "retry_at"):
        columns[name] = timely(connections[alias], columns[name])
    if connections[alias].vendor == "mysql":  # which has no sign there, and makes a decimal of it beside NULL
        columns["failures"] = f"CAST({columns['failures']} AS signed)"
    if not payloads:
        columns["payload"] = f"CASE WHEN {columns['payload']} IS NULL THEN NULL ELSE '' END"
    return (
        f"SELECT '{ENTRY}', {', '.join([*columns.values(), *['NULL'] * len(TIMES)])} "  # noqa: S608  (names only; values are bound)
        f"FROM {quote(StatisticEntry._meta.db_table)} "
        f"WHERE {quote('schema')} IN ({marks(schemas)}) AND {quote('key')} IN ({marks(keys)})"
    )


def totals_sql(alias: str, names: int, scopes: int) -> str:
    """Give the member that reads the sums of scopes."""
    nulls = ", ".join(["NULL"] * (len(COLUMNS) - 6))
    sums = sums_sql(alias, f"WHERE statistic IN ({marks(names)}) AND scope IN ({marks(scopes)})")
    columns = ["statistic", "scope", "NULL", "total", "summed", "cleared", nulls, *TIMES]
    return f"SELECT '{TOTAL}', {', '.join(columns)} FROM ({sums}) sums"  # noqa: S608


def unchecked_sql(alias: str, names: int) -> str:
    """Give the member that reads which statistics have log rows that are unchecked."""
    log = connections[alias].ops.quote_name(StatisticInvalidation._meta.db_table)
    nulls = ", ".join(["NULL"] * (len(COLUMNS) + len(TIMES) - 2))
    which = f"statistic IN ({marks(names)}) AND scope = '{UNCHECKED_SCOPE}' GROUP BY statistic, scope"
    return f"SELECT '{UNCHECKED}', statistic, scope, {nulls} FROM {log} WHERE {which}"  # noqa: S608


def marks(number: int) -> str:
    """Give so many placeholders."""
    return ", ".join(["%s"] * number)


def read_row(alias: str, columns: Sequence[Any]) -> Row:
    """Make a row of the columns after schema and key. What nothing here has stored is no copy, or a harmless number."""
    payload, generation, epoch, computed_at, cost, failures, last_error, retry_at, failed = columns
    copy = None
    if is_payload(payload) and isinstance(generation, int) and isinstance(epoch, int):
        computed, cost = read_time(alias, "computed_at", computed_at) or 0.0, cost if cold.is_cost(cost) else 0.0
        copy = Copy(payload, computed, cost, Generations(generation, epoch), "cold")
    failures = failures if isinstance(failures, int) else 0
    return Row(copy, failures, str(last_error), read_time(alias, "retry_at", retry_at), failed)


def read_total(alias: str, moved: Any, before: Any, summed: Any, folded: Any, logged: Any) -> Total:
    """Make the total of a scope of its columns."""
    return Total(int(moved), read_time(alias, "computed_at", before) or 0.0, int(summed), folded, logged)


def is_payload(value: object) -> bool:
    """Tell whether a stored value is a text that may be served, as one in the hot tier is asked."""
    return isinstance(value, str) and len(value) <= settings().MAX_PAYLOAD


def read_time(alias: str, field: str, value: Any) -> float | None:
    """Give a column's time in seconds; None for what is no time."""
    if value is None:
        return None
    moment = read_moment(connections[alias], StatisticEntry._meta.get_field(field), value)
    return None if moment is None else cold.seconds_of(moment)


def all_totals(alias: str, statistics: Sequence[str], most: int) -> Totals | None:
    """Give the totals of every scope of some statistics, in one statement; None if there are more than so many."""
    if not statistics:
        return {}
    sql = f"{sums_sql(alias, f'WHERE statistic IN ({marks(len(statistics))})')} LIMIT {most + 1}"
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, [*statistics] * 2)
        rows = cursor.fetchall()
    if len(rows) > most:
        return None
    return {(statistic, scope): read_total(alias, *columns) for statistic, scope, *columns in rows}


# Note [The first change]
# Folding merges log rows, and with them their times. Of a scope that was folded since the compute, or up to a second
# before it (clocks differ), it is only known that what is lacking came after the compute began: that moment is taken,
# which is the strictest. Else it is that of the oldest row that is left, also if the value holds that row: who is in a
# transaction for long commits rows that are older than the compute, and lacking. Rows have the time of their statement,
# which is before their commit, and a fold's is taken after it has read them; both are by the database's clock. A moment
# ahead of now is of a clock that differs too much to tell. `tests/cold/test_first_change.py` tries every order of two
# changes and two folds.
