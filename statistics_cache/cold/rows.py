"""The cold tier: which database holds what, storing behind the fence, choosing rows, deleting them."""

import json
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, InterfaceError, InternalError, OperationalError, router
from django.db.models import F, Q, QuerySet, TextField
from django.db.models.functions import Cast

from statistics_cache.actor import actor
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import entry_key
from statistics_cache.entry import A_DAY, END_OF_TIME, LONGEST_BLOCK, Capture, Copy, is_time, moment
from statistics_cache.exceptions import ParameterError
from statistics_cache.models import KEPT_COSTS, StatisticEntry

# What Django raises when a database is out, locked, full or read-only; the last is an InternalError of PostgreSQL.
OUTAGES = (OperationalError, InterfaceError, InternalError)
SCOPE_SEPARATOR = "\n"  # JSON spells it \n, so no scope holds it
PRUNED = 1_000  # expired rows deleted of one statistic in one tick: they harm nobody and can wait
SURPLUS = 10_000  # rows beyond MAX_ENTRIES deleted of one statistic in one tick: they come faster than they expire
PAGE, PAGES = 1_000, 20  # old rows that are read at once, and how often: those that `hydrate=` names may be the last
READ_AT_ONCE = 500  # variants in one statement; SQLite takes at least 32,766 arguments, and each has a few


def alias_of(declaration: Declaration[..., Any]) -> str:
    """Give the database that holds a statistic's rows and sources."""
    if declaration.using:
        return declaration.using
    return router.db_for_write(StatisticEntry) if router.routers else DEFAULT_DB_ALIAS  # each hit asks


def seconds_of(stored: datetime) -> float:
    """Give a stored time in seconds since the Unix epoch; one without a zone is of UTC."""
    return (stored if stored.tzinfo else stored.replace(tzinfo=UTC)).timestamp()


def time_for(seconds: float) -> datetime:
    """Give a time as a column takes it; one that no database holds is the first or the last that all do."""
    return moment(min(max(seconds, 0.0), END_OF_TIME - A_DAY))  # no time zone moves that out of year 9999


def fence(copy: Copy, beyond: int | None, ahead: float | None) -> Q:
    """Let a store pass only over an earlier capture. Earlier are also the very rows that the proof found to be of a
    generation above the sum, or of the future; and a row of a time that no clock shows.

    Never `generation <= mine` alone: of two computes of one generation the one that began later has the newer data.
    """
    generation = copy.database.generation
    same = Q(computed_at__lte=time_for(copy.computed_at)) | Q(computed_at__gt=time_for(END_OF_TIME))
    if ahead is not None:
        same |= Q(computed_at=time_for(ahead))
    earlier = Q(payload=None) | Q(generation__lt=generation) | Q(generation=generation) & same
    return earlier if beyond is None else earlier | Q(generation=beyond)


def store(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str, captured: Capture) -> bool:
    """Store a copy and tell whether the fence let it: False means that the row is of a later capture."""
    own, costs = own_row(declaration, variant)
    passed = own.filter(fence(copy, captured.beyond, captured.ahead)).update(
        payload=copy.payload,
        generation=copy.database.generation,
        epoch=copy.database.epoch,
        computed_at=time_for(copy.computed_at),
        cost=copy.cost,
        costs=[*costs, round(copy.cost, 6)][-KEPT_COSTS:],
        reason=reason,
        computed_by=actor(),
        failures=0,
        last_error="",
        retry_at=None,
        failed_generation=None,
    )
    return passed > 0


def own_row(declaration: Declaration[..., Any], variant: Variant) -> tuple[QuerySet[StatisticEntry], list[float]]:
    """Give the row of a variant, made blank if there is none, and the costs it remembers."""
    entries = StatisticEntry.objects.using(alias_of(declaration))
    own = entries.filter(key=variant.key, schema=declaration.fingerprint)
    if (costs := own.values_list(Cast("costs", TextField()), flat=True).first()) is None:
        blank = StatisticEntry(
            key=variant.key,
            schema=declaration.fingerprint,
            statistic=declaration.name,
            scopes=join_scopes(variant.scopes),
            params=variant.json,
        )
        entries.bulk_create([blank], ignore_conflicts=True)
    return own, read_costs(costs) if costs else []


def read_costs(text: str) -> list[float]:
    """Read the costs that a row remembers: text, for Django would raise where it is nested too deep."""
    try:
        return costs_among(json.loads(text))
    except (ValueError, RecursionError):
        return []


def costs_among(stored: object) -> list[float]:
    """Give the costs among what is stored as such; there are none in what is no list."""
    return [cost for cost in stored if is_cost(cost)] if isinstance(stored, list) else []


