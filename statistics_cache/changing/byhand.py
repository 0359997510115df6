"""Invalidating and clearing by hand: exact, though computes run meanwhile."""

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from functools import partial
from time import time
from typing import Any, Literal, NamedTuple, get_args

from django.db import router, transaction
from django.db.models import Q, QuerySet

from statistics_cache.cold import changelog
from statistics_cache.cold import rows as cold
from statistics_cache.cold.transactions import after_commit, in_transaction
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.keys import EPOCH_SCOPE, EVERY_SCOPE
from statistics_cache.exceptions import ParameterError
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry

from .delivering import change, deliver

Tier = Literal["both", "hot", "cold"]

MAX_OTHERS = 50_000  # rows that an invalidation of chosen rows moves; beyond, every variant falls
MAX_SIBLINGS = 1_000  # rows that a partial invalidation moves; beyond, the whole scope falls: right, only less exact
BY_HAND = "by hand"


def invalidate(declaration: Declaration[..., Any], texts: Mapping[str, str], cause: str = BY_HAND) -> None:
    """Make every variant that has these parameters be computed anew; none named, every variant.

    Where they name part of a scope, its other entries follow the jump and stay current; above 1,000 rows, and inside a
    transaction (where their locks would hold up other writers), the whole scope falls.
    """
    alias = cold.alias_of(declaration)
    shape = declaration.widest_shape(texts)
    scope = declaration.scope(declaration.parameters.read({name: texts[name] for name in shape}))
    if len(shape) == len(texts) or in_transaction(alias):
        change(alias, declaration.name, [scope], cause)
    else:
        with transaction.atomic(using=alias):
            siblings = [
                row for row in lock_scope(alias, declaration.name, scope) if not cold.matches(row.params, texts)
            ]
            cold.move(alias, siblings, changelog.record(alias, declaration.name, [scope], cause))
        deliver(alias, declaration.name, [scope])


def lock_scope(alias: str, statistic: str, scope: str) -> list[StatisticEntry]:
    """Lock and give the rows of a scope, in one order for all; none if there are more than 1,000."""
    rows = cold.rows_of(alias, statistic, scope).select_for_update().order_by("pk")
    found = list(rows.only("pk", "params", "scopes")[: MAX_SIBLINGS + 1])
    return [row for row in found if cold.belongs(row, scope)] if len(found) <= MAX_SIBLINGS else []


def clear(
    declaration: Declaration[..., Any],
    texts: Mapping[str, str],
    tier: Tier = "both",
    older_than: timedelta | None = None,
    cause: str = BY_HAND,
) -> int:
    """Delete the copies of every variant that has these parameters, and give how many rows that concerned.

    What is cleared in both tiers never comes back, not even as stale: the epoch moves, and only entries that were not
    meant follow. In one tier alone, copies are deleted and nothing moves. Raises ParameterError for another tier.
    """
    if tier not in get_args(Tier):
        raise ParameterError(f"{declaration.name}: tier is {tier!r}. Write 'both', 'hot' or 'cold'.")
    alias = cold.alias_of(declaration)
    everything = not texts and older_than is None
    if tier == "hot":
        rows = matching_rows(alias, declaration.name, texts, older_than)
        return clear_hot(alias, declaration, rows, everything=everything)
    if tier == "cold":
        return cold.delete(alias, matching_rows(alias, declaration.name, texts, older_than))
    with transaction.atomic(using=alias):
        seen = [] if everything else cold.lock_all(alias, declaration.name)
        doomed = matching_rows(alias, declaration.name, texts, older_than)
        left = sorted(set(seen) - set(doomed.values_list("pk", flat=True)))
        jump = changelog.record(alias, declaration.name, [EPOCH_SCOPE], cause)
        count = cold.delete(alias, doomed)
        cold.follow_epoch(alias, left, jump)
    deliver(alias, declaration.name, [EVERY_SCOPE])
    return count


