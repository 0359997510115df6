"""The register of write paths."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from statistics_cache.conf import default_capture
from tests.soak.picture import Desk

When = Literal["any", "atomic", "alone", "past Django"]


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

    "any" may be run in autocommit and among others; "atomic" not in autocommit; "alone" not among others; what is
    "past Django" is another program's.
    """

    name: str
    plan: Plan
    when: When


PATHS: list[Path] = []


def path(name: str, when: When = "any", *, triggers: bool = False) -> Callable[[Plan], Plan]:
    """Register a write path; one that only triggers see is none where changes are captured by signals."""

    def register(plan: Plan) -> Plan:
        if not triggers or default_capture() == "triggers":
            PATHS.append(Path(name, plan, when))
        return plan

    return register
