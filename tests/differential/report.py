"""What a run prints."""

from collections import Counter
from collections.abc import Iterable, Iterator

from .playing import Fault

SHOWN = 2  # faults of one kind after one operation and block that are printed
LONGEST = 600  # characters of a fault


def report(counted: Counter[str], faults: list[Fault], seconds: float) -> Iterator[str]:
    """Give the lines of the end."""
    yield from grouped(faults)
    answers = {name: number for name, number in counted.items() if name.startswith("answers ")}
    yield f"{counted['operations']:,} operations in each family, {counted['turns']:,} turns, {seconds:.0f} s"
    yield f"{sum(answers.values()):,} answers compared: " + ", ".join(
        f"{number:,} {name.removeprefix('answers ')}" for name, number in sorted(answers.items())
    )
    yield f"faults {len(faults)}"


def grouped(faults: Iterable[Fault]) -> Iterator[str]:
    """Give the faults by what was done, and in what they show; some of each, and the number of all."""
    groups: dict[tuple[str, str, str], list[Fault]] = {}
    for fault in faults:
        groups.setdefault((fault.kind, fault.family, fault.done), []).append(fault)
    for (kind, family, done), several in sorted(groups.items()):
        yield f"{len(several)} times {kind}, {family}, {done}"
        yield from (f"    {str(fault)[:LONGEST]}" for fault in several[:SHOWN])
