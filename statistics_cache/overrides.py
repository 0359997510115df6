"""What tests have put in a statistic's place (`testing.override_statistic`); in production there is nothing."""

from typing import NamedTuple

from .entry import Reason, State


class Override(NamedTuple):
    """What stands in a statistic's place: a value as JSON text and how it is found, or what computing it raises.

    `age` is in seconds.
    """

    payload: str = ""
    state: State = "fresh"
    reason: Reason | None = None
    age: float = 0.0
    error: BaseException | type[BaseException] | None = None


overridden: dict[str, list[Override]] = {}  # by the statistic's name; the last one stands


def override_of(statistic: str) -> Override | None:
    """Give what stands in a statistic's place."""
    return overridden[statistic][-1] if statistic in overridden else None


def put(statistic: str, override: Override) -> None:
    """Put something in a statistic's place, before what stands there."""
    overridden.setdefault(statistic, []).append(override)


def take_away(statistic: str, override: Override) -> None:
    """Take it away again."""
    left = [each for each in overridden.pop(statistic) if each is not override]
    if left:
        overridden[statistic] = left
