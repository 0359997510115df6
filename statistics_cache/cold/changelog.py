"""The log of invalidations: what is written when a scope changes, and the sums that tell a token from the truth.

A generation is `sum(base) + sum(jump)` over an entry's scopes, of folded and unfolded rows, read in one statement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from random import randint
from typing import NamedTuple

from django.db import connections, transaction
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from statistics_cache.declaring.declaration import Variant
from statistics_cache.declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE, INVALIDATED, UNCHECKED_SCOPE
from statistics_cache.entry import Generations
from statistics_cache.models import StatisticInvalidation, StatisticScope, in_utc

MAX_JUMP = 2**22  # random, so that two histories never reach one sum; small: a bigint lasts 4 * 10**12 changes
LOGGED_AT_ONCE = 100  # log rows in one statement; SQLite takes at least 32,766 arguments, and each row has five
FOLDED_AT_ONCE = 1_000  # log rows in one transaction, short enough that no writer of a database file waits for long
# What a datetime does not hold, such as infinity, is an error to read.
WITHIN_TIME = "BETWEEN '1970-01-01' AND '9999-12-30'"
MAX_CAUSE = 200  # characters, the column's width
BLOCKED = '"triggers"'  # `via` of what is checked only by installing triggers


class Total(NamedTuple):
    """What the database says of one scope: its sum, and before which moment all was cleared (0.0: nothing was)."""

    moved: int
    before: float = 0.0


Totals = Mapping[tuple[str, str], Total]  # by statistic and scope
UNMOVED = Total(0)


class Change(NamedTuple):
    """One row to log: a scope that changed, or (`via`) the keys from which unchecked scopes are read, as JSON."""

    statistic: str
    scope: str
    cause: str
    via: str | None = None


def write(alias: str, changes: Sequence[Change]) -> list[StatisticInvalidation]:
    """Log changes, in one statement for 100 of them; each counts when the surrounding transaction commits.

    Gives the rows that are unchecked, as far as the database tells their keys.
    """
    found: list[StatisticInvalidation] = []
    for start in range(0, len(changes), LOGGED_AT_ONCE):
        some = changes[start : start + LOGGED_AT_ONCE]
        values = [value for change in some for value in values_of(change, randint(1, MAX_JUMP))]
        returns = any(change.via for change in some) and connections[alias].features.can_return_rows_from_bulk_insert
        with connections[alias].cursor() as cursor:
            cursor.execute(insert_sql(alias, len(some), returns), values)
            keys = [key for (key,) in cursor.fetchall()] if returns else []
        found += [unchecked_row(key, change) for key, change in zip(keys, some, strict=False) if change.via]
    return found


def values_of(change: Change, jump: int) -> tuple[str | int | None, ...]:
    """Give the columns of a log row."""
    return change.statistic, change.scope, jump, change.cause[:MAX_CAUSE], change.via


def unchecked_row(key: int, change: Change) -> StatisticInvalidation:
    """Give a row as it was just logged."""
    return StatisticInvalidation(pk=key, statistic=change.statistic, cause=change.cause, via=change.via)


@lru_cache(maxsize=LOGGED_AT_ONCE * 2)
def insert_sql(alias: str, rows: int, returns: bool) -> str:
    """Give the statement that logs so many changes, and returns their keys if asked; the database adds the time."""
    quote = connections[alias].ops.quote_name
    columns = ", ".join(quote(name) for name in ("statistic", "scope", "jump", "cause", "via"))
    values = ", ".join(["(%s, %s, %s, %s, %s)"] * rows)
    keys = f" RETURNING {quote('id')}" if returns else ""
    return f"INSERT INTO {quote(StatisticInvalidation._meta.db_table)} ({columns}) VALUES {values}{keys}"  # noqa: S608


def unchecked(alias: str, statistics: Iterable[str] | None = None) -> list[StatisticInvalidation]:
    """Give the log rows, of some statistics or of all, whose scopes were not read since their commit."""
    rows = StatisticInvalidation.objects.using(alias).filter(scope=UNCHECKED_SCOPE).exclude(via=BLOCKED)
    if statistics is not None:
        rows = rows.filter(statistic__in=list(statistics))
    return list(rows.order_by("pk")[:FOLDED_AT_ONCE])


def block(alias: str, statistics: Iterable[str]) -> None:
    """Log a row of each statistic that nobody can check: until it goes, nothing of it is believed."""
    write(alias, [Change(name, UNCHECKED_SCOPE, "triggers removed", BLOCKED) for name in statistics])


def blocked(alias: str) -> QuerySet[StatisticInvalidation]:
    """Give these rows."""
    return StatisticInvalidation.objects.using(alias).filter(scope=UNCHECKED_SCOPE, via=BLOCKED)


def mark_checked(alias: str, rows: Sequence[StatisticInvalidation], changes: Sequence[Change]) -> bool:
    """Put the changes that were found in the place of unchecked rows; tell whether another process did not do so."""
    with transaction.atomic(using=alias):
        gone, _ = StatisticInvalidation.objects.using(alias).filter(pk__in=sorted(row.pk for row in rows)).delete()
        if gone:
            write(alias, changes)
    return bool(gone)


def sums_sql(alias: str, where: str) -> str:
    """Give the SQL of one row (statistic, scope, total, before) per scope that ever moved.

    `where` is SQL for the table of sums and for the log alike; its arguments are bound twice.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    total = f"CAST(SUM(n) AS {BigIntegerField().cast_db_type(connection)})"
    before = in_utc(connection, f"CASE WHEN {quote('before')} {WITHIN_TIME} THEN {quote('before')} END")
    scopes, log = (quote(model._meta.db_table) for model in (StatisticScope, StatisticInvalidation))
    folded = f"SELECT statistic, scope, base AS n, {before} AS cleared FROM {scopes} {where}"  # noqa: S608
    logged = f"SELECT statistic, scope, jump AS n, NULL FROM {log} {where}"  # noqa: S608
    moved = f"FROM ({folded} UNION ALL {logged}) moved GROUP BY statistic, scope"
    return f"SELECT statistic, scope, {total} AS total, MAX(cleared) AS cleared {moved}"


