"""What servers do by themselves: the cache evicts and forgets, the log is folded."""

from random import Random
from time import monotonic, sleep

import redis
from django.conf import settings
from django.db import connection

from tests.soak.tally import Tally

READS = 44  # checked reads for each eviction
ENTRIES = 5  # evicted at once
GENERATIONS, FLUSH = 0.05, 0.015  # of evictions: some generations go, too; everything goes
FOLD = 0.5  # seconds between folds
PAUSE = 0.002

# One statement, so one instant: rows go from the log into the sums and are never missing from both, nor in both.
FOLD_SQL = """
    WITH gone AS (DELETE FROM statistics_cache_statisticinvalidation WHERE id IN
        (SELECT id FROM statistics_cache_statisticinvalidation ORDER BY id LIMIT 1000)
        RETURNING statistic, scope, jump)
    INSERT INTO statistics_cache_statisticscope AS known (statistic, scope, base, last_cause)
    SELECT statistic, scope, sum(jump), '' FROM gone GROUP BY statistic, scope
    ON CONFLICT (statistic, scope) DO UPDATE SET base = known.base + excluded.base
"""


class Disturber:
    """One process that does so, at a pace that the readers set."""

    def __init__(self, worker: int, seed: int, tally: Tally) -> None:
        """Begin with a connection of its own, past the code under test."""
        self.worker, self.tally = worker, tally
        self.random = Random(f"{seed} disturber")
        self.client = redis.Redis.from_url(str(settings.CACHES["statistics"]["LOCATION"]))
        self.folded = monotonic()

    def run(self) -> None:
        """Disturb until all are stopped."""
        while not self.tally.stop.value:
            if self.tally.total("checked") >= self.tally.total("evicted") * READS:
                self.evict()
                self.tally.add(self.worker, "evicted")
            if monotonic() - self.folded > FOLD:
                self.fold()
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

    def fold(self) -> None:
        """Fold the log, as the tick does."""
        with connection.cursor() as cursor:
            cursor.execute(FOLD_SQL)
        self.folded = monotonic()
