"""What goes on by itself: the cache evicts and forgets, and beat has the tick done."""

from random import Random
from time import monotonic, sleep

import redis
from django.conf import settings

from statistics_cache import upkeep
from statistics_cache.api import registry
from tests.soak.tally import Tally

READS = 44  # checked reads for each eviction
ENTRIES = 5  # evicted at once
GENERATIONS, FLUSH = 0.05, 0.015  # of evictions: some generations go, too; everything goes
TICK = 0.5  # seconds between ticks
PAUSE = 0.002


class Disturber:
    """One process that does so, at a pace that the readers set."""

    def __init__(self, worker: int, seed: int, tally: Tally) -> None:
        """Begin with a connection of its own, past the code under test."""
        self.worker, self.tally = worker, tally
        self.random = Random(f"{seed} disturber")
        self.client = redis.Redis.from_url(str(settings.CACHES["statistics"]["LOCATION"]))
        self.ticked = monotonic()

    def run(self) -> None:
        """Disturb until all are stopped."""
        while not self.tally.stop.value:
            if self.tally.total("checked") >= self.tally.total("evicted") * READS:
                self.evict()
                self.tally.add(self.worker, "evicted")
            if monotonic() - self.ticked > TICK:
                self.tick()
            sleep(PAUSE)

    def evict(self) -> None:
        """Delete some keys, or all."""
        chance = self.random.random()
        if chance < FLUSH:
            self.client.flushdb()
            return
        self.delete("*:entry:*", ENTRIES)
        if chance < FLUSH + GENERATIONS:
            self.delete("*:generation:*", ENTRIES)

    def delete(self, pattern: str, number: int) -> None:
        """Delete some of the keys that there are."""
        names = sorted(self.client.keys(pattern))
        if chosen := self.random.sample(names, min(number, len(names))):
            self.client.delete(*chosen)

    def tick(self) -> None:
        """Fold the log, queue what is wanted of the hydrated, prune."""
        upkeep.tick([found.declaration for found in registry.all()])
        self.ticked = monotonic()