def all_scopes(variant: Variant) -> tuple[str, ...]:
    """Give everything an entry belongs to: every scope, what is unchecked, its own, the epoch, its filter scopes."""
    return (EVERY_SCOPE, UNCHECKED_SCOPE, *variant.scopes, *epoch_scopes(variant), *variant.invalidating)


def epoch_scopes(variant: Variant) -> tuple[str, ...]:
    """Give the scopes that only clearing moves: of everything, and of each part that an entry belongs to."""
    return (EPOCH_SCOPE, *variant.clearing)


def add_up(totals: Totals, statistic: str, variant: Variant) -> Generations:
    """Give an entry's generations from the totals of its scopes; a scope that never moved counts 0."""
    generation = sum(totals.get((statistic, scope), UNMOVED).moved for scope in all_scopes(variant))
    return Generations(
        generation, sum(totals.get((statistic, scope), UNMOVED).moved for scope in epoch_scopes(variant))
    )


def cleared_before(totals: Totals, statistic: str, variant: Variant) -> float:
    """Give the moment before which all that was computed of an entry was cleared."""
    return max(totals.get((statistic, scope), UNMOVED).before for scope in epoch_scopes(variant))


def clear_before(alias: str, statistic: str, scope: str, moment: datetime) -> None:
    """Clear what was computed before a moment; a later one that is known already stays."""
    scopes = StatisticScope.objects.using(alias)
    with transaction.atomic(using=alias):
        scopes.bulk_create([StatisticScope(statistic=statistic, scope=scope)], ignore_conflicts=True)
        earlier = Q(before=None) | Q(before__lt=moment)
        scopes.filter(earlier, statistic=statistic, scope=scope).update(before=moment)


def fold(alias: str) -> list[StatisticInvalidation] | None:
    """Move the oldest log rows into the sums, and give them; None if another process did so meanwhile.

    A generation is the same before and after, and in between: the rows go in the transaction in which the sums grow.
    """
    logged = StatisticInvalidation.objects.using(alias).exclude(scope=UNCHECKED_SCOPE)
    rows = list(logged.order_by("pk")[:FOLDED_AT_ONCE])
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
        known.folded_at = Now()  # after the rows were read: they are no younger
    columns = ["base", "last_cause", "changed_at", "folded_at"]
    scopes.bulk_update(sorted(moved, key=attrgetter("pk")), columns, batch_size=100)


def moved_since(alias: str, statistics: Iterable[str], moment: datetime) -> list[tuple[str, str]]:
    """Give the scopes of some statistics whose sums have moved since a moment."""
    moved = StatisticScope.objects.using(alias).filter(statistic__in=list(statistics), folded_at__gte=moment)
    return list(moved.values_list("statistic", "scope"))


def prune_parts(alias: str, statistic: str, moment: datetime) -> int:
    """Delete sums of filter scopes that last moved before a moment, some at a time.

    It must be so long ago that nothing computed before they moved is given any more: an epoch goes back to what that
    holds. What was computed since is of another epoch then, and is computed anew.
    """
    scopes = StatisticScope.objects.using(alias).filter(statistic=statistic)
    scopes = scopes.filter(Q(scope__startswith=CLEARED) | Q(scope__startswith=INVALIDATED))
    idle = Q(changed_at__lt=moment) | Q(changed_at=None, before__lt=moment)
    logged = StatisticInvalidation.objects.using(alias).filter(statistic=statistic, scope=OuterRef("scope"))
    old = scopes.filter(idle).exclude(before__gte=moment).exclude(Exists(logged))
    return old.filter(pk__in=list(old.values_list("pk", flat=True)[:FOLDED_AT_ONCE])).delete()[0]
