"""The parts of a statistic: by which parameters variants can be cleared or invalidated together, in one log row."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations
from types import NoneType
from typing import Any

MAX_WHOLE = 4  # parameters of which every combination names a part: 15 numbers in an epoch, 15 more in a generation

ALONE = frozenset({str, int, bool, NoneType})  # no other value of the type equals one of these

Names = tuple[str, ...]


def parts_of(parameters: Sequence[str], shapes: Iterable[Names]) -> tuple[Names, ...]:
    """Give the combinations of parameters that name a part: all of up to four.

    Of more parameters: each one, each two, the shapes of scopes, and all together. (Note [As many as are read])
    """
    sizes = range(1, len(parameters) + 1) if len(parameters) <= MAX_WHOLE else (1, 2)
    some = [names for size in sizes for names in combinations(parameters, size)]
    return tuple(dict.fromkeys([*some, *filter(None, shapes), tuple(parameters)])) if parameters else ()


def spell_parts(parameters: Sequence[str], parts: Iterable[Names]) -> str:
    """Write which parts there are, for messages."""
    larger = [f"({', '.join(names)})" for names in parts if 2 < len(names) < len(parameters)]
    scopes = f", those of a scope {', '.join(larger)}," if larger else ""
    return f"one parameter, two,{scopes} or all {len(parameters)}: {', '.join(parameters)}"


def one_of_equals(value: Any) -> Any:
    """Give the one of all equal values that names a scope: 1.5 for 1.50, UTC for any time zone, 0 for -0.

    Gives the value itself where it is the one.
    """
    if type(value) in ALONE:
        return value
    try:
        if isinstance(value, Decimal):
            return value.normalize() + 0
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
    except ArithmeticError:  # beyond all that UTC or a Decimal's context holds, and so beyond every column
        return value
    if isinstance(value, float):
        return value + 0.0
    if type(value) in (list, tuple):
        return type(value)(map(one_of_equals, value))
    if type(value) is dict:
        return {key: one_of_equals(each) for key, each in value.items()}
    return value


def has_equals(value: Any) -> bool:
    """Tell whether an equal value may be spelt in another way."""
    return isinstance(value, Decimal | datetime | float | list | tuple | dict)


# Note [As many as are read]
# An entry belongs to one filter scope for each part, and each proof reads the sums of them all, whether they ever moved
# or not: that is what lets one row clear any number of variants, those included that are being computed just now. Five
# parameters have 31 combinations, ten have 1,023. So beyond four the combinations that people use are kept.
