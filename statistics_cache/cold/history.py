"""What changed lately, and why: kept by the fold for a day, for who asks. No answer depends on it."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Max, Min, Q

from statistics_cache.models import StatisticChange, StatisticInvalidation, StatisticScope

KEPT = 5  # causes of one scope in one fold; of the others their number
KEPT_AT_ONCE = 100  # rows that a fold of 1,000 log rows adds at most: it takes a few hundredths longer
MOST = 100_000  # rows in all
FORGOTTEN = 20_000  # rows deleted by one tick at most: twice what its folds may add
COLUMNS = ("statistic", "scope", "cause", "number", "changed_at")


class Logged(NamedTuple):
    """A log row that was folded."""

    pk: int
    statistic: str
    scope: str
    jump: int
    cause: str
    created_at: datetime


class Kept(NamedTuple):
    """So many changes of a scope by one cause, and when the last was; without a cause several, none of them known."""

    statistic: str
    scope: str
    cause: str
    number: int
    at: datetime


class Cause(NamedTuple):
    """When a scope changed, and what did it."""

    at: datetime
    text: str


Causes = dict[tuple[str, str], Cause]  # by statistic and scope


def keep(alias: str, rows: Sequence[Logged]) -> None:
    """Keep what folded rows say of causes, the newest first, in one statement; in the transaction of the fold."""
    kept = summed_up(rows)[:KEPT_AT_ONCE]
    field, connection = StatisticChange._meta.get_field("changed_at"), connections[alias]
    values = [value for row in kept for value in (*row[:-1], field.get_db_prep_save(row.at, connection))]
    with connection.cursor() as cursor:
        cursor.execute(insert_sql(alias, connection.vendor, len(kept)), values)


def summed_up(rows: Sequence[Logged]) -> list[Kept]:
    """Count log rows, oldest first, by scope and cause, the newest first; of more than five causes of one scope the
    others together."""
    found: dict[tuple[str, str, str], tuple[int, datetime]] = {}
    causes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in reversed(rows):
        known = causes[row.statistic, row.scope]
        if len(known) < KEPT:
            known.add(row.cause)
        name = row.statistic, row.scope, row.cause if row.cause in known else ""
        number, at = found.get(name, (0, row.created_at))
        found[name] = number + 1, max(at, row.created_at)
    return [Kept(*name, *counted) for name, counted in found.items()]


@lru_cache(maxsize=KEPT_AT_ONCE * 2)
def insert_sql(alias: str, _vendor: str, rows: int) -> str:
    """Give the statement that adds so many rows."""
    quote = connections[alias].ops.quote_name
    marks = ", ".join([f"({', '.join(['%s'] * len(COLUMNS))})"] * rows)
    into = f"{quote(StatisticChange._meta.db_table)} ({', '.join(map(quote, COLUMNS))})"
    return f"INSERT INTO {into} VALUES {marks}"  # noqa: S608  (names only; values are bound)


def forget(alias: str, moment: datetime) -> int:
    """Delete what was changed before a moment, and what is beyond 100,000 rows, the oldest first, some at a time."""
    rows = StatisticChange.objects.using(alias)
    first, last = rows.aggregate(first=Min("pk"), last=Max("pk")).values()
    if first is None:
        return 0
    oldest = rows.filter(pk__lt=first + FORGOTTEN)
    return oldest.filter(Q(changed_at__lt=moment) | Q(pk__lte=last - MOST)).delete()[0]


def since(alias: str, statistic: str, scopes: Collection[str], moment: datetime, most: int) -> list[Kept]:
    """Give what changed some scopes since a moment, the newest first: from the log, from what folds have kept, and from
    the sums, which know at least the last."""
    wanted: dict[str, Any] = {"statistic": statistic, "scope__in": sorted(scopes)}
    log = StatisticInvalidation.objects.using(alias).filter(**wanted, created_at__gte=moment).order_by("-pk")
    logged = [Logged(*row) for row in log.values_list("pk", *Logged._fields[1:])[:most]]
    changes = StatisticChange.objects.using(alias).filter(**wanted, changed_at__gte=moment).order_by("-pk")
    sums = StatisticScope.objects.using(alias).filter(**wanted, changed_at__gte=moment)
    last = [
        Kept(statistic, scope, cause, 1, at)
        for scope, cause, at in sums.values_list("scope", "last_cause", "changed_at")
        if at is not None
    ]
    return merged([*summed_up(logged[::-1]), *(Kept(*row) for row in changes.values_list(*COLUMNS)[:most])], last)


def merged(known: Iterable[Kept], last: Iterable[Kept]) -> list[Kept]:
    """Give each cause of a scope once, the newest first; of the last ones those that are not known otherwise."""
    found: dict[tuple[str, str], Kept] = {}
    for each in known:
        if (other := found.get(each[1:3])) is not None:
            each = each._replace(number=each.number + other.number, at=max(each.at, other.at))  # noqa: PLW2901
        found[each.scope, each.cause] = each
    for each in last:
        found.setdefault((each.scope, each.cause), each)
    return sorted(found.values(), key=lambda each: each.at, reverse=True)


def find_causes(alias: str, statistics: Collection[str], scopes: Collection[str]) -> Causes:
    """Give the newest cause of each scope that ever moved, in two statements."""
    wanted = {"statistic__in": sorted(statistics), "scope__in": sorted(scopes)}
    if not statistics:
        return {}
    folded = StatisticScope.objects.using(alias).filter(**wanted).exclude(changed_at=None)
    logged = StatisticInvalidation.objects.using(alias)
    newest = logged.filter(**wanted).values("statistic", "scope").annotate(last=Max("pk")).values("last")
    found: Causes = {}
    rows = [
        *folded.values_list("statistic", "scope", "changed_at", "last_cause"),
        *logged.filter(pk__in=newest).values_list("statistic", "scope", "created_at", "cause"),
    ]
    for statistic, scope, at, text in rows:
        if at is not None:
            found[statistic, scope] = max(found.get((statistic, scope), Cause(at, text)), Cause(at, text))
    return found
