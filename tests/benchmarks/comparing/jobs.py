"""What else is compared: crowds, invalidating, changes and failures; each gives one row of a peer."""

from collections.abc import Callable
from contextlib import ExitStack
from operator import itemgetter
from time import time
from typing import Any

from .children import Child, started
from .surroundings import Surroundings

COST = 0.2  # seconds that computing takes where many ask at once
STALE, COLD = 50, 100  # callers
PROCESSES = 4
SOON = 2.0  # seconds until a crowd asks: its threads connect to the database before
READS = 3  # while Redis refuses
FEW, MORE, MANY = 1, 1_000, 100_000  # entries
TRIES = 3  # of what is quick
FILLING = 600  # seconds: a peer that would take longer to store MANY entries is not asked to
Row = dict[str, Any]


def stale(_: Surroundings, child: Child) -> Row:
    """50 callers of one value that is too old, at once, in one process; and as many of one that is stored.

    In turns, and the best of each: what fifty threads wait for in one process varies by five from try to try.
    """
    rounds = [(stored(child), too_old(child)) for _ in range(TRIES)]
    hot: Row
    hot, stale = (min(found, key=itemgetter("median")) for found in zip(*rounds, strict=True))
    return {**stale, "hot": hot["median"]}


def stored(child: Child) -> Row:
    """50 callers of a value that is stored."""
    return crowd(*child.ask("hot", callers=STALE, wait=SOON))


def too_old(child: Child) -> Row:
    """50 callers of one that is too old."""
    return crowd(*child.ask("stale", callers=STALE, wait=SOON, cost=COST))


def cold(_: Surroundings, child: Child) -> Row:
    """100 callers of one value that is not stored, at once, in one process."""
    child.ask("forget")
    return crowd(*child.ask("cold", callers=COLD, at=time() + SOON, cost=COST))


def cold_in_processes(surroundings: Surroundings, child: Child) -> Row:
    """The same 100 callers in 4 processes."""
    with ExitStack() as stack:
        more = [stack.enter_context(started(surroundings, child.name, joins=True)) for _ in range(PROCESSES - 1)]
        for each in more:
            each.ask("warm")
        child.ask("forget")
        at = time() + SOON
        for each in (child, *more):
            each.send("cold", callers=COLD // PROCESSES, at=at, cost=COST)
        answers = [each.receive() for each in (child, *more)]
    return crowd([each for told, _ in answers for each in told], sum(computes for _, computes in answers))


def crowd(told: list[tuple[float, str]], computes: int) -> Row:
    """Give how long callers waited, in milliseconds, what was raised, and how often was computed."""
    waits = sorted(1e3 * wait for wait, _ in told)
    errors = sorted({error for _, error in told if error})
    return {"median": waits[len(waits) // 2], "longest": waits[-1], "computes": computes, "errors": errors}


def invalidate(_: Surroundings, child: Child) -> Row:
    """Drop all of 1, 1,000 and 100,000 entries."""
    row: Row = {str(number): best(child, number) for number in (FEW, MORE)}
    return {**row, str(MANY): many(child)}


def best(child: Child, number: int) -> float:
    """Drop so many some times, and give the least milliseconds."""
    return min(1e3 * float(child.ask("invalidate", number=number)) for _ in range(TRIES))


def many(child: Child) -> float | None:
    """Drop the most, unless storing them takes too long."""
    began = time()
    child.ask("invalidate", number=MORE)
    if (time() - began) * MANY / MORE > FILLING:
        return None
    return 1e3 * float(child.ask("invalidate", number=MANY))


def change(_: Surroundings, child: Child) -> Row:
    """Change the data while it is computed."""
    return {"given": child.ask("race")}


def failing(_: Surroundings, child: Child) -> Row:
    """Have the compute fail, with nothing stored and with a value that is too old."""
    missing, too_old = child.ask("failing")
    return {"missing": missing, "too_old": too_old}


def refused(surroundings: Surroundings, child: Child) -> Row:
    """Read three times with nobody at the address of Redis."""
    with started(surroundings, child.name, joins=True, is_refused=True) as other:
        outcomes, computes, least = other.ask("refused", reads=READS)
    return {"outcomes": outcomes, "computes": computes, "least": 1e3 * least}


JOBS: dict[str, Callable[[Surroundings, Child], Row]] = {
    "stale": stale,
    "cold": cold,
    "cold-processes": cold_in_processes,
    "change": change,
    "failing": failing,
    "refused": refused,
    "invalidate": invalidate,
}
