"""What an operation is, and the list of all."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.differential.families import Family

Do = Callable[[Family, Random], Any]

NOBODY: frozenset[str] = frozenset()
PLAIN = frozenset({"plain"})
BOTH = frozenset({"plain", "source"})


@dataclass(frozen=True)
class Operation:
    """Something a user does to rows; `unseen` are the families in which the documentation says that it is not seen."""

    name: str
    do: Do
    unseen: frozenset[str] = NOBODY


OPERATIONS: dict[str, Operation] = {}


def operation(unseen: frozenset[str] = NOBODY) -> Callable[[Do], Do]:
    """Add a function to the list, under its own name."""

    def add(do: Do) -> Do:
        OPERATIONS[do.__name__] = Operation(do.__name__, do, unseen)
        return do

    return add
