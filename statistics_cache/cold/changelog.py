"""The log of invalidations: what is written when a scope changes, and the sums that tell a token from the truth.

A generation is `sum(base) + sum(jump)` over an entry's scopes, of folded and unfolded rows, read in one statement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from random import randint

from django.db import connections, transaction
from django.db.models import BigIntegerField

from statistics_cache.declaring.keys import EPOCH_SCOPE, EVERY_SCOPE
from statistics_cache.entry import Generations
from statistics_cache.models import StatisticInvalidation, StatisticScope

Totals = Mapping[tuple[str, str], int]  # by statistic and scope

MAX_JUMP = 2**31 - 1  # random, so that two histories never reach one sum; small, so that sums stay in a bigint
FOLDED_AT_ONCE = 1_000  # log rows in one transaction, short enough that no writer of a database file waits for long
MAX_CAUSE = 200  # characters, the column's width


def record(alias: str, statistic: str, scopes: Iterable[str], cause: str) -> int:
    """Log one jump of each scope and give it. It counts when the surrounding transaction commits."""
    jump = randint(1, MAX_JUMP)
    rows = [
        StatisticInvalidation(statistic=statistic, scope=scope, jump=jump, cause=cause[:MAX_CAUSE]) for scope in scopes
    ]
    StatisticInvalidation.objects.using(alias).bulk_create(rows)
    return jump


def sums_sql(alias: str, where: str) -> str:
    """Give the SQL of one row (statistic, scope, total) per scope that ever moved.

    `where` is SQL for the table of sums and for the log alike; its arguments are bound twice.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    total = f"CAST(SUM(n) AS {BigIntegerField().cast_db_type(connection)})"
    folded = f"SELECT statistic, scope, base AS n FROM {quote(StatisticScope._meta.db_table)} {where}"  # noqa: S608
    logged = f"SELECT statistic, scope, jump AS n FROM {quote(StatisticInvalidation._meta.db_table)} {where}"  # noqa: S608
    moved = f"{folded} UNION ALL {logged}"
    return f"SELECT statistic, scope, {total} AS total FROM ({moved}) moved GROUP BY statistic, scope"  # noqa: S608


def all_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Give everything an entry belongs to: every scope, the epoch, and its own."""
    return (EVERY_SCOPE, EPOCH_SCOPE, *scopes)


def add_up(totals: Totals, statistic: str, scopes: Iterable[str]) -> Generations:
    """Give an entry's generations from the totals of its scopes; a scope that never moved counts 0."""
    generation = sum(totals.get((statistic, scope), 0) for scope in all_scopes(scopes))
    return Generations(generation, totals.get((statistic, EPOCH_SCOPE), 0))


def fold(alias: str) -> list[StatisticInvalidation] | None:
    """Move the oldest log rows into the sums, and give them; None if another process did so meanwhile.

    A generation is the same before and after, and in between: the rows go in the transaction in which the sums grow.
    """
    rows = list(StatisticInvalidation.objects.using(alias).order_by("pk")[:FOLDED_AT_ONCE])
    with transaction.atomic(using=alias):
        gone, _ = StatisticInvalidation.objects.using(alias).filter(pk__in=[row.pk for row in rows]).delete()
        if gone != len(rows):
            transaction.set_rollback(True, using=alias)
            return None
        add_to_sums(alias, rows)
    return rows


def add_to_sums(alias: str, rows: Sequence[StatisticInvalidation]) -> None:
    """Add the jumps of rows, oldest first, to the sums of their scopes; the newest one's cause and time are kept."""
    jumps = Counter[tuple[str, str]]()
    for row in rows:
        jumps[row.statistic, row.scope] += row.jump
    scopes = StatisticScope.objects.using(alias)
    scopes.bulk_create([StatisticScope(statistic=name, scope=scope) for name, scope in jumps], ignore_conflicts=True)
    named = scopes.filter(statistic__in={name for name, _ in jumps}, scope__in={scope for _, scope in jumps})
    sums = {(known.statistic, known.scope): known for known in named.select_for_update().order_by("pk")}
    for row in rows:
        known = sums[row.statistic, row.scope]
        known.last_cause, known.changed_at = row.cause, row.created_at
    moved = [sums[pair] for pair in jumps]
    for known in moved:
        known.base += jumps[known.statistic, known.scope]
    scopes.bulk_update(sorted(moved, key=attrgetter("pk")), ["base", "last_cause", "changed_at"], batch_size=100)