def invalidate_rows(declaration: Declaration[..., Any], chosen: Collection[int], cause: str = BY_HAND) -> None:
    """Make the variants of these rows be computed anew; the statistic's others follow the jump and stay current.

    Above 50,000 others, and inside a transaction, every variant of the statistic falls.
    """
    alias = cold.alias_of(declaration)
    if in_transaction(alias):
        change(alias, declaration.name, [EVERY_SCOPE], cause)
        return
    with transaction.atomic(using=alias):
        rows = cold.rows_of(alias, declaration.name)
        is_exact = not rows[MAX_OTHERS + len(chosen) :].exists()
        others = sorted(set(cold.lock_all(alias, declaration.name)) - set(chosen)) if is_exact else []
        cold.follow(alias, others, changelog.record(alias, declaration.name, [EVERY_SCOPE], cause))
    deliver(alias, declaration.name, [EVERY_SCOPE])


def clear_rows(
    declaration: Declaration[..., Any], chosen: Collection[int], tier: Literal["both", "hot"], cause: str = BY_HAND
) -> int:
    """Delete the copies of these rows' variants, as `clear` does of all that have some parameters, and count them."""
    alias = cold.alias_of(declaration)
    if tier == "hot":
        names = cold.names_of(alias, chosen)
        after_commit(alias, partial(hot.delete, names))
        return len(names)
    with transaction.atomic(using=alias):
        seen = set(cold.lock_all(alias, declaration.name))
        jump = changelog.record(alias, declaration.name, [EPOCH_SCOPE], cause)
        count = cold.delete_rows(alias, sorted(seen & set(chosen)))
        cold.follow_epoch(alias, sorted(seen - set(chosen)), jump)
    deliver(alias, declaration.name, [EVERY_SCOPE])
    return count


def matching_rows(
    alias: str, statistic: str, texts: Mapping[str, str], older_than: timedelta | None = None
) -> QuerySet[StatisticEntry]:
    """Give the rows of a statistic that have these parameters and were computed before a moment."""
    rows = cold.rows_of(alias, statistic)
    if older_than is not None:
        rows = rows.filter(computed_at__lt=cold.time_for(max(0.0, time() - older_than.total_seconds())))
    if texts:
        stored = rows.values_list("pk", "params").iterator()
        rows = rows.filter(pk__in=[pk for pk, params in stored if cold.matches(params, texts)])
    return rows


def clear_hot(
    alias: str, declaration: Declaration[..., Any], rows: QuerySet[StatisticEntry], *, everything: bool
) -> int:
    """Delete hot copies alone; the database may prove and promote their rows again."""
    names = list(rows.values_list("schema", "key"))
    after_commit(alias, partial(hot.delete, names))
    if everything:
        after_commit(alias, partial(hot.delete_statistic, declaration.name))
    return len(names)


class Orphans(NamedTuple):
    """Rows that no call reads any more: a database, the statistic that they were of, and which."""

    alias: str
    statistic: str
    rows: QuerySet[StatisticEntry]


def orphans(declarations: Iterable[Declaration[..., Any]], older_than: timedelta | None = None) -> list[Orphans]:
    """Find rows of statistics that are not among these, of another schema, or of parameters that no call means."""
    homes = {(cold.alias_of(declaration), declaration.name): declaration for declaration in declarations}
    found = []
    for alias in sorted({router.db_for_write(StatisticEntry), *(alias for alias, _ in homes)}):
        names = StatisticEntry.objects.using(alias).order_by("statistic").values_list("statistic", flat=True)
        for name in names.distinct():
            rows = matching_rows(alias, name, {}, older_than)
            if (declaration := homes.get((alias, name))) is not None:
                rows = rows.filter(~Q(schema=declaration.fingerprint) | Q(pk__in=cold.unreadable(declaration)))
            found.append(Orphans(alias, name, rows))
    return [group for group in found if group.rows.exists()]


def clear_orphans(group: Orphans) -> int:
    """Delete orphaned rows in both tiers and give their number.

    No epoch moves: nothing that is declared here reads them, and other code that still does (a deploy under way) has
    lost nothing but time. Rows go first, so that it promotes none of them in between.
    """
    names = list(group.rows.values_list("schema", "key"))
    count = cold.delete(group.alias, group.rows)
    after_commit(group.alias, partial(hot.delete, names))
    return count
