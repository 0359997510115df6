"""Proofs of variants of several statistics together, for who looks at many: one statement for each database."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.models import BigIntegerField

from .changelog import add_up, all_scopes
from .cold import COLUMNS, Proof, alias_of, read_row
from .declaration import Declaration, Variant
from .entry import Row
from .models import StatisticEntry, StatisticInvalidation, StatisticScope

Pair = tuple[Declaration[..., Any], Variant]
Totals = dict[tuple[str, str], int]  # by statistic and scope


def prove_together(pairs: Sequence[Pair]) -> list[Proof]:
    """Read rows, without their payloads, and generations of variants, in order; raises what the database raises."""
    found: dict[tuple[str, str], Proof] = {}
    for alias in {alias_of(declaration) for declaration, _ in pairs}:
        found |= prove_on(alias, [pair for pair in pairs if alias_of(pair[0]) == alias])
    return [found[declaration.name, variant.key] for declaration, variant in pairs]


def prove_on(alias: str, pairs: Sequence[Pair]) -> dict[tuple[str, str], Proof]:
    """Read what one database holds: a row counts where both its schema and its key are those of the variant."""
    declarations = list(dict.fromkeys(declaration for declaration, _ in pairs))
    schemas = list(dict.fromkeys(declaration.fingerprint for declaration in declarations))
    scopes = list(dict.fromkeys(scope for _, variant in pairs for scope in all_scopes(variant.scopes)))
    keys = [variant.key for _, variant in pairs]
    names = [declaration.name for declaration in declarations]
    rows: dict[tuple[str, str], Row] = {}
    totals: Totals = {}
    with connections[alias].cursor() as cursor:
        sql = together_sql(alias, len(schemas), len(keys), len(names), len(scopes))
        cursor.execute(sql, [*schemas, *keys, *[*names, *scopes] * 2])
        for is_total, group, *columns in cursor.fetchall():
            if is_total:
                totals[group, columns[0]] = int(columns[2])
            else:
                rows[group, columns[0]] = read_row(alias, columns)
    return {
        (declaration.name, variant.key): Proof(
            rows.get((declaration.fingerprint, variant.key)),
            add_up(totals_of(totals, declaration.name, all_scopes(variant.scopes)), variant.scopes),
        )
        for declaration, variant in pairs
    }


def totals_of(totals: Totals, statistic: str, scopes: Iterable[str]) -> dict[str, int]:
    """Give the totals of one statistic's scopes."""
    return {scope: totals.get((statistic, scope), 0) for scope in scopes}


@lru_cache(maxsize=64)
def together_sql(alias: str, schemas: int, keys: int, names: int, scopes: int) -> str:
    """Give the statement, made once per shape: rows and sums must be of one instant."""
    quote = connections[alias].ops.quote_name
    columns = dict(zip(COLUMNS, map(quote, COLUMNS), strict=True))
    columns["payload"] = f"CASE WHEN {columns['payload']} IS NULL THEN NULL ELSE '' END"
    rows = (
        f"SELECT 0, {quote('schema')}, {', '.join(columns.values())} "  # noqa: S608  (names only; values are bound)
        f"FROM {quote(StatisticEntry._meta.db_table)} "
        f"WHERE {quote('schema')} IN ({marks(schemas)}) AND {quote('key')} IN ({marks(keys)})"
    )
    nulls = ", ".join(["NULL"] * (len(COLUMNS) - 3))
    where = f"WHERE statistic IN ({marks(names)}) AND scope IN ({marks(scopes)})"
    return f"{rows} UNION ALL SELECT 1, statistic, scope, NULL, total, {nulls} FROM ({totals_sql(alias, where)}) sums"  # noqa: S608


def totals_sql(alias: str, where: str) -> str:
    """Give the SQL of one row (statistic, scope, total) per scope that ever moved; `where` is of both tables."""
    connection = connections[alias]
    quote = connection.ops.quote_name
    total = f"CAST(SUM(n) AS {BigIntegerField().cast_db_type(connection)})"
    folded = f"SELECT statistic, scope, base AS n FROM {quote(StatisticScope._meta.db_table)} {where}"  # noqa: S608
    logged = f"SELECT statistic, scope, jump AS n FROM {quote(StatisticInvalidation._meta.db_table)} {where}"  # noqa: S608
    moved = f"{folded} UNION ALL {logged}"
    return f"SELECT statistic, scope, {total} AS total FROM ({moved}) moved GROUP BY statistic, scope"  # noqa: S608


def marks(number: int) -> str:
    """Give so many placeholders."""
    return ", ".join(["%s"] * number)


def all_totals(alias: str, statistics: Sequence[str], most: int) -> Totals | None:
    """Give the totals of every scope of some statistics, in one statement; None if there are more than so many."""
    if not statistics:
        return {}
    sql = f"{totals_sql(alias, f'WHERE statistic IN ({marks(len(statistics))})')} LIMIT {most + 1}"
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, [*statistics] * 2)
        rows = cursor.fetchall()
    return None if len(rows) > most else {(statistic, scope): int(total) for statistic, scope, total in rows}
