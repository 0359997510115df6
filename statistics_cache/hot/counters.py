"""Reads of each statistic by outcome, and what audits found: counted in the process, added up in the hot tier now and
then."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import count
from threading import Lock
from time import monotonic
from typing import Literal, NamedTuple

from statistics_cache.conf import settings
from statistics_cache.declaring.keys import count_key
from statistics_cache.identity import known

from . import entries as hot
from . import naming

Outcome = Literal["hit", "stale hit", "miss", "check", "drift"]
OUTCOMES: tuple[Outcome, ...] = ("hit", "stale hit", "miss", "check", "drift")
FLUSH = 10.0  # seconds between two additions by a process: what is shown is that old


class Counts(NamedTuple):
    """How often a statistic was found fresh, found stale and given, and not found, since the hot tier was empty;
    how many values audits have compared, and how many of these had drifted."""

    hits: int
    stale_hits: int
    misses: int
    checks: int = 0
    drifts: int = 0


class Tally:
    """A number that any thread may raise without a lock: the next of `itertools.count` is one step of CPython."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.raise_by_one = count().__next__
        self.seen = 0

    def take(self) -> int:
        """Give by how much it was raised since it was last taken; one thread at a time."""
        number = self.raise_by_one()
        taken, self.seen = number - self.seen, number + 1
        return taken


class Tallies:
    """The tallies of this process, and what was taken of them and could not be added up yet."""

    def __init__(self) -> None:
        """Begin with none; a forked child leaves its parent's to the parent."""
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self.lock = Lock()
        self.tallies: dict[tuple[str, Outcome], Tally] = {}
        self.left: Counter[tuple[str, Outcome]] = Counter()
        self.taken: Counter[tuple[str, Outcome]] = Counter()
        self.flushed_at = monotonic()

    def take(self) -> Counter[tuple[str, Outcome]]:
        """Give what was counted and not added up, and begin at 0."""
        self.gather()
        taken, self.left = +self.left, Counter()
        return taken

    def gather(self) -> None:
        """Take each tally."""
        for pair, tally in list(self.tallies.items()):
            number = tally.take()
            self.left[pair] += number
            self.taken[pair] += number

    def totals(self) -> Counter[tuple[str, Outcome]]:
        """Give what this process has counted since it began."""
        with self.lock:
            self.gather()
            return self.taken.copy()


tallies = Tallies()


def note(statistic: str, outcome: Outcome) -> None:
    """Count one read; costs no round trip and no lock."""
    tally = tallies.tallies.get((statistic, outcome))
    if tally is None:
        tally = tallies.tallies.setdefault((statistic, outcome), Tally())
    tally.raise_by_one()


def flush_now_and_then() -> None:
    """Add up what was counted if that was not done for 10 s; for reads that ask a database anyway."""
    if monotonic() - tallies.flushed_at >= FLUSH and tallies.lock.acquire(blocking=False):
        try:
            add_up()
        finally:
            tallies.lock.release()


def flush() -> None:
    """Add up what was counted, now: for who shows the numbers, and for the end of a process."""
    with tallies.lock:
        add_up()


def add_up() -> None:
    """Add what this process has counted to the numbers of the hot tier, in one call; keep it while that is out."""
    tallies.flushed_at = monotonic()
    taken = tallies.take()
    if not taken or not settings().ENABLED:
        return
    space = own_space()
    if space is None or not hot.add_up({count_key(space, *pair): number for pair, number in taken.items()}):
        tallies.left += taken


def counts_of(statistics: Iterable[str]) -> dict[str, Counts]:
    """Give the numbers of statistics, of all processes, in one round trip; those of this one are added up first."""
    flush()
    names = list(statistics)
    return read_counts(names, hot.numbers(keys_of(names)))


def keys_of(statistics: Iterable[str]) -> list[str]:
    """Give the names of the numbers of statistics, for who reads them together with something else."""
    space = own_space()
    return [] if space is None else [count_key(space, name, outcome) for name in statistics for outcome in OUTCOMES]


def read_counts(statistics: Iterable[str], found: Mapping[str, int]) -> dict[str, Counts]:
    """Give the numbers of statistics from what was found of their names."""
    space = own_space() or ""
    return {
        name: Counts(*(found.get(count_key(space, name, outcome), 0) for outcome in OUTCOMES)) for name in statistics
    }


def own_space() -> str | None:
    """Give what the numbers of this site begin with: the identity of the database that entries are routed to."""
    identity = known.default()
    return None if identity is None else naming.own_space(identity)
