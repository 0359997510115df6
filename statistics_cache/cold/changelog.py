"""The log of invalidations: what is written when a scope changes, and the sums that tell a token from the truth.

A generation is `sum(base) + sum(jump)` over an entry's scopes, of folded and unfolded rows, read in one statement.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from random import randint
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from statistics_cache.declaring.declaration import Variant
from statistics_cache.declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE, INVALIDATED, UNCHECKED_SCOPE
from statistics_cache.entry import Generations
from statistics_cache.fields import BEGINNING, END, WITHIN_TIME, in_utc, timely, utc_now
from statistics_cache.models import StatisticInvalidation, StatisticScope
from statistics_cache.signals import row_odd

from . import history, odd
from .history import Logged

MAX_JUMP = 2**22  # random, so that two histories never reach one sum; small: a bigint lasts 4 * 10**12 changes
LOGGED_AT_ONCE = 100  # log rows in one statement; SQLite takes at least 32,766 arguments, and each row has six
FOLDED_AT_ONCE = 1_000  # log rows in one transaction, short enough that no writer of a database file waits for long
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)  # of an unchecked row whose time is none: the strictest
MAX_CAUSE = 200  # characters, the column's width
BLOCKED = '"triggers"'  # `via` of what is checked only by installing triggers


class Total(NamedTuple):
    """What the database says of one scope: its sum, before which moment all was cleared (0.0: nothing was), and how
    many log rows were summed.

    When it was last folded, and of when its oldest log row is, are as the database gives them; None: never, and none.
    """

    moved: int
    before: float = 0.0
    summed: int = 0
    folded: Any = None
    logged: Any = None


Totals = Mapping[tuple[str, str], Total]  # by statistic and scope
UNMOVED = Total(0)


class Change(NamedTuple):
    """One row to log: a scope that changed, or (`via`) the keys from which unchecked scopes are read, as JSON."""

    statistic: str
    scope: str
    cause: str
    via: str | None = None


def write(alias: str, changes: Sequence[Change], at: datetime | None = None) -> list[StatisticInvalidation]:
    """Log changes, in one statement for 100 of them; each counts when the surrounding transaction commits.

    They are of now, or of a moment that is known. Gives the rows that are unchecked, as far as the database tells their
    keys.
    """
    moment = () if at is None else (to_column(alias, at),)
    found: list[StatisticInvalidation] = []
    for start in range(0, len(changes), LOGGED_AT_ONCE):
        some = changes[start : start + LOGGED_AT_ONCE]
        values = [value for change in some for value in (*values_of(change, randint(1, MAX_JUMP)), *moment)]
        returns = any(change.via for change in some) and connections[alias].features.can_return_rows_from_bulk_insert
        sql = insert_sql(alias, connections[alias].vendor, len(some), returns, is_dated=at is not None)
        with connections[alias].cursor() as cursor:
            cursor.execute(sql, values)
            logged = cursor.fetchall() if returns else []
        found += [
            unchecked_row(key, created, change)
            for (key, created), change in zip(logged, some, strict=False)
            if change.via
        ]
    return found


def to_column(alias: str, moment: datetime) -> Any:
    """Give a moment as a statement of one's own binds it."""
    field = StatisticInvalidation._meta.get_field("created_at")
    return field.get_db_prep_save(moment, connections[alias])


def values_of(change: Change, jump: int) -> tuple[str | int | None, ...]:
    """Give the columns of a log row."""
    return change.statistic, change.scope, jump, change.cause[:MAX_CAUSE], change.via


def unchecked_row(key: int, at: Any, change: Change) -> StatisticInvalidation:
    """Give a row as it was just logged, at a moment in UTC."""
    created_at = (datetime.fromisoformat(at) if isinstance(at, str) else at).replace(tzinfo=UTC)
    row = StatisticInvalidation(pk=key, statistic=change.statistic, cause=change.cause, via=change.via)
    row.created_at = created_at
    return row


@lru_cache(maxsize=LOGGED_AT_ONCE * 2)
def insert_sql(alias: str, _vendor: str, rows: int, returns: bool, *, is_dated: bool) -> str:
    """Give the statement that logs so many changes, and returns their keys and times if asked; the database adds the
    time of what is not dated."""
    quote = connections[alias].ops.quote_name
    names, values = ["statistic", "scope", "jump", "cause", "via"], ["%s"] * 5
    if when := "%s" if is_dated else utc_now(connections[alias]):
        names, values = [*names, "created_at"], [*values, when]
    columns, marks = ", ".join(map(quote, names)), ", ".join([f"({', '.join(values)})"] * rows)
    at = in_utc(connections[alias], quote("created_at"))
    keys = f" RETURNING {quote('id')}, {at}" if returns else ""
    return f"INSERT INTO {quote(StatisticInvalidation._meta.db_table)} ({columns}) VALUES {marks}{keys}"  # noqa: S608


