"""Drawings in SVG: colours come from the style sheet's classes, and each has a title that says what it shows."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from statistics_cache.explaining.durations import duration

SPARK = (76, 22)  # width and height of a sparkline, in pixels
BARS = (480, 96)
LINE = (1000, 104)
ROWS = (72, 86, 100)  # the lines of labels below a value's life
ROOM = 110.0  # that a label takes
MARGIN = 3


def sparkline(costs: Sequence[float]) -> SafeString:
    """Draw the last costs as a line that ends in a dot, and say how high it is; nothing for fewer than two."""
    if len(costs) < 2:
        return SafeString("")
    width, height = SPARK
    top = max(costs) or 1.0
    step = (width - 2 * MARGIN) / (len(costs) - 1)
    points = [
        (MARGIN + at * step, height - MARGIN - cost / top * (height - 2 * MARGIN)) for at, cost in enumerate(costs)
    ]
    said = {"number": len(costs), "least": duration(min(costs)), "most": duration(max(costs))}
    text = _("Last %(number)d computes: %(least)s to %(most)s") % said
    return format_html(
        '<svg class="sc-spark" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">'
        '<title>{}</title><polyline points="{}"/><circle cx="{}" cy="{}" r="2.2"/></svg>'
        '<span class="sc-scale">{}</span>',
        width,
        height,
        width,
        height,
        text,
        text,
        " ".join(f"{x:.1f},{y:.1f}" for x, y in points),
        f"{points[-1][0]:.1f}",
        f"{points[-1][1]:.1f}",
        _("up to %(most)s") % {"most": duration(max(costs))},
    )


def bars(costs: Sequence[float]) -> SafeString:
    """Draw each of the last costs as a bar, the newest on the right."""
    if not costs:
        return SafeString("")
    width, height = BARS
    top = max(costs) or 1.0
    room = width / max(len(costs), 24)
    drawn = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{}</title></rect>',
        (
            (
                "sc-bar sc-bar-last" if at == len(costs) - 1 else "sc-bar",
                f"{at * room + room * 0.1:.1f}",
                f"{height - tall:.1f}",
                f"{room * 0.8:.1f}",
                f"{tall:.1f}",
                duration(cost),
            )
            for at, cost in enumerate(costs)
            for tall in [max(2.0, cost / top * (height - 8))]
        ),
    )
    said = {"number": len(costs), "costs": ", ".join(map(duration, costs))}
    text = _("Last %(number)d computes, oldest first: %(costs)s") % said
    return format_html(
        '<svg class="sc-bars" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}</svg>',
        width,
        height,
        text,
        text,
        drawn,
    )


@dataclass(frozen=True)
class Life:
    """A value's age and limits in seconds, all from the moment it was computed, and when its source first changed."""

    age: float
    ttl: float
    stale_ttl: float
    changed: float | None = None

    @property
    def span(self) -> float:
        """Give what the line is long: what comes after stale_ttl is cut off soon after."""
        return min(max(self.stale_ttl, self.age) * 1.06, self.stale_ttl * 1.35)

    def at(self, seconds: float) -> float:
        """Give the place of a moment on the line."""
        return 12 + min(1.0, seconds / self.span) * (LINE[0] - 24)


def timeline(life: Life) -> SafeString:
    """Draw a value's life: computed, fresh until ttl, stale until stale_ttl, and where it is now.

    From the moment of a change on it is grey: what the limits would have promised no longer holds.
    """
    width, height = LINE
    start, fresh, stale, end = (life.at(each) for each in (0, life.ttl, life.stale_ttl, life.span))
    now = life.at(life.age)
    said = {"age": duration(life.age), "ttl": duration(life.ttl), "stale_ttl": duration(life.stale_ttl)}
    text = _("Computed %(age)s ago; fresh until it is %(ttl)s old, servable until it is %(stale_ttl)s old") % said
    changed = end if life.changed is None else life.at(life.changed)
    if life.changed is not None:
        text += "; " + _("its source changed when it was %(age)s old") % {"age": duration(life.changed)}
    zones = format_html_join(
        "",
        '<rect class="sc-zone sc-zone-{}" x="{}" y="40" width="{}" height="14"/>',
        (
            ("fresh", f"{start:.1f}", f"{fresh - start:.1f}"),
            ("stale", f"{fresh:.1f}", f"{max(0.0, stale - fresh):.1f}"),
            ("expired", f"{stale:.1f}", f"{max(0.0, end - stale):.1f}"),
            ("changed", f"{changed:.1f}", f"{max(0.0, end - changed):.1f}"),
        ),
    )
    return format_html(
        '<svg class="sc-line" viewBox="0 0 {} {}" role="img" aria-label="{}"><title>{}</title>{}{}'
        '<g class="sc-now"><line x1="{}" y1="30" x2="{}" y2="60"/><circle cx="{}" cy="47" r="5"/>'
        '<text x="{}" y="22" text-anchor="{}">{}</text></g></svg>',
        width,
        height,
        text,
        text,
        zones,
        ticks(life),
        f"{now:.1f}",
        f"{now:.1f}",
        f"{now:.1f}",
        f"{now:.1f}",
        anchor(now),
        _("now, %(age)s old") % said,
    )


def ticks(life: Life) -> SafeString:
    """Mark the moments that decide; labels that would touch are written one below the other."""
    marked = [(0.0, _("computed")), (life.ttl, _("ttl %(limit)s") % {"limit": duration(life.ttl)})]
    if life.stale_ttl > life.ttl:
        marked.append((life.stale_ttl, _("stale_ttl %(limit)s") % {"limit": duration(life.stale_ttl)}))
    if life.changed is not None:
        marked.append((life.changed, _("source changed")))
    placed = [(life.at(seconds), label) for seconds, label in sorted(marked)]
    rows = beside([place for place, _label in placed])
    return format_html_join(
        "",
        '<g class="sc-tick"><line x1="{}" y1="38" x2="{}" y2="58"/><text x="{}" y="{}" text-anchor="{}">{}</text></g>',
        (
            (f"{place:.1f}", f"{place:.1f}", f"{place:.1f}", row, anchor(place), label)
            for (place, label), row in zip(placed, rows, strict=True)
        ),
    )


def beside(places: Sequence[float]) -> list[int]:
    """Give the line that each label stands on: the first on which it has room beside those before it."""
    last: dict[int, float] = {}
    rows: list[int] = []
    for place in places:
        row = next((each for each in ROWS if place - last.get(each, -ROOM) >= ROOM), ROWS[-1])
        last[row] = place
        rows.append(row)
    return rows


def anchor(place: float) -> str:
    """Keep a text within the drawing."""
    if place < 60:
        return "start"
    return "end" if place > LINE[0] - 80 else "middle"
