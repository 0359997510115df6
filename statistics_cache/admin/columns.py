"""The columns of the list."""

import re
from time import time

from django.contrib import admin
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from statistics_cache.cold.rows import costs_among, seconds_of
from statistics_cache.explaining.durations import duration
from statistics_cache.models import StatisticEntry

from . import pictures
from .changelist import PREVIEW
from .showing import Current, shown
from .words import MEANINGS, STATES, size, spell_differing, spell_parameters

PARTS = re.compile(r"[^._]*[._]|[^._]+")  # of a name, each up to where it may be broken
NOTHING = SafeString('<span class="sc-quiet">—</span>')


@admin.display(description=gettext_lazy("statistic"), ordering="key")
def variant(entry: StatisticEntry) -> SafeString:
    """Name the statistic and, beside it, the parameters that are not the signature's own defaults."""
    current, whole = shown(entry).current, spell_parameters(entry.params)
    told = spell_differing(current.declaration, current.variant) if current else whole
    return format_html(
        '<span class="sc-name" title="{}({})">{}</span> <span class="sc-params">{}</span>',
        entry.statistic,
        whole,
        breakable(entry.statistic),
        told,
    )


def breakable(name: str) -> SafeString:
    """Let a long name go on in the next line after a dot or an underscore."""
    return format_html_join(SafeString("<wbr>"), "{}", ((part,) for part in PARTS.findall(name)))


def badge(state: str) -> SafeString:
    """Give a state in its colour, with its name and what it means."""
    return format_html('<span class="sc-badge sc-{}" title="{}">{}</span>', state, MEANINGS[state], STATES[state])


@admin.display(description=gettext_lazy("state, and why"))
def state(entry: StatisticEntry) -> SafeString:
    """Show the state, that computes fail, and why it is not fresh."""
    failing = ""
    if entry.failures:
        failing = format_html(' <span class="sc-badge sc-failing" title="{}">{}</span>', entry.last_error, _("Failing"))
    how = shown(entry)
    said = format_html('<span class="sc-why">{}</span>', how.why) if how.why else ""
    return format_html('<span class="sc-badges">{}{}</span>{}', badge(how.state), failing, said)


@admin.display(description=gettext_lazy("value"))
def value(entry: StatisticEntry) -> SafeString:
    """Show the beginning of the value, if readers could get it; of an orphan, nobody says who may see it."""
    beginning: str | None = getattr(entry, "preview", None)
    if beginning is None or shown(entry).state in ("empty", "orphaned"):
        return NOTHING
    more = "…" if len(beginning) == PREVIEW else ""
    return format_html('<code class="sc-value">{}{}</code>', beginning, more)


@admin.display(description=gettext_lazy("computed"), ordering="computed_at")
def age(entry: StatisticEntry) -> SafeString:
    """Show the age between computed and expired, and when that was in words."""
    how, at = shown(entry), entry.computed_at
    if at is None:
        return format_html('<span class="sc-quiet">{}</span>', _("never"))
    drawn = meter(how.current.age_of(at), how.current) if how.current and how.state != "empty" else ""
    said = format_html(
        '<time datetime="{}" title="{}" data-age="{}">{}</time>',
        at.isoformat(),
        f"{at:%Y-%m-%d %H:%M:%S %Z}",
        f"{max(0.0, time() - seconds_of(at)):.1f}",
        naturaltime(at),
    )
    return format_html('<span class="sc-age">{}{}</span>', drawn, said)


def meter(seconds: float, current: Current) -> SafeString:
    """Draw an age as a meter, in the colour of the state that it alone gives; grey once the source has changed."""
    bounds = current.bounds
    said = {"age": duration(seconds), "ttl": duration(bounds.ttl), "stale_ttl": duration(bounds.stale_ttl)}
    text = _("Age: %(age)s of %(ttl)s ttl, %(stale_ttl)s stale_ttl") % said
    if current.changed_after is not None:
        text += "; " + _("its source changed when it was %(age)s old") % {"age": duration(current.changed_after)}
    return format_html(
        '<meter class="{}" min="0" max="{}" low="{}" high="{}" optimum="0" value="{}"'
        ' aria-label="{}" title="{}"></meter>',
        "" if current.changed_after is None else "sc-changed",
        f"{bounds.stale_ttl * 1.05:.3f}",
        f"{bounds.ttl:.3f}",
        f"{bounds.stale_ttl:.3f}",
        f"{seconds:.3f}",
        text,
        text,
    )


@admin.display(description=gettext_lazy("cost"), ordering="cost")
def cost(entry: StatisticEntry) -> SafeString:
    """Show what the last compute cost, and the last ones as a line."""
    if entry.computed_at is None:
        return NOTHING
    drawn = pictures.sparkline(costs_among(entry.costs))
    return format_html('<span class="sc-cost"><span>{}</span>{}</span>', duration(entry.cost), drawn)


@admin.display(description=gettext_lazy("size"))
def octets(entry: StatisticEntry) -> SafeString:
    """Show how large the value is as JSON."""
    number: int | None = getattr(entry, "octets", None)
    return NOTHING if number is None else format_html('<span class="sc-number">{}</span>', size(number))


COLUMNS = (variant, state, value, age, cost, octets)
