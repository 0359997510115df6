"""Outages by a schedule that a seed decides: of one server or two at once, one after the other until time is over."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from time import monotonic, sleep
from typing import Any

from django.db import close_old_connections

from statistics_cache import upkeep
from statistics_cache.api import registry
from statistics_cache.broker import queue
from statistics_cache.conf import settings
from statistics_cache.models import StatisticInvalidation
from statistics_cache.signals import breaker_changed, store_failed
from tests.messages import Messages
from tests.soak.chaos_settings import PROOF_INTERVAL
from tests.soak.crew import ENDING, IDLE, YIELDING, Crew, Group
from tests.soak.declared import OWNERS, STRANGER, WRITERS
from tests.soak.doubting import DoubtingLedger, Hurt
from tests.soak.enduring import CONVERGED, OUT, READS, EnduringReader, EnduringWriter, is_excused
from tests.soak.hurting import Hosts
from tests.soak.paths import PATHS
from tests.soak.stranger import Stranger
from tests.soak.tally import CALM, CHAOS, LAST, REST, Tally

READERS, THREADS = 2, 4
WORKER, BEAT = READERS * THREADS + OWNERS, READERS * THREADS + OWNERS + 1
SETTLING = 1.5  # seconds after the last outage in which breakers close and a refresh is queued again
SHORTEST, LONGEST = 0.3, 2.5  # seconds that an outage lasts
QUIET = (0.2, 2.0)  # seconds between outages
BEGUN = 20  # writes after which outages begin
RESTS = 0.5  # of what leaves changes undelivered: then no later delivery hides it
TOGETHER = 0.25  # of outages, another server is out as well
LOOK = 0.05  # seconds until it is looked again whether all are working


@dataclass(frozen=True)
class Outage:
    """What is hurt, and how; what that means for answers; whether changes may stay undelivered, or are so again."""

    what: str
    how: str
    hurts: Hurt | None = None
    lasts: bool = True
    undelivers: bool = False

    def __str__(self) -> str:
        """Name it."""
        return f"{self.what} {self.how}"


OUTAGES = (
    *(Outage("cache", how) for how in ("refused", "hung", "swallowed", "delayed", "cut in mid-reply", "killed")),
    *(Outage("cache", how) for how in ("read-only", "full")),
    *(Outage("cache", how, lasts=False) for how in ("flushed", "entries evicted", "generations evicted")),
    *(Outage("cache", how, lasts=False) for how in ("entries spoilt", "generations spoilt")),
    *(
        Outage("cache", how, "undone", undelivers=True)
        for how in ("restarted on a snapshot", "failed over", "restored")
    ),
    Outage("database", "commits unanswered", "database", undelivers=True),
    *(Outage("database", how, "database") for how in ("refused", "swallowed", "delayed", "cut in mid-reply")),
    Outage("database", "terminated", "database", lasts=False),
    *(Outage("broker", how) for how in ("refused", "hung")),
    *(Outage(what, "killed") for what in ("worker", "beat")),
)


def named(names: Iterable[str] | None) -> Sequence[Outage]:
    """Give the outages of these names, or all."""
    known = {str(outage): outage for outage in OUTAGES}
    if unknown := [name for name in names or () if name not in known]:
        raise SystemExit(f"There is no outage {unknown[0]!r}. There are: {', '.join(known)}.")
    return [known[name] for name in names] if names else OUTAGES


@dataclass
class ChaosCrew(Crew):
    """Readers and writers that endure, a worker and beat that may be killed."""

    ledger: DoubtingLedger = field(default_factory=lambda: DoubtingLedger(OWNERS))
    tally: Tally = field(default_factory=lambda: Tally(BEAT + 1, len(PATHS)))
    mortal: dict[str, Any] = field(default_factory=dict)

    def groups(self) -> list[tuple[int, Group]]:
        """Give those who may not die."""
        numbers = range(READERS * THREADS)
        groups = [(YIELDING, self.readers(numbers[start::READERS])) for start in range(READERS)]
        groups += [(0, [partial(self.writer, number)]) for number in range(WRITERS)]
        return groups + self.strangers()

    def start(self) -> None:
        """Start everybody."""
        super().start()
        for what in ("worker", "beat"):
            self.revive(what)

    def revive(self, what: str) -> None:
        """Start the worker or beat."""
        self.mortal[what] = self.begin(0, [self.worker if what == "worker" else self.beat])

    @contextmanager
    def without(self, what: str) -> Iterator[None]:
        """Kill the worker or beat, and start another in the end."""
        self.mortal[what].kill()
        self.mortal[what].join()
        self.ledger.note_killed()
        try:
            yield
        finally:
            self.revive(what)

    def readers(self, workers: range) -> Group:
        """Give the threads of one process."""
        return [EnduringReader(worker, self.seed, self.ledger, self.tally).run for worker in workers]

    def writer(self, number: int) -> None:
        """Be a writer."""
        EnduringWriter(READERS * THREADS + number, number, self.seed, self.ledger, self.tally).run()

    def stranger(self) -> None:
        """Be another program, which no outage reaches."""
        worker = READERS * THREADS + STRANGER
        Stranger(worker, STRANGER, self.seed, self.ledger, self.tally, reads=READS).run()

    def worker(self) -> None:
        """Be a worker of Celery: do what each message asks for, and connect again to a broker that was out."""
        while not self.tally.stop.value:
            try:
                self.tally.add(WORKER, "refreshed", Messages().work())
            except queue.outages():
                self.tally.add(WORKER, "broker errors")
            close_old_connections()
            sleep(IDLE)

    def beat(self) -> None:
        """Have the tick done, again and again."""
        while not self.tally.stop.value:
            try:
                upkeep.tick([found.declaration for found in registry.all()])
            except OUT:
                self.tally.add(BEAT, "database errors")
            close_old_connections()
            sleep(settings().TICK)

    def watch(self) -> None:
        """Count what servers that are out bring about; fail at what is logged as an error and is not documented."""
        breaker_changed.connect(self.count_opened)
        store_failed.connect(self.count_failed)
        logging.getLogger().addHandler(Listener(self))

    def count_opened(self, is_open: bool, **_: Any) -> None:
        """Count a breaker that opens."""
        self.tally.add(BEAT, "breakers opened", int(is_open))

    def count_failed(self, **_: Any) -> None:
        """Count a value that could not be stored."""
        self.tally.add(BEAT, "stores failed")

    def is_working(self) -> bool:
        """Tell whether nobody has failed; who has ended by itself has not."""
        return not self.tally.stop.value and not any(process.exitcode for process in self.processes)

    def all_ended(self) -> bool:
        """Tell whether readers and writers have ended."""
        return not any(process.is_alive() for process in self.processes)

    def end(self) -> list[tuple[str, str]]:
        """Stop all and give their failures."""
        self.processes += self.mortal.values()
        return super().end()


class Listener(logging.Handler):
    """Hears what is logged with an exception: robust hooks and tasks raise nothing to their callers."""

    def __init__(self, crew: ChaosCrew) -> None:
        """Hear errors alone."""
        super().__init__(logging.ERROR)
        self.crew = crew

    def emit(self, record: logging.LogRecord) -> None:
        """Fail at an exception that no outage explains."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, Exception) and not is_excused(error, self.crew.ledger, record.created):
            self.crew.fail("error", f"logged by {record.name}: {record.getMessage()}: {error!r}")


