"""The register of write paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.soak.picture import Desk

When = Literal["any", "atomic", "alone"]


@dataclass(frozen=True)
class Act:
    """What to do to the database so that it is again as its picture; which entries that drops, or clears."""

    run: Callable[[], object]
    drops: Sequence[int] = ()
    clears: bool = False


Plan = Callable[[Desk], Act | Callable[[], object] | None]


@dataclass(frozen=True)
class Path:
    """A way to write: `plan` changes the picture at once and gives the act, None where there is nothing to write to.

    "any" may be run in autocommit and among others; "atomic" not in autocommit; "alone" not among others.
    """

    name: str
    plan: Plan
    when: When


PATHS: list[Path] = []


def path(name: str, when: When = "any") -> Callable[[Plan], Plan]:
    """Register a write path."""

    def register(plan: Plan) -> Plan:
        PATHS.append(Path(name, plan, when))
        return plan

    return register
