"""Invalidating and clearing by hand: exact, though computes run meanwhile, and one log row (Note [Filter scopes])."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from time import time
from typing import Any, Literal, NamedTuple, get_args

from django.db import router
from django.db.models import Q, QuerySet

from statistics_cache.cold import changelog
from statistics_cache.cold import rows as cold
from statistics_cache.cold.transactions import after_commit
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE, INVALIDATED
from statistics_cache.exceptions import ParameterError
from statistics_cache.hot import entries as hot
from statistics_cache.identity import known
from statistics_cache.models import StatisticEntry

from .delivering import Part, change, change_parts, hand_over, move_hot

Tier = Literal["both", "hot", "cold"]

LOOKED_AT = 1_000  # rows that a clearing looks at to delete them at once; the tick deletes the others that it concerns
BY_HAND = "by hand"


def invalidate(declaration: Declaration[..., Any], texts: Mapping[str, str], cause: str = BY_HAND) -> None:
    """Make every variant that has these parameters be computed anew, and no other; none named, every variant.

    Raises ParameterError for a combination of parameters that names no part.
    """
    alias, scope = cold.alias_of(declaration), hot_scope_of(declaration, texts)
    if len(declaration.widest_shape(texts)) == len(texts):
        change(alias, declaration.name, [scope], cause)
    else:
        change_parts(alias, declaration.name, [Part(declaration.part(INVALIDATED, texts), scope)], cause)


def hot_scope_of(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> str:
    """Give the narrowest scope in which all variants with these parameters lie."""
    shape = declaration.widest_shape(texts)
    return declaration.scope(declaration.parameters.read({name: texts[name] for name in shape}))


def clear(
    declaration: Declaration[..., Any],
    texts: Mapping[str, str],
    tier: Tier = "both",
    older_than: timedelta | None = None,
    cause: str = BY_HAND,
    most: int | None = LOOKED_AT,
) -> int:
    """Delete the copies of every variant that has these parameters, and give how many rows that concerned.

    What is cleared in both tiers never comes back, not even as stale, and no other variant is touched. `most` says how
    many rows are looked at to find those to delete (None: all); the tick deletes the others. In one tier alone, copies
    are deleted and nothing moves. Raises ParameterError for another tier, and for parameters that name no part.
    """
    if tier not in get_args(Tier):
        raise ParameterError(f"{declaration.name}: tier is {tier!r}. Write 'both', 'hot' or 'cold'.")
    before = None if older_than is None else time() - older_than.total_seconds()
    if tier == "both":
        return clear_both(declaration, texts, before, cause, most)
    rows = cold.matching(declaration, texts, before)
    if tier == "cold":
        return cold.delete_rows(cold.alias_of(declaration), rows)
    return clear_hot(declaration, rows, everything=not texts and older_than is None)


def clear_both(
    declaration: Declaration[..., Any], texts: Mapping[str, str], before: float | None, cause: str, most: int | None
) -> int:
    """Move the epoch of a part, or the moment before which all is cleared; then delete the rows that are looked at."""
    alias, now = cold.alias_of(declaration), time()
    part = Part(declaration.part(CLEARED, texts) if texts else EPOCH_SCOPE, hot_scope_of(declaration, texts))
    rows = cold.matching(declaration, texts, before, most)
    number = len(rows) if texts else cold.older(alias, declaration.name, before).count()
    clear_parts(declaration, [part], before, cause)
    after_commit(alias, partial(cold.delete_rows, alias, rows, now))
    return number


def clear_parts(declaration: Declaration[..., Any], parts: Sequence[Part], before: float | None, cause: str) -> None:
    """Log that parts are cleared, or that what was computed before a moment is, and deliver it.

    The hot tier is told twice: before the commit, too, for who commits may be killed before it delivers.
    """
    alias = cold.alias_of(declaration)
    move_hot(alias, {declaration.name: [part.hot for part in parts]})
    if before is None:
        change_parts(alias, declaration.name, parts, cause)
        return
    for part in parts:
        changelog.clear_before(alias, declaration.name, part.scope or EPOCH_SCOPE, cold.time_for(before))
    hand_over(alias, {declaration.name: {Part(None, EVERY_SCOPE)}}, [])


def clear_hot(declaration: Declaration[..., Any], rows: Sequence[int], *, everything: bool = False) -> int:
    """Delete the hot copies of rows alone; the database may prove and promote them again."""
    alias = cold.alias_of(declaration)
    names = cold.names_of(alias, rows)
    after_commit(alias, partial(delete_hot, alias, names))
    if everything:
        after_commit(alias, partial(delete_all_hot, alias, declaration.name))
    return len(names)


def invalidate_variants(declaration: Declaration[..., Any], variants: Iterable[Variant], cause: str = BY_HAND) -> None:
    """Make these variants be computed anew, and no others."""
    alias = cold.alias_of(declaration)
    if declaration.parts:
        change_parts(alias, declaration.name, parts_of(INVALIDATED, variants), cause)
    else:
        change(alias, declaration.name, [EVERY_SCOPE], cause)


def clear_rows(
    declaration: Declaration[..., Any], chosen: Sequence[int], tier: Literal["both", "hot"], cause: str = BY_HAND
) -> int:
    """Delete the copies of these rows' variants, as `clear` does of all that have some parameters, and count them.

    Of rows that no call reads any more the copies alone are deleted.
    """
    if tier == "hot":
        return clear_hot(declaration, chosen)
    alias, now = cold.alias_of(declaration), time()
    names = cold.names_of(alias, chosen)
    variants = cold.variants_of(declaration, chosen)
    parts = parts_of(CLEARED, variants) if declaration.parts else {Part(EPOCH_SCOPE, EVERY_SCOPE)}
    clear_parts(declaration, sorted(parts), None, cause)
    after_commit(alias, partial(cold.delete_rows, alias, chosen, now))
    after_commit(alias, partial(delete_hot, alias, names))
    return len(names)


def parts_of(kind: str, variants: Iterable[Variant]) -> set[Part]:
    """Give the part that is one variant, for each of some."""
    return {Part(each.whole(kind), each.scopes[0] if each.scopes else EVERY_SCOPE) for each in variants}


class Orphans(NamedTuple):
    """Rows that no call reads any more: a database, the statistic that they were of, and which."""

    alias: str
    statistic: str
    rows: QuerySet[StatisticEntry]


def orphans(declarations: Iterable[Declaration[..., Any]], older_than: timedelta | None = None) -> list[Orphans]:
    """Find rows of statistics that are not among these, of another schema, or of parameters that no call means."""
    homes = {(cold.alias_of(declaration), declaration.name): declaration for declaration in declarations}
    before = None if older_than is None else time() - older_than.total_seconds()
    found = []
    for alias in sorted({router.db_for_write(StatisticEntry), *(alias for alias, _ in homes)}):
        names = StatisticEntry.objects.using(alias).order_by("statistic").values_list("statistic", flat=True)
        for name in names.distinct():
            rows = cold.older(alias, name, before)
            if (declaration := homes.get((alias, name))) is not None:
                rows = rows.filter(~Q(schema=declaration.fingerprint) | Q(pk__in=cold.unreadable(declaration)))
            found.append(Orphans(alias, name, rows))
    return [group for group in found if group.rows.exists()]


def clear_orphans(group: Orphans) -> int:
    """Delete orphaned rows in both tiers and give their number.

    No epoch moves: nothing that is declared here reads them, and other code that still does (a deploy under way) has
    lost nothing but time. Rows go first, so that it promotes none of them in between.
    """
    names = list(group.rows.values_list("statistic", "schema", "key"))
    count = cold.delete(group.alias, group.rows)
    after_commit(group.alias, partial(delete_hot, group.alias, names))
    return count


def delete_hot(alias: str, entries: Iterable[tuple[str, str, str]]) -> None:
    """Delete the hot copies of entries of a database."""
    hot.delete(known.find(alias), entries)


def delete_all_hot(alias: str, statistic: str) -> None:
    """Delete every hot copy of a statistic of a database."""
    hot.delete_statistic(known.find(alias), statistic)


# Note [Filter scopes]
# Every entry belongs to one scope for each part of its statistic that it lies in (`declaring.parts`), twice: `~` counts
# in its epoch, `=` in its generation. A proof reads their sums with all others, whether they ever moved or not. So to
# clear or invalidate a part is to log one row, whatever it holds: the entry that is hot, the row that is pruned, the
# compute that has no row yet and the token that is kept elsewhere all hold the old sum. Rows are deleted afterwards, to
# save room: until then nobody is given them. Searched exhaustively: rows deleted and nothing moved, a row pruned that
# held the mark, the filter in the generation alone (what was cleared comes back as stale): each is wrong.
