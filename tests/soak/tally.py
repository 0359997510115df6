"""What is counted: by each thread for itself, in memory that all processes share."""

from ctypes import c_int64
from math import exp, log
from multiprocessing.sharedctypes import RawArray, RawValue
from typing import Any

COUNTS = (
    *("checked", "hot", "cold", "computed", "stale", "changed"),
    *("misses", "written", "retries", "evicted", "refreshed", "audited"),
)
ENDURED = (  # counted by chaos alone
    "database errors",
    "computes failed",
    "computes timed out",
    "broker errors",
    "breakers opened",
    "stores failed",
    "commits learned",
    "rollbacks learned",
    "longest",  # read, in microseconds
)
# Of chaos: outages; writers rest, so that nothing they deliver hides what is undelivered; they end; all has converged.
CHAOS, REST, CALM, LAST = range(4)
STEPS = 20  # buckets of times in which they grow e-fold: a percentile is right to 5 %
BUCKETS = 20 * STEPS  # up to e ** 20 microseconds: 8 minutes


class Tally:
    """Counts and times; `stop` ends every worker; `phase` is where chaos has got to."""

    def __init__(self, workers: int, paths: int) -> None:
        """Begin with nothing, for workers numbered from 0 and write paths numbered from 0."""
        self.workers = range(workers)
        self.paths = len(COUNTS) + BUCKETS
        self.endured = self.paths + paths
        self.size = self.endured + len(ENDURED)
        self.numbers: Any = RawArray(c_int64, workers * self.size)
        self.stop: Any = RawValue(c_int64, 0)
        self.phase: Any = RawValue(c_int64, 0)

    def add(self, worker: int, name: str, number: int = 1) -> None:
        """Count."""
        self.numbers[worker * self.size + self.column(name)] += number

    def note_longest(self, worker: int, seconds: float) -> None:
        """Keep the longest time."""
        place = worker * self.size + self.column("longest")
        self.numbers[place] = max(self.numbers[place], int(seconds * 1e6))

    def add_time(self, worker: int, seconds: float) -> None:
        """Count a read's time."""
        bucket = min(BUCKETS - 1, int(STEPS * log(max(1.0, seconds * 1e6))))
        self.numbers[worker * self.size + len(COUNTS) + bucket] += 1

    def add_path(self, worker: int, path: int) -> None:
        """Count a committed write by its path."""
        self.numbers[worker * self.size + self.paths + path] += 1

    def total(self, name: str) -> int:
        """Give a count of all workers."""
        return self.sum(self.column(name))

    def path(self, number: int) -> int:
        """Give how many writes of a path were committed."""
        return self.sum(self.paths + number)

    def percentile(self, part: float) -> float:
        """Give the seconds within which so large a part of reads ended."""
        times = [self.sum(len(COUNTS) + bucket) for bucket in range(BUCKETS)]
        left = part * sum(times)
        for bucket, count in enumerate(times):
            left -= count
            if left <= 0:
                return exp((bucket + 1) / STEPS) / 1e6
        return 0.0

    def longest(self) -> float:
        """Give the longest read, in seconds."""
        most: int = max(self.numbers[worker * self.size + self.column("longest")] for worker in self.workers)
        return most / 1e6

    def column(self, name: str) -> int:
        """Give the place of a count."""
        return COUNTS.index(name) if name in COUNTS else self.endured + ENDURED.index(name)

    def sum(self, column: int) -> int:
        """Add up one column of all workers."""
        return sum(self.numbers[worker * self.size + column] for worker in self.workers)
