"""The proof: rows, and the database's generations at the same instant, in one statement for many variants."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connections

from statistics_cache.conf import settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import UNCHECKED_SCOPE
from statistics_cache.entry import Copy, Generations, Row
from statistics_cache.models import StatisticEntry, StatisticInvalidation, in_utc

from . import rows as cold
from . import tables
from .changelog import Totals, add_up, all_scopes, sums_sql
from .transactions import in_transaction

Pair = tuple[Declaration[..., Any], Variant]

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


class Proof(NamedTuple):
    """One variant's row, and the database's generations at the same instant.

    While `is_checked` is False a change whose scopes lie on other rows was committed, and nobody has read these scopes
    since: nothing is current by this proof, and nothing may be captured or stored under it.
    """

    row: Row | None
    database: Generations
    is_checked: bool = True

    @property
    def copy(self) -> Copy | None:
        """Give the row's copy, if it has one of this epoch; one of another epoch was cleared."""
        copy = self.row.copy if self.row else None
        return copy if copy and copy.database.epoch == self.database.epoch else None


def prove(
    declaration: Declaration[..., Any], variants: Sequence[Variant], *, payloads: bool = True
) -> dict[str, Proof] | None:
    """Read rows and generations of a statistic's variants, by key; None when the database is out, or not migrated.

    Without `payloads` a copy's payload is empty, which spares reading much. Inside a transaction the error is raised
    instead: it has already spoilt the transaction.
    """
    alias = cold.alias_of(declaration)
    try:
        if not tables.are_ready(alias):
            return None
        return prove_on(alias, [(declaration, variant) for variant in variants], payloads)
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
    for start in range(0, len(pairs), cold.READ_AT_ONCE):
        found |= prove_at_once(alias, pairs[start : start + cold.READ_AT_ONCE], payloads)
    return found


def prove_at_once(alias: str, pairs: Sequence[Pair], payloads: bool) -> dict[str, Proof]:
    """Run the statement. A row counts where both its schema and its key are those of the variant."""
    schemas = list(dict.fromkeys(declaration.fingerprint for declaration, _ in pairs))
    keys = [variant.key for _, variant in pairs]
    names = list(dict.fromkeys(declaration.name for declaration, _ in pairs))
    scopes = list(dict.fromkeys(scope for _, variant in pairs for scope in all_scopes(variant.scopes)))
    rows: dict[tuple[str, str], Row] = {}
    totals: dict[tuple[str, str], int] = {}
    unchecked: set[str] = set()
    with connections[alias].cursor() as cursor:
        sql = proof_sql(alias, len(schemas), len(keys), len(names), len(scopes), payloads)
        cursor.execute(sql, [*schemas, *keys, *[*names, *scopes] * 2, *names])
        for member, first, second, *columns in cursor.fetchall():
            if member == TOTAL:
                totals[first, second] = int(columns[1])
            elif member == UNCHECKED:
                unchecked.add(first)
            else:
                rows[first, second] = read_row(alias, columns)
    return {
        variant.key: Proof(
            rows.get((declaration.fingerprint, variant.key)),
            add_up(totals, declaration.name, variant.scopes),
            declaration.name not in unchecked,
        )
        for declaration, variant in pairs
    }


ENTRY, TOTAL, UNCHECKED = (
    "entry",
    "total",
    "unchecked",
)  # the statement's members, told apart by their first column


@lru_cache(maxsize=256)
def proof_sql(alias: str, schemas: int, keys: int, names: int, scopes: int, payloads: bool) -> str:
    """Give the statement, made once per shape: rows and sums must be of one instant, also where there is no row."""
    members = entries_sql(alias, schemas, keys, payloads), totals_sql(alias, names, scopes), unchecked_sql(alias, names)
    return " UNION ALL ".join(members)


def entries_sql(alias: str, schemas: int, keys: int, payloads: bool) -> str:
    """Give the member that reads rows."""
    quote = connections[alias].ops.quote_name
    columns = dict(zip(COLUMNS, map(quote, COLUMNS), strict=True))
    for name in ("computed_at", "retry_at"):  # what a datetime does not hold, such as infinity, is an error to read
        when = f"CASE WHEN {columns[name]} BETWEEN '1970-01-01' AND '9999-12-30' THEN {columns[name]} END"
        columns[name] = in_utc(connections[alias], when)
    if not payloads:
        columns["payload"] = f"CASE WHEN {columns['payload']} IS NULL THEN NULL ELSE '' END"
    return (
        f"SELECT '{ENTRY}', {', '.join(columns.values())} "  # noqa: S608  (names only; values are bound)
        f"FROM {quote(StatisticEntry._meta.db_table)} "
        f"WHERE {quote('schema')} IN ({marks(schemas)}) AND {quote('key')} IN ({marks(keys)})"
    )


def totals_sql(alias: str, names: int, scopes: int) -> str:
    """Give the member that reads the sums of scopes."""
    nulls = ", ".join(["NULL"] * (len(COLUMNS) - 4))
    sums = sums_sql(alias, f"WHERE statistic IN ({marks(names)}) AND scope IN ({marks(scopes)})")
    return f"SELECT '{TOTAL}', statistic, scope, NULL, total, {nulls} FROM ({sums}) sums"  # noqa: S608


def unchecked_sql(alias: str, names: int) -> str:
    """Give the member that reads which statistics have log rows that are unchecked."""
    log = connections[alias].ops.quote_name(StatisticInvalidation._meta.db_table)
    nulls = ", ".join(["NULL"] * (len(COLUMNS) - 2))
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


def is_payload(value: object) -> bool:
    """Tell whether a stored value is a text that may be served, as one in the hot tier is asked."""
    return isinstance(value, str) and len(value) <= settings().MAX_PAYLOAD


def read_time(alias: str, field: str, value: Any) -> float | None:
    """Give a column's time in seconds, through the converters of its field and backend; None for what is no time."""
    if value is None:
        return None
    connection = connections[alias]
    column = StatisticEntry._meta.get_field(field).get_col(StatisticEntry._meta.db_table)  # type: ignore[union-attr]
    try:
        for convert in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)):
            value = convert(value, column, connection)
        return cold.seconds_of(value)
    except (AttributeError, TypeError, ValueError):  # SQLite keeps any text, and has no type for a time
        return None


def all_totals(alias: str, statistics: Sequence[str], most: int) -> Totals | None:
    """Give the totals of every scope of some statistics, in one statement; None if there are more than so many."""
    if not statistics:
        return {}
    sql = f"{sums_sql(alias, f'WHERE statistic IN ({marks(len(statistics))})')} LIMIT {most + 1}"
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, [*statistics] * 2)
        rows = cursor.fetchall()
    return None if len(rows) > most else {(statistic, scope): int(total) for statistic, scope, total in rows}
