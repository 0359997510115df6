"""A stored value as a person looks at it: series by date as lines, shares and counts as bars, single numbers as tiles.

Only the value's own JSON says what can be drawn; what cannot is left to the JSON beside the drawings.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

LINE = (600.0, 90.0)  # width and height of a line's view box; a browser stretches it
MAX_OCTETS = 1_000_000  # of a value that is read to be drawn
MAX_BARS = 12  # more are told by their number
MAX_POINTS = 2_000  # the newest of a series
MAX_LINES = 3  # numbers beside one date
TILES = 8  # a mapping of more numbers than these is no object with fields of its own: it is drawn as bars
PARTS = ("percentage", "percent", "share", "count", "number", "total")  # what a bar is long by, the first that is there
BEYOND = 1e300  # no number of a chart: a sum of such is none


class Tile(NamedTuple):
    """A number with its name."""

    name: str
    text: str


class Picture(NamedTuple):
    """A drawing with its name."""

    name: str
    drawn: SafeString


class Drawn(NamedTuple):
    """All that can be drawn of a value; empty where nothing can."""

    tiles: list[Tile]
    pictures: list[Picture]


class Bar(NamedTuple):
    """One bar: as long as a number, and how that is written."""

    name: str
    number: float
    text: str


Point = tuple[datetime, float]


def draw(payload: str | None) -> Drawn:
    """Draw what can be drawn of a stored value: the whole, or each field of it."""
    value = read(payload)
    if is_number(value):
        return Drawn([Tile(_("Value"), spell(value))], [])
    if whole := list(pictures_of("", value)):
        return Drawn([], whole)
    fields = value if isinstance(value, Mapping) else {}
    tiles = [Tile(name, spell(each)) for name, each in fields.items() if is_number(each)]
    pictures = [picture for name, each in fields.items() for picture in pictures_of(name, each, is_field=True)]
    return Drawn(tiles, pictures)


def read(payload: str | None) -> Any:
    """Give a stored value; None of one that is no JSON, or is too large to look at."""
    if payload is None or len(payload) > MAX_OCTETS:
        return None
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        return None


def is_number(value: Any) -> bool:
    """Tell whether something is a number that a chart can show."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -BEYOND < value < BEYOND


def spell(number: float, unit: str = "") -> str:
    """Write a number so that it is read at a glance."""
    is_whole = isinstance(number, int) or number == int(number)
    return (f"{number:,.0f}" if is_whole else f"{number:,.4g}" if abs(number) < 1000 else f"{number:,.1f}") + unit


def pictures_of(name: str, value: Any, *, is_field: bool = False) -> Iterator[Picture]:
    """Draw one value: lines of a series, else bars; nothing of what is neither."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        if series := series_of(value):
            for field, points in series.items():
                yield Picture(f"{name} · {field}" if name else field, line(points))
            return
        named: Mapping[Any, Any] = named_of(value)
    else:
        named = value if isinstance(value, Mapping) else {}
    is_many = is_field or len(named) > TILES or not all(map(is_number, named.values()))
    if is_many and (found := bars_of(named)):
        yield Picture(name, bars(found))


def series_of(rows: Sequence[Any]) -> dict[str, list[Point]]:
    """Give the numbers that objects have beside one date, by name and in order; nothing for what is no such series."""
    objects = [row for row in rows if isinstance(row, Mapping)]
    if len(objects) < 2 or len(objects) != len(rows):
        return {}
    date = next((key for key in objects[0] if all(moment(row.get(key)) for row in objects)), None)
    if date is None:
        return {}
    names = [key for key in objects[0] if all(is_number(row.get(key)) for row in objects)][:MAX_LINES]
    dated = [(at, row) for row in objects if (at := moment(row[date]))]
    dated.sort(key=itemgetter(0))
    return {name: [(at, row[name]) for at, row in dated[-MAX_POINTS:]] for name in names}


def moment(text: Any) -> datetime | None:
    """Read a date or a time as JSON has it; None for all else."""
    try:
        at = datetime.fromisoformat(text) if isinstance(text, str) and "-" in text else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and at.tzinfo is None else at


def named_of(rows: Sequence[Any]) -> dict[str, Any]:
    """Give objects by their names where each has one text, of its own; nothing for others."""
    named: dict[str, Any] = {}
    for row in rows:
        texts = [each for each in row.values() if isinstance(each, str)] if isinstance(row, Mapping) else []
        if len(texts) != 1 or texts[0] in named:
            return {}
        named[texts[0]] = row
    return named


def bars_of(named: Mapping[str, Any]) -> list[Bar]:
    """Give a bar for each name: as long as its number, or as the share or count of its object; all or none."""
    found = [bar for name, each in named.items() if (bar := bar_of(str(name), each))]
    return found if len(found) == len(named) else []


def bar_of(name: str, value: Any) -> Bar | None:
    """Give the bar of a number, or of an object with a share or a count; None of all else."""
    if is_number(value):
        return Bar(name, value, spell(value))
    if not isinstance(value, Mapping):
        return None
    part = next((each for each in PARTS if is_number(value.get(each))), None)
    if part is None:
        return None
    number = value[part]
    return Bar(name, number, spell(number, " %" if part.startswith("percent") else ""))


def bars(found: Sequence[Bar]) -> SafeString:
    """Draw bars below one another, each with its name before and its number behind it."""
    top = max((bar.number for bar in found), default=0) or 1
    rows = format_html_join(
        "",
        '<tr><th scope="row">{}</th><td><svg class="sc-share" viewBox="0 0 100 10" preserveAspectRatio="none"'
        ' role="img" aria-label="{}: {}"><title>{}: {}</title><rect width="{}" height="10"/></svg></td>'
        '<td class="sc-number">{}</td></tr>',
        (
            (bar.name, bar.name, bar.text, bar.name, bar.text, f"{max(0.0, bar.number / top * 100):.1f}", bar.text)
            for bar in found[:MAX_BARS]
        ),
    )
    left = len(found) - MAX_BARS
    more = format_html('<p class="sc-quiet">{}</p>', _("and %(number)d more") % {"number": left}) if left > 0 else ""
    return format_html('<table class="sc-shares" role="presentation"><tbody>{}</tbody></table>{}', rows, more)


def line(points: Sequence[Point]) -> SafeString:
    """Draw a series by its dates, with its greatest number above and its first and last day below it."""
    width, height = LINE
    numbers = [number for _at, number in points]
    low, high = min(0.0, *numbers), max(0.0, *numbers)
    start, span = points[0][0].timestamp(), (points[-1][0] - points[0][0]).total_seconds() or 1.0
    drawn = " ".join(
        f"{(at.timestamp() - start) / span * width:.1f},{(high - number) / ((high - low) or 1.0) * height:.1f}"
        for at, number in points
    )
    first, last = f"{points[0][0]:%Y-%m-%d}", f"{points[-1][0]:%Y-%m-%d}"
    said = {"least": spell(min(numbers)), "most": spell(max(numbers)), "first": first, "last": last}
    text = _("From %(least)s to %(most)s, %(first)s to %(last)s") % said
    return format_html(
        '<span class="sc-quiet">{}</span><svg class="sc-series" viewBox="0 -2 {} {}" preserveAspectRatio="none"'
        ' role="img" aria-label="{}"><title>{}</title><polyline points="{}"/></svg>'
        '<span class="sc-ends sc-quiet"><span>{}</span><span>{}</span></span>',
        _("at most %(most)s, last %(newest)s") % (said | {"newest": spell(numbers[-1])}),
        width,
        height + 4,
        text,
        text,
        drawn,
        first,
        last,
    )
