"""Case after case; each has a seed of its own, so that one can be played again."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from .targets import TARGETS


class Fault(NamedTuple):
    """A case that ended with an error that is not ours."""

    target: str
    seed: str
    error: BaseException


def play(target: str, seed: str) -> Fault | None:
    """Play one case."""
    reader = TARGETS[target]
    try:
        reader.read(Random(seed))
    except reader.own:
        return None
    except Exception as error:  # noqa: BLE001  (every one of them is what is looked for)
        return Fault(target, seed, error)
    return None


def play_all(cases: int, seed: int) -> Iterator[Fault]:
    """Play so many cases, each target as many as another."""
    for number in range(cases // len(TARGETS)):
        for target in TARGETS:
            if fault := play(target, f"{seed} {number}"):
                yield fault
