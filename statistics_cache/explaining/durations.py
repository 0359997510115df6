"""How durations are said."""

from statistics_cache.entry import is_time

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """Give a duration in its largest unit, and the next one while that says something: `1 h 20 min`, `4.2 ms`."""
    if not is_time(seconds):  # what a row holds that somebody else has written
        return "unknown"
    if seconds < 1:
        return f"{seconds * 1000:.2g} ms" if 0 < seconds < 0.01 else f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    at = next(index for index, (size, _) in enumerate(UNITS) if whole >= size)
    size, unit = UNITS[at]
    text = f"{whole // size} {unit}"
    if at + 1 < len(UNITS) and whole // size < 10 and (rest := whole % size // UNITS[at + 1][0]):
        text += f" {rest} {UNITS[at + 1][1]}"
    return text