def unchecked(alias: str, statistics: Iterable[str] | None = None) -> list[StatisticInvalidation]:
    """Give the log rows, of some statistics or of all, whose scopes were not read since their commit."""
    names = [] if statistics is None else list(statistics)
    chosen = "scope = %s AND (via IS NULL OR via <> %s)"
    if statistics is not None:
        chosen += f" AND statistic IN ({', '.join(['%s'] * len(names)) or 'NULL'})"
    rows = odd.read(alias, chosen, [UNCHECKED_SCOPE, BLOCKED, *names], FOLDED_AT_ONCE)
    return [
        unchecked_row(row.pk, row.created_at or EARLIEST, Change(row.statistic, row.scope, row.cause, via))
        for row, via in rows
    ]


def block(alias: str, statistics: Iterable[str]) -> None:
    """Log a row of each statistic that nobody can check: until it goes, nothing of it is believed."""
    write(alias, [Change(name, UNCHECKED_SCOPE, "triggers removed", BLOCKED) for name in statistics])


def blocked(alias: str) -> QuerySet[StatisticInvalidation]:
    """Give these rows."""
    return StatisticInvalidation.objects.using(alias).filter(scope=UNCHECKED_SCOPE, via=BLOCKED)


def mark_checked(alias: str, rows: Sequence[StatisticInvalidation], changes: Sequence[Change]) -> bool:
    """Put the changes that were found in the place of unchecked rows; tell whether another process did not do so.

    They are as old as the oldest of these: what lacks them has done so since.
    """
    with transaction.atomic(using=alias):
        gone, _ = StatisticInvalidation.objects.using(alias).filter(pk__in=sorted(row.pk for row in rows)).delete()
        if gone:
            write(alias, changes, min(row.created_at for row in rows))
    return bool(gone)


def sums_sql(alias: str, where: str) -> str:
    """Give the SQL of one row per scope that ever moved: statistic, scope, total, before, log rows summed, folded, and
    of when its oldest log row is.

    `where` is SQL for the table of sums and for the log alike; its arguments are bound twice.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    total, rows = (f"CAST(SUM({name}) AS {BigIntegerField().cast_db_type(connection)})" for name in ("n", "summed"))
    before = timely(connection, quote("before"))
    at, created = quote("folded_at"), quote("created_at")  # what is no time, or not there, is taken for the strictest
    first, last = (as_time(connection, each) for each in (BEGINNING, END))
    at = in_utc(connection, f"CASE WHEN {at} {WITHIN_TIME} THEN {at} WHEN base <> 0 THEN {last} END")
    created = in_utc(connection, f"CASE WHEN {created} {WITHIN_TIME} THEN {created} ELSE {first} END")
    scopes, log = (quote(model._meta.db_table) for model in (StatisticScope, StatisticInvalidation))
    times = f"MAX(cleared) AS cleared, {rows} AS summed, MAX(folded) AS folded, MIN(logged) AS logged"
    none = f"{before} AS cleared, 0 AS summed, {at} AS folded, NULL AS logged"
    folded = f"SELECT statistic, scope, base AS n, {none} FROM {scopes} {where}"  # noqa: S608
    jump = f"CASE WHEN jump > {odd.MAX_JUMP} THEN 1 + jump %% {odd.MAX_JUMP} ELSE jump END"
    some = f"SUM({jump}), NULL, COUNT(*), NULL, MIN({created})"
    one_each = f"SELECT statistic, scope, {some} FROM {log} {where} GROUP BY statistic, scope"  # noqa: S608
    moved = f"FROM ({folded} UNION ALL {one_each}) moved GROUP BY statistic, scope"
    return f"SELECT statistic, scope, {total} AS total, {times} {moved}"


def as_time(connection: Any, literal: str) -> str:
    """Give the SQL of a moment: MySQL makes texts of moments that stand beside one."""
    return f"CAST({literal} AS datetime(6))" if connection.vendor == "mysql" else literal


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


def fold(alias: str) -> list[Logged] | None:
    """Move the oldest log rows into the sums, and give them; None if another process did so meanwhile.

    A generation is the same before and after, and in between: the rows go in the transaction in which the sums grow.
    One row that cannot be folded never stops it. (Note [Odd rows])
    """
    rows = odd.oldest(alias, FOLDED_AT_ONCE)
    return fold_together(alias, rows) if rows else []


def fold_together(alias: str, rows: Sequence[Logged]) -> list[Logged] | None:
    """Fold rows in one transaction; where it is refused, each half in its own, down to the odd row."""
    try:
        return list(rows) if take(alias, rows, rows) else None
    except odd.REFUSALS as error:
        if len(rows) == 1:
            return set_aside(alias, rows[0], error)
    half = len(rows) // 2
    first = fold_together(alias, rows[:half])
    others = None if first is None else fold_together(alias, rows[half:])
    return None if first is None or others is None else [*first, *others]


def set_aside(alias: str, row: Logged, error: Exception) -> list[Logged] | None:
    """Move every scope of an odd row's statistic in its place; what names no statistic is of nobody, and goes."""
    moved = [odd.wider(row, randint(1, MAX_JUMP))] if odd.names_statistic(row) else []
    if not take(alias, [row], moved):
        return None
    row_odd.send_robust(sender=None, database=alias, row=row.pk, error=error)
    return moved


