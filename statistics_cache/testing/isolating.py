"""Each test for itself: what one stored, changed, declared or found to be out, no other is told."""

import unittest
from collections.abc import Iterator
from contextlib import contextmanager

from statistics_cache.api import late, registry
from statistics_cache.broker import hurrying, queue
from statistics_cache.changing import ongoing, receiving
from statistics_cache.hot import asking, counters
from statistics_cache.hot.holding import holder


@contextmanager
def isolated_statistics() -> Iterator[None]:
    """Begin with a process that remembers nothing of servers, queues and counts, and leave none of it, nor of what is
    declared within.

    What is stored needs nothing: a `TestCase` takes its rows back and has hot keys of its own, and after a
    `TransactionTestCase` the flush gives the database another identity, with which all hot keys begin.
    """
    declared, told = dict(registry.named), dict(late)
    forget()
    try:
        yield
    finally:
        for name, statistic in registry.named.items():
            if declared.get(name) is not statistic:
                receiving.unwatch(statistic.declaration)
        registry.named = declared
        late.clear()
        late.update(told)
        forget()


def forget() -> None:
    """Forget what this process knows of servers that were out, of what is queued, and what it has counted."""
    holder.ended.clear()
    asking.forget()
    queue.forget()
    hurrying.forget()
    counters.tallies.forget()
    ongoing.MISSED.clear()


class IsolatedStatistics(unittest.TestCase):
    """A base for test cases, written before Django's: each of its tests runs within `isolated_statistics`.

    `class ShelfTest(IsolatedStatistics, TestCase)`. It needs no `setUp`, and takes any kind of Django's.
    """

    def run(self, result: unittest.TestResult | None = None) -> unittest.TestResult | None:
        """Run the test."""
        with isolated_statistics():
            return super().run(result)