def is_cost(value: object) -> bool:
    """Tell whether a stored value is a number of seconds that a compute may take."""
    return isinstance(value, int | float) and is_time(value)


def record_failure(
    declaration: Declaration[..., Any], variant: Variant, generation: int, text: str, retry_at: float
) -> None:
    """Note on a row that a compute failed; payload, generation, epoch and age stay what they are."""
    own, _ = own_row(declaration, variant)
    own.update(
        failures=F("failures") + 1,
        last_error=text,
        retry_at=time_for(retry_at),
        failed_generation=generation,
    )


def aged(declaration: Declaration[..., Any], before: float, now: float) -> Iterator[str]:
    """Give the keys of rows computed before a moment that may be tried now, the oldest first, a page at a time.

    Pages are statements of their own: who has found enough reads no further, and nobody more than 20 of them.
    """
    rows = rows_of(alias_of(declaration), declaration.name).filter(schema=declaration.fingerprint)
    old = rows.filter(computed_at__lt=time_for(before))
    old = old.exclude(retry_at__gt=time_for(now), retry_at__lte=time_for(now + LONGEST_BLOCK))
    keys = old.order_by("computed_at", "pk").values_list("key", flat=True)
    for start in range(0, PAGES * PAGE, PAGE):
        page = list(keys[start : start + PAGE])
        yield from page
        if len(page) < PAGE:
            break


def prune(alias: str, statistic: str, before: float) -> int:
    """Delete rows of any schema that were neither computed since a moment nor to be tried again, some at a time.

    So goes a blank row, too, which a process leaves that ends between making it and filling it. One that is filled
    meanwhile is spared or, at worst, a miss.
    """
    moment = time_for(before)
    left_alone = rows_of(alias, statistic).filter(Q(retry_at=None) | Q(retry_at__lt=moment))
    never, expired = left_alone.filter(computed_at=None), left_alone.filter(computed_at__lt=moment)
    return sum(delete(alias, rows.filter(pk__in=by_age(rows, PRUNED))) for rows in (never, expired))


def prune_beyond(alias: str, statistic: str, most: int) -> int:
    """Delete the rows of a statistic beyond so many, 10,000 at most: those never computed, then by their age."""
    rows = rows_of(alias, statistic)
    surplus = rows.values("computed_at")[: most + SURPLUS].count() - most  # a column of the index
    if surplus <= 0:
        return 0
    chosen = by_age(rows.filter(computed_at=None), surplus)
    chosen += by_age(rows.exclude(computed_at=None), surplus - len(chosen))
    return delete_rows(alias, chosen)


def by_age(rows: QuerySet[StatisticEntry], most: int) -> list[int]:
    """Choose the least recently computed of rows, so many at most.

    Those never computed are asked for apart: databases do not agree on where they come in an index.
    """
    return list(rows.order_by("computed_at", "pk").values_list("pk", flat=True)[:most])


def join_scopes(scopes: Iterable[str]) -> str:
    """Write scopes one a line, each between two separators, so that one can be looked for."""
    return "".join(f"{SCOPE_SEPARATOR}{scope}" for scope in scopes) + SCOPE_SEPARATOR


def rows_of(alias: str, statistic: str) -> QuerySet[StatisticEntry]:
    """Give a statistic's rows, of every schema."""
    return StatisticEntry.objects.using(alias).filter(statistic=statistic)


def stored_variants(
    declaration: Declaration[..., Any], texts: Mapping[str, str], after: str = ""
) -> Iterator[list[Variant]]:
    """Give the variants stored in the current schema that have these parameters, in batches, by key, those `after` one.

    Each batch is a statement of its own: one cursor over all would hold SQLite's snapshot, and prove old rows.
    """
    rows = rows_of(alias_of(declaration), declaration.name).filter(schema=declaration.fingerprint).order_by("key")
    matches, last = matcher(declaration, texts), after
    while batch := list(rows.filter(key__gt=last).values_list("key", "params")[:READ_AT_ONCE]):
        last = batch[-1][0]
        read = (read_variant(declaration, key, params) for key, params in batch if matches(params))
        if variants := [variant for variant in read if variant is not None]:
            yield variants


def read_variant(declaration: Declaration[..., Any], key: str, params: str) -> Variant | None:
    """Give the variant of stored parameters; None where the signature has changed and no call means them any more."""
    try:
        variant = declaration.restore(params)
    except ParameterError:
        return None
    return variant if variant.key == key else None


def unreadable(declaration: Declaration[..., Any]) -> list[int]:
    """Give the rows of the current schema whose parameters no call means any more."""
    rows = rows_of(alias_of(declaration), declaration.name).filter(schema=declaration.fingerprint)
    stored = in_pages(rows, "key", "params")
    return [pk for pk, key, params in stored if read_variant(declaration, key, params) is None]


