"""How soon a commit reaches an answer: when it is delivered, or at once, for a statement at each read."""

from collections.abc import MutableMapping
from typing import Any, Literal, get_args

from statistics_cache.exceptions import DeclarationError, ParameterError

Consistency = Literal["delivered", "committed"]

NAME = "consistency"  # the argument of the verbs


def check_consistency(given: Consistency) -> Consistency:
    """Give a consistency back. Raises DeclarationError for one that there is not."""
    if given not in get_args(Consistency):
        raise DeclarationError(refusal(given))
    return given


def take_consistency(arguments: MutableMapping[str, Any]) -> Consistency | None:
    """Take what a call says of it out of its arguments; None is what the statistic says. Raises ParameterError."""
    if NAME not in arguments:
        return None
    given: Consistency | None = arguments.pop(NAME)
    if given is not None and given not in get_args(Consistency):
        raise ParameterError(refusal(given))
    return given


def refusal(given: object) -> str:
    """Say what to write instead."""
    return f"{NAME} is {given!r}. Write 'delivered' or 'committed'."