@dataclass
class Chaos:
    """The schedule."""

    crew: ChaosCrew
    hosts: Hosts
    seed: int
    outages: Sequence[Outage] = OUTAGES
    done: Counter[str] = field(default_factory=Counter)

    def run(self, seconds: float) -> None:
        """Bring outages about until time is over and each server was hurt, then demand that everything converges."""
        self.await_begun()
        chance, until = Random(f"{self.seed} chaos"), monotonic() + seconds
        deck: list[Outage] = []
        while self.crew.is_working() and (monotonic() < until or self.unhurt()):
            self.pause(chance.uniform(*QUIET))
            deck = deck or self.deal(chance)
            self.strike(chance, self.draw(deck, chance))
        self.converge()

    def unhurt(self) -> set[str]:
        """Give what no outage has hurt yet, of all that is to be."""
        hurt = {outage.what for outage in self.outages if self.done[str(outage)]}
        return {outage.what for outage in self.outages} - hurt

    def await_begun(self) -> None:
        """Wait until readers and writers are at work: how they start is nothing that an outage may hit."""
        while self.crew.is_working() and self.crew.tally.total("written") < BEGUN:
            sleep(LOOK)

    def deal(self, chance: Random) -> list[Outage]:
        """Shuffle the outages; one of each server comes first, so that a short run hurts all of them."""
        shuffled = chance.sample(self.outages, len(self.outages))
        first = {outage.what: outage for outage in shuffled}
        return [*(outage for outage in shuffled if first[outage.what] is not outage), *first.values()]

    def draw(self, deck: list[Outage], chance: Random) -> list[Outage]:
        """Take an outage from the deck, now and then one of another server with it."""
        chosen = [deck.pop()]
        others = [outage for outage in deck if outage.what != chosen[0].what]
        if others and chance.random() < TOGETHER:
            deck.remove(others[-1])
            chosen.append(others[-1])
        return chosen

    def strike(self, chance: Random, outages: list[Outage]) -> None:
        """Bring outages about, together."""
        with ExitStack() as stack:
            for outage in outages:
                stack.enter_context(self.hurt(outage))
                self.done[str(outage)] += 1
            is_resting = any(outage.undelivers for outage in outages) and chance.random() < RESTS
            if is_resting and any(outage.hurts == "undone" for outage in outages):
                self.crew.tally.phase.value = REST
            if any(outage.lasts for outage in outages):
                self.pause(chance.uniform(SHORTEST, LONGEST))
        if is_resting:
            self.crew.tally.phase.value = REST
            self.pause(PROOF_INTERVAL + SETTLING)
            self.crew.tally.phase.value = CHAOS

    @contextmanager
    def hurt(self, outage: Outage) -> Iterator[None]:
        """Bring one about; the ledger knows before it begins, and until it has ended."""
        known = [outage.hurts] if outage.hurts else []
        for hurt in known:
            self.crew.ledger.begin(hurt)
        try:
            with (
                self.hosts[outage.what].hurt(outage.how)
                if outage.what in self.hosts
                else self.crew.without(outage.what)
            ):
                yield
        finally:
            for hurt in known:
                self.crew.ledger.end(hurt)

    def pause(self, seconds: float) -> None:
        """Let time go by, unless somebody has failed."""
        until = monotonic() + seconds
        while monotonic() < until and self.crew.is_working():
            sleep(LOOK)

    def converge(self) -> None:
        """End the writers, let what is believed become too old, have all read again, and see the log folded."""
        self.crew.tally.phase.value = CALM
        self.pause(PROOF_INTERVAL + SETTLING)
        self.crew.tally.phase.value = LAST
        deadline = monotonic() + ENDING
        while not self.crew.tally.stop.value and not self.crew.all_ended() and monotonic() < deadline:
            sleep(LOOK)
        deadline = monotonic() + CONVERGED
        while not self.crew.tally.stop.value and (left := StatisticInvalidation.objects.count()):
            if monotonic() > deadline:
                self.crew.fail("lost", f"{left} changes are still in the log, and nobody folds them")
            sleep(LOOK)
