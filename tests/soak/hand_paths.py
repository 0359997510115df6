"""Invalidating and clearing by hand: the picture stays, but nothing made before may be given."""

from typing import Any

from tests.soak.declared import TARGETS, Target
from tests.soak.paths import Act, path
from tests.soak.picture import Desk


def choose(desk: Desk) -> Target:
    """Choose an entry."""
    return desk.random.choice(TARGETS)


def entries(target: Target, parameters: dict[str, Any]) -> list[int]:
    """Give the entries of a target's statistic that have these parameters."""
    return [
        number
        for number, each in enumerate(TARGETS)
        if each.statistic is target.statistic and parameters.items() <= each.parameters.items()
    ]


def scope_of(target: Target) -> dict[str, Any]:
    """Give the parameters of a target that are its scope."""
    return {name: value for name, value in target.parameters.items() if name != "part"}


@path("invalidate of part of a scope", "alone")
def invalidate_part(desk: Desk) -> Act:
    """Invalidate one variant."""
    target = choose(desk)
    parameters = target.parameters
    return Act(lambda: target.statistic.invalidate(**parameters), entries(target, parameters))


@path("invalidate of a scope", "alone")
def invalidate_scope(desk: Desk) -> Act:
    """Invalidate a scope."""
    target = choose(desk)
    parameters = scope_of(target)
    return Act(lambda: target.statistic.invalidate(**parameters), entries(target, parameters))


@path("invalidate across scopes", "alone")
def invalidate_across(desk: Desk) -> Act:
    """Invalidate the variants of one parameter, whichever scope they are in."""
    target = choose(desk)
    name, value = desk.random.choice(list(target.parameters.items()))
    return Act(lambda: target.statistic.invalidate(**{name: value}), entries(target, {name: value}))


@path("clear of part of a scope", "alone")
def clear_part(desk: Desk) -> Act:
    """Clear one variant."""
    target = choose(desk)
    parameters = target.parameters
    return Act(lambda: target.statistic.clear(**parameters), entries(target, parameters), clears=True)


@path("clear of a scope", "alone")
def clear_scope(desk: Desk) -> Act:
    """Clear a scope."""
    target = choose(desk)
    parameters = scope_of(target)
    return Act(lambda: target.statistic.clear(**parameters), entries(target, parameters), clears=True)


@path("clear_all", "alone")
def clear_all(desk: Desk) -> Act:
    """Clear a statistic."""
    target = choose(desk)
    return Act(target.statistic.clear_all, entries(target, {}), clears=True)
