"""Everything that is known of one entry; nothing of it can be edited."""

from dataclasses import dataclass
from datetime import datetime
from time import time
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from statistics_cache.changing.ways import ways_of
from statistics_cache.cold.changelog import all_scopes
from statistics_cache.cold.history import Causes, find_causes
from statistics_cache.cold.rows import costs_among, seconds_of
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE, INVALIDATED
from statistics_cache.declaring.sources import Source
from statistics_cache.entry import Copy, moment
from statistics_cache.explaining.durations import duration
from statistics_cache.explaining.sentences import explain, next_read
from statistics_cache.hot.naming import hot_keys, own_space
from statistics_cache.models import StatisticEntry
from statistics_cache.visibility import visible_declarations

from . import pictures
from .columns import badge
from .drawing import draw
from .showing import Current, judge_page, shown
from .visibility import home
from .words import MEANINGS, made_because, pretty, size, snippet, spell_parameters

MAX_SHOWN = 50_000  # characters of a value; the rest is for a program to read
SCOPE_NAMES: dict[str, Any] = {
    EVERY_SCOPE: gettext_lazy("every variant"),
    EPOCH_SCOPE: gettext_lazy("the epoch, which clearing moves"),
}


@dataclass(frozen=True)
class Token:
    """A generation of the hot tier: what the copy holds, what stands there now, and whether they are equal.

    Without a copy `is_equal` is None: there is nothing to compare.
    """

    scope: str
    held: str
    now: str
    is_equal: bool | None


class Fact(NamedTuple):
    """A name and what is known under it; `is_good` is None where nothing can be wrong."""

    name: str
    text: str
    is_good: bool | None = None


@dataclass(frozen=True)
class Tier:
    """One tier's copy of an entry."""

    name: str
    place: str
    is_there: bool
    facts: list[Fact]
    tokens: list[Token]


class Moved(NamedTuple):
    """A scope of an entry, and what last changed it."""

    name: str
    cause: str
    at: datetime | None


def describe(entry: StatisticEntry, request: HttpRequest) -> dict[str, Any]:
    """Give the context of the page of one entry."""
    judge_page([entry], request)
    how = shown(entry)
    context: dict[str, Any] = {
        "entry": entry,
        "parameters": spell_parameters(entry.params),
        "state": how.state,
        "badge": badge(how.state),
        "meaning": MEANINGS[how.state],
        "why": how.why,
        "bars": pictures.bars(costs := costs_among(entry.costs)),
        "costs": [duration(each) for each in costs],
        "most": duration(max(costs, default=0.0)),
        "cost": duration(entry.cost),
        "made": made_because(entry.computed_by, entry.reason),
        "is_declared": entry.statistic in visible_declarations(request),
    }
    return context | (describe_current(entry, how.current) if how.current else {})


def describe_current(entry: StatisticEntry, current: Current) -> dict[str, Any]:
    """Give what is known of an entry that calls can mean."""
    declaration, look = current.declaration, current.look
    copy = look.copy  # None where no reader could get what is stored: then nobody is shown it either
    payload = (copy.payload if copy.tier == "hot" else entry.payload) if copy else None
    scopes = all_scopes(current.variant)
    causes = find_causes(home(), {declaration.name}, set(scopes))
    age = copy.age(look.read.at) if copy else None
    story = explain(declaration, current.variant)
    return {
        "current": current,
        "documentation": (declaration.function.__doc__ or "").strip(),
        "value": shorten(payload),
        "drawn": draw(payload),
        "size": size(len(payload.encode())) if payload else "",
        "timeline": pictures.timeline(pictures.Life(age, *current.bounds[:2], current.changed_after))
        if age is not None
        else "",
        "age": "" if age is None else duration(age),
        "seconds": "" if age is None else f"{age:.1f}",
        "ttl": duration(current.bounds.ttl),
        "stale_ttl": duration(current.bounds.stale_ttl),
        "tiers": [hot_tier(current), cold_tier(entry, current)],
        "sources": [describe_source(source) for source in declaration.sources],
        "ways": ways_of(declaration),
        "scopes": [moved(declaration, scope, causes) for scope in scopes if is_shown(declaration, scope, causes)],
        "story": story.sentences,
        "next_read": next_read(story.facts),
        "snippet": snippet(declaration, current.variant),
        "is_blocked": bool(entry.retry_at and seconds_of(entry.retry_at) > time()),
    }


def shorten(payload: str | None) -> str:
    """Give a stored value as a person reads it; of a very long one, its beginning."""
    if payload is None:
        return ""
    text = pretty(payload)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\n… {more(len(text) - MAX_SHOWN)}"


