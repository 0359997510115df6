"""The story of one variant in plain words, a sentence or two about each thing; translatable, one message each."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import CLEARED, EPOCH_SCOPE

from .durations import duration
from .facts import Change, Facts, facts_of

SHOWN = 5  # causes that a sentence names

BY: dict[str, str] = {
    "read": gettext_noop("by a reader"),
    "worker": gettext_noop("by a worker"),
    "tick": gettext_noop("by a worker that the tick had asked"),
    "command": gettext_noop("by a command"),
    "": gettext_noop("by an unknown caller"),
}
WHY: dict[str, str] = {
    "missing": gettext_noop("because nothing was stored"),
    "age": gettext_noop("because what was stored was older than its ttl"),
    "source": gettext_noop("because its source had changed"),
    "clock": gettext_noop("because a clock had been set back"),
    "unproven": gettext_noop("because the database had been out"),
    "refresh": gettext_noop("because .refresh() was called"),
    "set": gettext_noop("elsewhere, and stored by .set()"),
}
STATES: dict[tuple[str, str | None], str] = {
    ("missing", None): gettext_noop("Nothing is stored that a read could be given."),
    ("fresh", None): gettext_noop("Fresh: %(age)s old, below its ttl of %(ttl)s, and its source is as it was."),
    ("stale", "age"): gettext_noop(
        "Stale by its age: %(age)s old, past its ttl of %(ttl)s and below its stale_ttl of %(stale_ttl)s."
    ),
    ("stale", "source"): gettext_noop("Stale: its source has changed since it was computed."),
    ("stale", "clock"): gettext_noop("Stale: it is of the future, so a clock was set back."),
    ("stale", "transaction"): gettext_noop("Stale here: this transaction has changed its source and is not over yet."),
    ("stale", "unproven"): gettext_noop("Stale: the database is down, so nobody can tell whether it is current."),
    ("expired", "age"): gettext_noop("Expired: %(age)s old, which is past its stale_ttl of %(stale_ttl)s."),
    ("expired", "source"): gettext_noop(
        "Expired: it has lacked a change for longer than its changed_ttl of %(changed_ttl)s."
    ),
    ("expired", "clock"): gettext_noop("Expired: it is so far in the future that nobody can tell its age."),
}
READS: dict[str, str] = {
    "hot": gettext_noop("It is given as it is, from the cache alone: one round trip, no SQL."),
    "proved": gettext_noop("The table is asked once and proves it current; then it is given."),
    "stale": gettext_noop("It is given as stale."),
    "computes": gettext_noop("The reader computes it, once for all who ask meanwhile, and it is stored."),
    "fails": gettext_noop("ComputeFailed is raised: the last compute failed, and it is not tried again yet."),
    "raises": gettext_noop("The reader computes it, and gets the error of the database, which is down."),
    "disabled": gettext_noop("ENABLED is False: each call computes, and nothing is stored."),
    "inside": gettext_noop("Inside a compute: returned if the database proves it current, otherwise computed."),
    "transaction": gettext_noop("In this transaction each call computes, and nothing is stored."),
    "live": gettext_noop("A committed change is still being checked. Until that is done, each call computes."),
}
REFRESHES: dict[str, str] = {
    "tick": gettext_noop("The tick keeps it warm: the first one from %(when)s on has it refreshed."),
    "perhaps the tick": gettext_noop(
        "Each tick asks the callable of hydrate=. If that names it, the first tick from %(when)s on has it refreshed."
    ),
    "worker": gettext_noop("The first read from %(when)s on has a worker refresh it. Without a reader nothing does."),
    "reader": gettext_noop("The first read from %(when)s on computes it. Without a reader nothing does."),
    "nobody": gettext_noop("Nothing refreshes it now."),
}


class Sentence(NamedTuple):
    """What is said about one thing."""

    about: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """The facts of one variant, and the sentences that tell them; its text is those, one a line."""

    facts: Facts
    sentences: tuple[Sentence, ...]

    def __str__(self) -> str:
        """Give the sentences, one a line."""
        return "\n".join(f"{each.about}: {each.text}" for each in self.sentences)

    def as_json(self) -> str:
        """Give one JSON object: the facts, and the story; durations in seconds, moments in ISO 8601."""
        given = asdict(self.facts)
        parameters = given.pop("parameters")  # as it is stored: nothing is lost by reading it
        told = {**given, "story": [each._asdict() for each in self.sentences]}
        text = json.dumps(told, default=plain, ensure_ascii=False, indent=2)
        return f'{{\n  "parameters": {parameters},{text[1:]}'


def plain(value: Any) -> Any:
    """Write what JSON does not know."""
    return value.total_seconds() if isinstance(value, timedelta) else value.isoformat()


def explain(declaration: Declaration[..., Any], variant: Variant) -> Story:
    """Tell the story of a variant."""
    facts = facts_of(declaration, variant)
    return Story(facts, tuple(told(facts)))


def told(facts: Facts) -> Iterator[Sentence]:
    """Put facts into sentences."""
    yield Sentence(_("Computed"), computed(facts))
    if facts.computed_at:
        yield Sentence(_("Changed since"), changed(facts))
    yield Sentence(_("State"), _(STATES[facts.state, facts.reason]) % limits_in(facts))
    if facts.failures:
        yield Sentence(_("Failed"), failed(facts))
    yield Sentence(_("Next read"), next_read(facts))
    yield Sentence(_("Next refresh"), _(REFRESHES[facts.refresher]) % {"when": when(facts.refresh_at, facts.at)})
    yield Sentence(_("In the cache"), in_cache(facts))
    yield Sentence(_("In the table"), in_table(facts))


def limits_in(facts: Facts) -> dict[str, str]:
    """Give the durations that sentences about states name."""
    given = {"age": facts.age, "ttl": facts.ttl, "stale_ttl": facts.stale_ttl, "changed_ttl": facts.changed_ttl}
    return {name: duration(each.total_seconds()) if each is not None else "" for name, each in given.items()}


def computed(facts: Facts) -> str:
    """Say when it was computed, by whom, for what, and from what."""
    if facts.computed_at is None or facts.age is None or facts.cost is None:
        return _("Never, as far as is known.")
    by = _(BY.get(facts.by, BY[""]))
    said = {"ago": duration(facts.age.total_seconds()), "at": stamp(facts.computed_at), "by": by}
    text = _("%(ago)s ago (%(at)s), %(by)s") % said
    if facts.why in WHY:
        text = f"{text}, {_(WHY[facts.why])}"
    sources = ", ".join(facts.sources) or _("no declared source")
    cost = duration(facts.cost.total_seconds())
    return _("%(text)s, in %(cost)s, from %(sources)s.") % {"text": text, "cost": cost, "sources": sources}


def changed(facts: Facts) -> str:
    """Say what changed since."""
    if facts.is_database_out:
        return _("The database is down, so nobody can tell.")
    if not facts.is_changed:
        return _("Nothing.")
    if not facts.changes:
        return _("Something, but its cause is no longer kept.")
    number = sum(each.number for each in facts.changes)
    text = ngettext("At least %(number)d change", "At least %(number)d changes", number) % {"number": number}
    return f"{text}: {'; '.join(causes(facts.changes))}."


def causes(changes: Sequence[Change]) -> Iterator[str]:
    """Name the newest causes, and count the others."""
    for each in changes[:SHOWN]:
        cause = each.cause or (_("cleared") if is_clearing(each.scope) else _("others"))
        times = ngettext("%(number)d time", "%(number)d times", each.number) % {"number": each.number}
        yield f"{cause} ({f'{times}, ' if each.number > 1 else ''}{stamp(each.at)})"
    if left := sum(each.number for each in changes[SHOWN:]):
        yield ngettext("%(number)d more", "%(number)d more", left) % {"number": left}


def is_clearing(scope: str) -> bool:
    """Tell whether a scope is one that only clearing moves."""
    return scope == EPOCH_SCOPE or scope.startswith(CLEARED)


def failed(facts: Facts) -> str:
    """Say how often it failed, and when it is tried again."""
    text = ngettext("%(number)d time since the last success", "%(number)d times since the last success", facts.failures)
    said = text % {"number": facts.failures}
    again = _("tried again from %(when)s on") % {"when": when(facts.retry_at, facts.at)} if facts.retry_at else ""
    return f"{said}{f', {again}' if again else ''}: {' '.join(facts.last_error.split())}"


def next_read(facts: Facts) -> str:
    """Say what a call does now."""
    text = _(READS[facts.next_read])
    if facts.next_read != "stale":
        return text
    if facts.asks_at is None:
        return f"{text} {_('No worker is asked.')}"
    return f"{text} {_('A worker is asked from %(when)s on.') % {'when': when(facts.asks_at, facts.at)}}"


def in_cache(facts: Facts) -> str:
    """Say what the hot tier holds."""
    if facts.is_cache_out:
        return _("The cache is down, so this process does not ask it.")
    if (copy := facts.hot) is None:
        return _("No copy.")
    said = {"at": stamp(copy.computed_at), "proved": stamp(copy.proved_at)}
    if not copy.are_equal:
        return _("A copy computed at %(at)s. Its generations are out of date: no read uses it.") % said
    if not copy.is_believed:
        return (
            _("A copy computed at %(at)s, last proved at %(proved)s: too long ago, so the next read asks the table.")
            % said
        )
    return _("A copy computed at %(at)s, proved at %(proved)s: reads use it.") % said


def in_table(facts: Facts) -> str:
    """Say what the cold tier holds."""
    if facts.is_database_out:
        return _("The database is down, so nobody can tell.")
    if (copy := facts.cold) is None:
        return _("No value.")
    said = {"at": stamp(copy.computed_at)}
    if copy.is_cleared:
        return _("A value computed at %(at)s that was cleared: it only takes room.") % said
    if not copy.is_current:
        return _("A value computed at %(at)s, before the last change.") % said
    return _("A value computed at %(at)s that the database proves current.") % said


def stamp(at: datetime) -> str:
    """Write a moment."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def when(at: datetime | None, now: datetime) -> str:
    """Write a moment to come: what is not ahead is now."""
    if at is None or at <= now:
        return _("now")
    return _("%(at)s (in %(left)s)") % {"at": stamp(at), "left": duration((at - now).total_seconds())}
