"""An auditor: computes fresh values anew under all writes, and demands that each be as it is stored."""

import os
from collections.abc import Iterator
from random import Random
from time import sleep
from typing import Any

import psycopg

from statistics_cache import auditing
from statistics_cache.auditing import Difference, compared
from tests.soak.declared import COLORS, OWNERS, STRANGER, TARGETS
from tests.soak.tally import Tally
from tests.soak.verdict import Violation

PAUSE = 0.02  # seconds between two audits: each is a compute and two statements, of which readers are to notice little
FREE = frozenset({"at", "order_version"})  # fields: when it was computed, and what not every statistic has to show


class Auditor:
    """One process that audits entries by chance."""

    def __init__(self, worker: int, seed: int, tally: Tally) -> None:
        """Begin with a source of chance of its own; in this process what may differ is passed over."""
        self.worker, self.tally = worker, tally
        self.random = Random(f"{seed} auditor")
        auditing.compared = pass_over

    def run(self) -> None:
        """Audit until all are stopped."""
        while not self.tally.stop.value:
            self.turn()
            sleep(PAUSE)

    def turn(self) -> None:
        """Audit one entry."""
        target = self.random.choice(TARGETS)
        declaration = target.statistic.declaration
        found = auditing.audit(declaration, declaration.variant((), target.parameters))
        if found.verdict == "same":
            self.tally.add(self.worker, "audited")
        if found.differences or found.failure:
            raise Violation(f"{found.verdict} {target.statistic.name} {target.parameters}: {found[3:]}")


class UnseenWriter(Auditor):
    """An auditor, beside whom somebody stores paint past Django, by raw SQL."""

    def turn(self) -> None:
        """Store some of each colour, then audit one entry."""
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as line:
            for color in COLORS:
                line.execute("INSERT INTO tests_paint (color, litres) VALUES (%s, %s)", [color, OWNERS + STRANGER])
        super().turn()


def pass_over(path: str, one: Any, other: Any) -> Iterator[Difference]:
    """Compare, but for fields that may differ."""
    return (each for each in compared(path, one, other) if each.field.rpartition(".")[2] not in FREE)