def in_pages(rows: QuerySet[StatisticEntry], *columns: str) -> Iterator[tuple[Any, ...]]:
    """Give the primary key and some columns of rows, by primary key, each page by a statement of its own.

    A cursor that outlives its statement is lost between two of them where a pooler lends each another connection.
    """
    last = 0
    while page := list(rows.order_by("pk").filter(pk__gt=last).values_list("pk", *columns)[:PAGE]):
        last = page[-1][0]
        yield from page


def matcher(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> Callable[[str], bool]:
    """Give what tells whether stored parameters have these values, each a JSON text, or others that equal them.

    What is no JSON object has none.
    """
    wanted = {name: canonical(json.loads(text)) for name, text in texts.items()}
    ones = {name: text for name, text in declaration.ones(texts).items() if declaration.has_equals(name, texts[name])}

    def is_wanted(name: str, value: object) -> bool:
        if canonical(value) == wanted[name]:
            return True
        return name in ones and declaration.ones({name: json.dumps(value)})[name] == ones[name]

    def matches(params: str) -> bool:
        try:
            stored = json.loads(params)
            return isinstance(stored, dict) and all(name in stored and is_wanted(name, stored[name]) for name in wanted)
        except (TypeError, ValueError, RecursionError):  # no text, no JSON, no such values, or nested too deep
            return False

    return matches


def canonical(value: object) -> str:
    """Write a JSON value in one way: equality in Python would merge 1, 1.0 and true."""
    return json.dumps(value, sort_keys=True)


def delete(alias: str, rows: QuerySet[StatisticEntry]) -> int:
    """Delete rows and give their number."""
    return rows.using(alias).delete()[0]


def delete_rows(alias: str, rows: Sequence[int], until: float | None = None) -> int:
    """Delete these rows and give their number; with a moment, those that were computed since stay."""
    old = Q() if until is None else Q(computed_at=None) | Q(computed_at__lte=time_for(until))
    return sum(delete(alias, some.filter(old)) for some in in_batches(alias, rows))


def names_of(alias: str, rows: Collection[int]) -> list[tuple[str, str, str]]:
    """Give the statistic, the schema and the key of these rows."""
    return [name for some in in_batches(alias, sorted(rows)) for name in some.values_list("statistic", "schema", "key")]


def variants_of(declaration: Declaration[..., Any], rows: Sequence[int]) -> Iterator[Variant]:
    """Give the variants of these rows; none of another schema, or of parameters that no call means any more."""
    for some in in_batches(alias_of(declaration), rows):
        for key, params in some.filter(schema=declaration.fingerprint).values_list("key", "params"):
            if (variant := read_variant(declaration, key, params)) is not None:
                yield variant


def matching(
    declaration: Declaration[..., Any], texts: Mapping[str, str], before: float | None = None, most: int | None = None
) -> list[int]:
    """Give the rows, of every schema, that have these parameters, and were computed before a moment.

    `most` says how many rows are looked at. That of one variant is found by its key.
    """
    rows = older(alias_of(declaration), declaration.name, before).order_by("pk")
    if not texts:
        return list(rows.values_list("pk", flat=True)[:most])
    if is_one_variant(declaration, texts):
        in_order = {name: texts[name] for name in declaration.parameters.adapters}
        return list(rows.filter(key=entry_key(declaration.name, in_order)).values_list("pk", flat=True))
    matches, found, last = matcher(declaration, texts), list[int](), 0
    left = most if most is not None else sys.maxsize
    while left > 0 and (page := list(rows.filter(pk__gt=last).values_list("pk", "params")[: min(left, READ_AT_ONCE)])):
        found += [pk for pk, params in page if matches(params)]
        last, left = page[-1][0], left - len(page)
    return found


def is_one_variant(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> bool:
    """Tell whether parameters are all there are, and no other variant equals theirs."""
    are_all = texts.keys() == declaration.parameters.adapters.keys()
    return are_all and not any(declaration.has_equals(name, text) for name, text in texts.items())


def older(alias: str, statistic: str, before: float | None = None) -> QuerySet[StatisticEntry]:
    """Give a statistic's rows, of every schema; with a moment, those that were computed before it."""
    rows = rows_of(alias, statistic)
    return rows if before is None else rows.filter(computed_at__lt=time_for(max(0.0, before)))


def in_batches(alias: str, rows: Sequence[int]) -> Iterator[QuerySet[StatisticEntry]]:
    """Give these rows, as many at once as one statement takes."""
    for start in range(0, len(rows), READ_AT_ONCE):
        yield StatisticEntry.objects.using(alias).filter(pk__in=rows[start : start + READ_AT_ONCE])
