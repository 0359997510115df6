"""A reader: asks in every way there is, and checks each answer against what was noted before it asked."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from random import Random
from time import perf_counter
from typing import Any, cast

from django.db import transaction

from statistics_cache import Answer
from statistics_cache.conf import limits
from tests.soak.declared import TARGETS, Seen, Target
from tests.soak.ledger import Ledger
from tests.soak.tally import Tally
from tests.soak.verdict import Violation

IN_TRANSACTION = 0.05  # of reads, as in a site with ATOMIC_REQUESTS
BATCH = 12  # entries in one get_many
AT_ONCE = {"call": 3, "answer": 6, "answer without waiting": 3, "fresh or nothing": 2, "several": 12}  # weights


class Reader:
    """One thread that reads."""

    def __init__(self, worker: int, seed: int, ledger: Ledger, tally: Tally) -> None:
        """Begin with a source of chance of its own."""
        self.worker, self.ledger, self.tally = worker, ledger, tally
        self.random = Random(f"{seed} reader {worker}")
        self.is_inside = False  # a transaction
        self.ways: dict[str, Callable[[int], None]] = {
            "call": self.call,
            "answer": self.answer,
            "answer without waiting": self.answer_at_once,
            "fresh or nothing": self.get,
            "several": self.several,
        }

    def run(self) -> None:
        """Read until all are stopped."""
        while not self.tally.stop.value:
            self.turn()

    def turn(self) -> None:
        """Read once, in one of the ways."""
        way = self.ways[self.random.choices(list(AT_ONCE), list(AT_ONCE.values()))[0]]
        self.is_inside = self.random.random() < IN_TRANSACTION
        with transaction.atomic() if self.is_inside else nullcontext():
            way(self.random.randrange(len(TARGETS)))

    def due(self, entry: int) -> Any:
        """Give what an answer must contain if it is asked for now, as `check` takes it."""
        return self.ledger.due(entry)

    def call(self, entry: int) -> None:
        """Call: of a statistic that expires what changed, a value that is current, though its ttl may be over."""
        target, due, began = TARGETS[entry], self.due(entry), perf_counter()
        seen = target.statistic(**target.parameters)
        self.tally.add_time(self.worker, perf_counter() - began)
        self.check(entry, seen, due, "a call", current=target.statistic.declaration.on_change == "expire")

    def answer(self, entry: int) -> None:
        """Ask for a value with its provenance."""
        target, due, began = TARGETS[entry], self.due(entry), perf_counter()
        answer = target.statistic.answer(**target.parameters)
        self.judge(entry, answer, due, began)

    def answer_at_once(self, entry: int) -> None:
        """Ask for what is there, fresh or stale."""
        target, due, began = TARGETS[entry], self.due(entry), perf_counter()
        answer = cast("Answer[Seen] | None", target.statistic.answer(**target.parameters, wait=False))
        if answer is None:
            self.tally.add(self.worker, "misses")
        else:
            self.judge(entry, answer, due, began)

    def get(self, entry: int) -> None:
        """Ask for what is there and fresh."""
        target, due, began = TARGETS[entry], self.due(entry), perf_counter()
        seen = target.statistic.get(**target.parameters, allow_stale=False)
        self.tally.add_time(self.worker, perf_counter() - began)
        if seen is None:
            self.tally.add(self.worker, "misses")
        else:
            self.check(entry, seen, due, "get", current=True)

    def several(self, entry: int) -> None:
        """Ask for several entries of a statistic at once."""
        statistic = TARGETS[entry].statistic
        same = [number for number, target in enumerate(TARGETS) if target.statistic is statistic]
        chosen = self.random.sample(same, min(BATCH, len(same)))
        dues, began = [self.due(number) for number in chosen], perf_counter()
        answers = statistic.get_many([TARGETS[number].parameters for number in chosen])
        took = perf_counter() - began
        for number, answer, due in zip(chosen, answers, dues, strict=True):
            self.judge(number, answer, due, began, took)

    def judge(self, entry: int, answer: Answer[Seen], due: Any, began: float, took: float | None = None) -> None:
        """Check an answer with its provenance; count where it was found."""
        if took is None:
            took = perf_counter() - began
            self.tally.add_time(self.worker, took)
        for fault in provenance_faults(TARGETS[entry], answer, took):
            raise Violation(f"{TARGETS[entry]}: {fault}: {answer}")
        is_fresh = answer.state == "fresh"
        self.tally.add(self.worker, answer.tier if is_fresh else "stale")
        self.check(entry, answer.value, due, answer, current=is_fresh or answer.reason == "age")

    def check(self, entry: int, seen: Seen, due: Any, given: Any, *, current: bool) -> None:
        """Check a value; what is stale by age alone is as current as what is fresh, and what changed is, as of then, as
        long ago as its statistic allows. What the database was not asked for may lack what nobody has delivered."""
        if not (self.is_inside or is_proved(given)):
            due = self.ledger.noticed(entry, due)
        if (
            (allowed := TARGETS[entry].statistic.declaration.changed_ttl) is not None
            and not current
            and is_changed(given)
        ):
            due, current = self.ledger.committed_by(entry, due, due.at - allowed.total_seconds()), True
            self.tally.add(self.worker, "changed")
        if faults := self.ledger.faults(entry, seen, due, fresh=current):
            target = TARGETS[entry]
            raise Violation(f"{target.statistic.name} {target.parameters}: {'; '.join(faults)}. Given: {given}")
        self.tally.add(self.worker, "checked")


def is_proved(given: Any) -> bool:
    """Tell whether an answer says that the database was asked for it."""
    return isinstance(given, Answer) and (given.tier in {"cold", "computed"} or given.reason == "source")


def is_changed(given: Any) -> bool:
    """Tell whether an answer says that its source changed, or may have been given for all that: a call does not say."""
    return given == "a call" or (isinstance(given, Answer) and given.reason == "source")


def provenance_faults(target: Target, answer: Answer[Seen], took: float) -> Iterator[str]:
    """Say what is wrong with what an answer says of itself; a read that took long gives it its age at the end."""
    bounds = limits(target.statistic.declaration)
    age = answer.age.total_seconds() - took
    if (answer.state == "fresh") != (answer.reason is None):
        yield "fresh with a reason, or stale with none"
    if answer.state == "stale" and answer.reason == "source" and target.statistic.declaration.on_change == "expire":
        yield "a changed entry was given"
    if answer.tier != "computed" and age >= (bounds.ttl if answer.state == "fresh" else bounds.stale_ttl):
        yield f"{age:.3f} s old"