def more(number: int) -> str:
    """Say how much is left out."""
    return ngettext("%(number)d character more", "%(number)d characters more", number) % {"number": number}


def is_shown(declaration: Declaration[..., Any], scope: str, causes: Causes) -> bool:
    """Leave out the filter scopes that never moved: there are many, and few are ever used."""
    return not scope.startswith((CLEARED, INVALIDATED)) or (declaration.name, scope) in causes


def moved(declaration: Declaration[..., Any], scope: str, causes: Causes) -> Moved:
    """Say what last changed a scope."""
    known = causes.get((declaration.name, scope))
    return Moved(str(SCOPE_NAMES.get(scope, scope)), known.text if known else "", known.at if known else None)


def describe_source(source: Source) -> Fact:
    """Say which model is a source, and which variants a change of a row concerns."""
    if callable(source.scope):
        return Fact(source.label, _("a function decides which variants a row concerns"))
    if not source.paths:
        return Fact(source.label, _("any row concerns every variant"))
    named = [_("%(path)s is the parameter %(name)s") % {"path": at, "name": name} for name, at in source.paths.items()]
    only = "; " + _("only %(fields)s") % {"fields": ", ".join(source.fields)} if source.fields else ""
    return Fact(source.label, ", ".join(named) + only)


def hot_tier(current: Current) -> Tier:
    """Say what the cache holds."""
    read, database = current.look.read, current.look.proof.database
    identity = current.look.proof.identity
    place = hot_keys(current.declaration, current.variant, own_space(identity))[0] if identity else _("nowhere")
    copy = read.copy
    scopes = (EVERY_SCOPE, *current.variant.scopes)
    held: tuple[object, ...] = (copy.hot or ()) if copy else ()
    tokens = [
        Token(
            str(SCOPE_NAMES.get(scope, scope)),
            spell(held, at),
            spell(read.found, at),
            same(held, read.found, at) if copy else None,
        )
        for at, scope in enumerate(scopes)
    ]
    facts = facts_of(copy, database) if copy else []
    if copy:
        facts.append(proof_of(copy, current.bounds.proof))
    return Tier(_("Hot tier"), place, copy is not None, facts, tokens)


def proof_of(copy: Copy, interval: float) -> Fact:
    """Say when the database last proved a copy; that this is long ago is no fault, only nobody has read it since."""
    ago = time() - copy.proved_at
    if 0 <= ago < interval:
        said = {"time": duration(ago), "interval": duration(interval)}
        return Fact(_("Proved current"), _("%(time)s ago; believed for %(interval)s") % said, is_good=True)
    text = _("%(time)s ago; the next reader has it proved again") % {"time": duration(max(0.0, ago))}
    return Fact(_("Proved current"), text)


def cold_tier(entry: StatisticEntry, current: Current) -> Tier:
    """Say what the table holds."""
    proof = current.look.proof
    copy = proof.row.copy if proof.row else None
    return Tier(
        _("Cold tier"),
        f"{StatisticEntry._meta.db_table} {entry.pk}, " + _("schema %(schema)s") % {"schema": entry.schema},
        copy is not None,
        facts_of(copy, proof.database) if copy else [],
        [],
    )


def facts_of(copy: Copy, database: Any) -> list[Fact]:
    """Say what a copy's tokens say, beside what the database says now."""
    held = copy.database
    said = {"at": f"{moment(copy.computed_at):%Y-%m-%d %H:%M:%S}", "time": duration(copy.age(time()))}
    return [
        Fact(_("Computed"), _("%(at)s UTC, %(time)s ago") % said),
        Fact(_("Generation"), compared(held.generation, database.generation), held.generation == database.generation),
        Fact(_("Epoch"), compared(held.epoch, database.epoch), held.epoch == database.epoch),
    ]


def compared(held: int, now: int) -> str:
    """Write a number beside what it is now."""
    if held == now:
        return _("%(held)d, as in the database") % {"held": held}
    return _("%(held)d; the database says %(now)d") % {"held": held, "now": now}


def spell(tokens: tuple[object, ...], at: int) -> str:
    """Write one of some generations."""
    return _("missing") if at >= len(tokens) or tokens[at] is None else str(tokens[at])


def same(held: tuple[object, ...], now: tuple[object, ...], at: int) -> bool:
    """Tell whether a generation is the one that stands there; missing equals nothing."""
    return at < len(held) and at < len(now) and held[at] is not None and held[at] == now[at]
