"""What a read costs each peer: all take turns in one run, each in a process of its own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import sample
from statistics import median
from time import monotonic
from typing import Any, NamedTuple

from tests.benchmarks.peers.catalogue import FLOOR, OURS, PEERS, TEXT
from tests.benchmarks.placing import apart

from .children import Child, Failed, Missing, started
from .surroundings import Surroundings

FORMS = {
    (FLOOR, "raw"): "redis-py GET",
    (OURS, ""): "statistics_cache, call",
    (OURS, "answer"): "statistics_cache, .answer()",
    (OURS, "stale"): "statistics_cache, stale",
    (OURS, "cold"): "statistics_cache, from the table",
    (OURS, "batch"): "statistics_cache, one of a batch of 100",
    (OURS, "unmeasured"): "statistics_cache, telemetry off",
    (OURS, "measured"): "statistics_cache, telemetry on",
}
BASES = {"raw": (FLOOR, "raw"), "floor": (FLOOR, ""), "text": (TEXT, "")}  # what the others are multiples of
Key = tuple[str, str]  # a peer and its form


@dataclass
class Times:
    """Seconds of a value, of each turn."""

    took: list[float] = field(default_factory=list)
    used: list[float] = field(default_factory=list)

    def row(self, key: Key) -> dict[str, Any]:
        """Give best, median and the least client CPU in microseconds."""
        best, middle, cpu = (1e6 * each for each in (min(self.took), median(self.took), min(self.used)))
        name, form = key
        title = FORMS.get(key, PEERS[name].title)
        return {"peer": name, "form": form, "title": title, "best": best, "median": middle, "cpu": cpu}


class Length(NamedTuple):
    """How much is read: passes, and the rounds of each, or else the seconds of all."""

    passes: int
    rounds: int
    seconds: float | None = None

    def turns(self) -> Iterator[None]:
        """Give the rounds of a pass."""
        end, done = monotonic() + (self.seconds or 0) / self.passes, 0
        while done < self.rounds if self.seconds is None else monotonic() < end:
            yield
            done += 1


def measure_reads(surroundings: Surroundings, names: Sequence[str], length: Length) -> list[dict[str, Any]]:
    """Give a row for each way to read, with what its best and its CPU are as multiples of the bases."""
    times: dict[Key, Times] = {}
    for _ in range(length.passes):
        with ExitStack() as stack:
            children = [stack.enter_context(started(surroundings, name)) for name in names]
            turns = {(child.name, form): (child, number) for child, form, number in prepared(children)}
            stack.enter_context(apart(surroundings.redis, [child.process.pid for child in children]))
            for _ in length.turns():
                for key, (child, number) in sample(list(turns.items()), len(turns)):
                    take_turn(times.setdefault(key, Times()), child, key[1], number)
    return with_ratios([times[key].row(key) for key in sorted(times, key=order)])


def order(key: Key) -> tuple[int, int]:
    """Give the place of a row: as the catalogue has it."""
    return list(PEERS).index(key[0]), list(FORMS).index(key) if key in FORMS else len(FORMS)


def prepared(children: list[Child]) -> Iterator[tuple[Child, str, int]]:
    """Have each store what is read, and give its forms with how often each is read in a turn."""
    for child in children:
        for form, number in child.ask("prepare").items():
            yield child, form, number


def take_turn(times: Times, child: Child, form: str, number: int) -> None:
    """Have a form be read, and note what that took."""
    took, used = child.ask("measure", form=form, times=number)
    times.took.append(took)
    times.used.append(used)


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add what each row's best and CPU are as multiples of the bases that were measured."""
    known = {(row["peer"], row["form"]): row for row in rows}
    for row in rows:
        for name, key in BASES.items():
            if base := known.get(key):
                row[f"best/{name}"] = row["best"] / base["best"]
                row[f"cpu/{name}"] = row["cpu"] / base["cpu"]
    return rows


def usable(
    surroundings: Surroundings, names: Sequence[str], tell: Callable[[str], None]
) -> tuple[list[str], dict[str, str]]:
    """Give the peers that are installed, work here and give right values, and why the others are left out."""
    found, left_out = [], {}
    for name in names:
        tell(name)
        try:
            with started(surroundings, name) as child:
                if all(child.ask("values")):
                    found.append(name)
                else:
                    left_out[name] = "gives wrong values"
        except (Missing, Failed) as error:
            left_out[name] = str(error)
    return found, left_out
