"""The cards above the list, and the banner over them when triggers are missing or the tick is late."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import time

from django.http import HttpRequest
from django.utils.translation import gettext as _

from statistics_cache.breaker import Breaker
from statistics_cache.broker import queue
from statistics_cache.broker.schedule import is_late
from statistics_cache.conf import settings
from statistics_cache.explaining.durations import duration
from statistics_cache.hot import asking
from statistics_cache.standing import JUDGED
from statistics_cache.triggering import installing
from statistics_cache.triggering.describing import homes
from statistics_cache.visibility import Declarations, visible_declarations

from .changelist import EntryList
from .counting import Number, count
from .overview import Overview, overview_of
from .visibility import home
from .words import MEANINGS, STATES, size

TONES = ("fresh", "stale", "expired")  # the states that have a colour


@dataclass(frozen=True)
class Card:
    """One number with its name: `tone` is how good it is, `url` what lists the rows it counts."""

    label: str
    value: str
    note: str = ""
    tone: str = "plain"
    url: str = ""


def cards(request: HttpRequest, entries: EntryList) -> list[Card]:
    """Give every card."""
    return [
        *state_cards(overview_of(request), entries),
        *size_cards(overview_of(request), entries),
        *read_cards(overview_of(request), entries),
        drift_card(entries),
        *machine_cards(entries),
    ]


def state_cards(overview: Overview, entries: EntryList) -> Iterator[Card]:
    """Count the states of the list's rows; above 50,000 rows by age."""
    numbers = count(overview, entries)
    suffix = "" if overview.judged is not None else _("by age")
    for state in JUDGED:
        note = suffix if suffix and state in ("fresh", "stale", "expired") else MEANINGS[state]
        tone = state if state in TONES else "plain"
        yield Card(STATES[state], counted(overview, numbers[state]), note, tone, entries.link(state=state))
    number = counted(overview, numbers["failing"])
    note = _("The last compute raised an error")
    yield Card(_("Failing"), number, note, "plain" if number == "0" else "failing", entries.link(error="yes"))


def counted(overview: Overview, number: Number) -> str:
    """Write a count; one that is not full is marked."""
    if number is None:
        return _("not counted")
    found, is_more = number
    if is_more:
        return _("over %(number)s") % {"number": f"{found:,}"}
    return f"{found:,}" if overview.judged is not None else _("about %(number)s") % {"number": f"{found:,}"}


def size_cards(overview: Overview, entries: EntryList) -> Iterator[Card]:
    """Tell how many bytes are stored; reading every row waits until it is asked for."""
    if entries.is_counted:
        yield Card(
            _("Stored"), size(overview.octets(entries.chosen)), _("All values of the list, as JSON in the table")
        )
    else:
        yield Card(_("Stored"), _("not counted"), _("Count everything"), url=entries.add_facet_link)


def read_cards(overview: Overview, entries: EntryList) -> Iterator[Card]:
    """Tell how often readers found a value, and the time that it saved them, if the cost of all rows is known."""
    counts = entries.counts
    found = {name: each.hits + each.stale_hits for name, each in counts.items()}
    hits, misses = sum(found.values()), sum(each.misses for each in counts.values())
    asked = hits + misses
    share = _("%(share)s found") % {"share": f"{hits / asked:.1%}"} if asked else _("Nobody has asked yet")
    yield Card(_("Reads"), f"{hits + misses:,}", share)
    if entries.is_counted:
        costs = overview.mean_costs()
        saved = sum(number * costs.get(name, 0.0) for name, number in found.items())
        yield Card(_("Compute time saved"), duration(saved), _("Values found, by the mean cost of their statistic"))


def drift_card(entries: EntryList) -> Card:
    """Tell how many of the values that audits compared had drifted."""
    checks = sum(each.checks for each in entries.counts.values())
    drifts = sum(each.drifts for each in entries.counts.values())
    if not checks:
        return Card(_("Drift"), _("unknown"), _("Nothing was checked: set AUDIT, or run audit_statistics"))
    said = {"number": f"{checks:,}", "share": f"{1 - drifts / checks:.3%}"}
    note = _("of %(number)s checked: %(share)s right") % said
    return Card(_("Drift"), f"{drifts:,}", note, "failing" if drifts else "fresh")


def machine_cards(entries: EntryList) -> Iterator[Card]:
    """Tell of the tick and of this process's breakers."""
    tick = entries.tick
    if tick is None:
        yield Card(_("Last tick"), _("none seen"), _("Beat sends it, a worker does it"), "plain")
    else:
        ago, tone = max(0.0, time() - tick), "stale" if is_late(tick) else "fresh"
        due = _("Due every %(time)s") % {"time": duration(settings().TICK)}
        yield Card(_("Last tick"), _("%(time)s ago") % {"time": duration(ago)}, due, tone)
    yield breaker_card(_("Cache"), asking.breaker)
    yield breaker_card(_("Broker"), queue.breaker)


def breaker_card(label: str, breaker: Breaker) -> Card:
    """Tell whether this process leaves a server alone."""
    if breaker.is_open:
        return Card(label, _("out"), _("Left alone by this process for now"), "failing")
    return Card(label, _("in use"), _("The breaker of this process is closed"), "fresh")


def banner(request: HttpRequest, entries: EntryList) -> str:
    """Say what is wrong with triggers or with the tick, if something is."""
    if faults := trigger_faults():
        text = _("Triggers are not as declared (%(fault)s). Run `manage.py statistics_triggers install`.")
        return text % {"fault": faults[0]}
    if asking.breaker.is_open:
        return _("The cache is down, so nobody can tell when the last tick was. Readers get answers from the table.")
    tick = entries.tick
    if tick is None:
        if not hydrates(visible_declarations(request)):
            return ""
        return _(
            "No tick was seen since the cache was last empty, and statistics are to be hydrated. "
            "Start Celery beat and a worker."
        )
    if not is_late(tick):
        return ""
    said = {"time": duration(time() - tick), "period": duration(settings().TICK)}
    return _("The last tick was %(time)s ago; it is due every %(period)s. See whether beat and a worker run.") % said


def trigger_faults() -> list[str]:
    """Give what is wrong with the triggers of the database that the list is of; where there are none, ask nothing."""
    return installing.faults(home()) if home() in homes() else []


def hydrates(declarations: Declarations) -> bool:
    """Tell whether anything is to be hydrated."""
    return settings().HYDRATION_ENABLED and any(each.is_hydrated for each in declarations.values())
