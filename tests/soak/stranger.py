"""Another program: it writes on a connection of its own, past Django, and tells nobody."""

import os
from collections import deque
from collections.abc import Callable, Mapping
from time import sleep, time
from typing import Any

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

from statistics_cache.conf import settings
from tests.soak.hurting import DIRECT, ORACLE
from tests.soak.ledger import Ledger
from tests.soak.paths import Act
from tests.soak.tally import CALM, REST, Tally
from tests.soak.writing import PAUSE, READS, Step, Writer


class Stranger(Writer):
    """One process that writes by SQL alone: readers notice within PROOF_INTERVAL, by the triggers."""

    alone = together = ("past Django",)

    def __init__(self, worker: int, number: int, seed: int, ledger: Ledger, tally: Tally, reads: int = READS) -> None:
        """Connect, past every proxy."""
        self.reads = reads
        self.line: psycopg.Connection[Any] = psycopg.connect(
            os.environ.get(DIRECT) or os.environ["DATABASE_URL"], autocommit=True, application_name=ORACLE
        )
        self.unnoticed: deque[tuple[float, Mapping[int, int]]] = deque()
        super().__init__(worker, number, seed, ledger, tally)
        self.desk.line = self.line

    def make_own(self) -> None:
        """Store the orders and tags."""
        picture = self.desk.picture
        for key in picture.tags:
            self.line.execute("INSERT INTO tests_tag (id, name) VALUES (%s, '')", [key])
        for key, region in picture.orders.items():
            self.line.execute("INSERT INTO tests_order (id, region_id, note) VALUES (%s, %s, '')", [key, region])

    def run(self) -> None:
        """Write until all are stopped or it is calm."""
        while not self.tally.stop.value and self.tally.phase.value < CALM:
            is_ahead = self.tally.total("checked") < self.tally.total("written") * self.reads
            if is_ahead or self.tally.phase.value == REST:
                sleep(PAUSE)
            else:
                self.turn()
            self.note_noticed()
        self.line.close()

    def note_shared(self) -> None:
        """Write down which versions of shared rows are committed."""
        self.unnoticed.append((time(), dict(self.desk.touched)))
        self.desk.touched.clear()

    def note_noticed(self) -> None:
        """Demand of readers those that were committed before any proof that they believe."""
        while self.unnoticed and self.unnoticed[0][0] < time() - settings().PROOF_INTERVAL:
            self.ledger.versions.note(self.number, self.unnoticed.popleft()[1])

    def in_transaction(self, steps: list[Step]) -> None:
        """Make several steps at once."""
        with self.line.transaction():
            for _, act in steps:
                act.run()

    def undo(self, act: Act) -> None:
        """Do something and roll it back, to a savepoint where there is a transaction."""
        kept = dict(self.desk.touched)
        with self.line.transaction(force_rollback=True):
            act.run()
        self.desk.touched = kept

    def insist(self, run: Callable[[], object]) -> None:
        """Try again what a deadlock ended."""
        while True:
            self.desk.touched.clear()
            try:
                run()
            except (DeadlockDetected, SerializationFailure):
                self.tally.add(self.worker, "retries")
            else:
                return