def take(alias: str, gone: Sequence[Logged], rows: Sequence[Logged]) -> bool:
    """Delete log rows and add rows to the sums, in one transaction; tell whether another process did not do so."""
    odd.check(rows)
    with transaction.atomic(using=alias):
        logged = StatisticInvalidation.objects.using(alias).filter(pk__in=[row.pk for row in gone])
        if logged.delete()[0] != len(gone):
            transaction.set_rollback(True, using=alias)
            return False
        if rows:
            add_to_sums(alias, rows)
            history.keep(alias, rows)
    return True


def add_to_sums(alias: str, rows: Sequence[Logged]) -> None:
    """Add the jumps of rows, oldest first, to the sums of their scopes, in one statement.

    The newest row's cause and time are kept.
    """
    jumps = Counter[tuple[str, str]]()
    for row in rows:
        jumps[row.statistic, row.scope] += row.jump
    newest = {(row.statistic, row.scope): row for row in rows}
    values = [
        value
        for pair in sorted(jumps)  # two folds lock the same sums in the same order
        for value in (*pair, jumps[pair], newest[pair].cause, to_column(alias, newest[pair].created_at))
    ]
    with connections[alias].cursor() as cursor:
        cursor.execute(add_sql(alias, len(jumps)), values)


def add_sql(alias: str, scopes: int) -> str:
    """Give the statement that adds to the sums of so many scopes; the database adds by itself, and says when."""
    quote = connections[alias].ops.quote_name
    now, _ = StatisticScope.objects.using(alias).query.get_compiler(alias).compile(Now())
    moment = utc_now(connections[alias]) or now
    columns = ("statistic", "scope", "base", "last_cause", "changed_at", "folded_at")
    values = ", ".join([f"(%s, %s, %s, %s, %s, {moment})"] * scopes)  # folded_at: later than the read of the log
    into = f"{quote(StatisticScope._meta.db_table)} ({', '.join(map(quote, columns))})"
    return f"INSERT INTO {into} VALUES {values} {where_known_sql(alias)}"  # noqa: S608


def where_known_sql(alias: str) -> str:
    """Give what that statement does where a scope has a sum. (Django's `update_conflicts` cannot add.)"""
    quote = connections[alias].ops.quote_name
    base, folded = quote("base"), quote("folded_at")
    if connections[alias].vendor == "mysql":
        when, known, new = "ON DUPLICATE KEY UPDATE", "{}", "VALUES({})"
    else:
        when = f"ON CONFLICT ({quote('statistic')}, {quote('scope')}) DO UPDATE SET"
        known, new = quote(StatisticScope._meta.db_table) + ".{}", "EXCLUDED.{}"
    others = [f"{name} = {new.format(name)}" for name in map(quote, ("last_cause", "changed_at"))]
    was, at = known.format(folded), new.format(folded)  # who has waited for another's fold has an earlier time
    latest = f"{folded} = CASE WHEN {was} > {at} THEN {was} ELSE {at} END"
    return f"{when} {', '.join([f'{base} = {known.format(base)} + {new.format(base)}', *others, latest])}"


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


# Note [Odd rows]
# Other programs may write into the log, and a restored or altered table may refuse what the log held: a fold that
# always took the same rows and always failed would never fold again, and proofs would grow slower for ever. So a batch
# that is refused is folded by halves. The row that is refused alone goes, and every scope of its statistic moves in its
# place: wider, never narrower. A jump that no writer of ours makes is refused before the database is asked, for SQLite
# would keep a sum of more than 63 bits as a fraction, which no later jump moves. What names no statistic moves nothing.
# Readers, who come before the fold, count such a jump as a smaller one: a sum that is no bigint would be their error.
