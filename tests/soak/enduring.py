"""Readers and writers that live through outages: what the contract documents is counted, anything else is a failure."""

from random import Random
from time import monotonic, perf_counter, sleep, time
from typing import Any

from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.backends.signals import connection_created

from statistics_cache import Answer
from statistics_cache.broker import queue
from statistics_cache.exceptions import ComputeFailed, ComputeTimeout
from statistics_cache.hot import asking
from tests.soak.declared import SCOPES, TARGETS, Seen, Target
from tests.soak.doubting import DoubtingLedger, Dues
from tests.soak.ledger import Due
from tests.soak.past import Past, known
from tests.soak.reading import Reader
from tests.soak.tally import CALM, LAST, REST, Tally
from tests.soak.verdict import Lost, Violation
from tests.soak.writing import PAUSE, Step, Writer, is_turn_of_others
from tests.waiting import PATIENCE

OUT = (OperationalError, InterfaceError)  # what Django raises while a database is out
DOCUMENTED: dict[type[Exception], str] = {
    OperationalError: "database errors",
    InterfaceError: "database errors",
    ComputeFailed: "computes failed",
    ComputeTimeout: "computes timed out",
}
GRACE = 10.0  # seconds until a thread has found out that its session has ended meanwhile
BREATH = 0.004  # seconds between a thread's reads: on a small machine writers, proxies and servers want their turn
READS = 12  # checked reads for each write: fewer than in the plain soak, for outages slow readers down
CONVERGED = PATIENCE  # seconds in which an entry gets fresh, once servers are well and what was believed is no more
AGAIN = 0.05  # seconds until it is looked at again


def is_excused(error: Exception, ledger: DoubtingLedger, began: float) -> bool:
    """Tell whether the contract documents an error of a read that began then.

    A database's, only while one is out; a compute that is waited for in vain, only where a killed process has left its
    lease.
    """
    if isinstance(error, OUT):
        return ledger.was_hurt("database", began - GRACE)
    if isinstance(error, ComputeTimeout):
        return ledger.may_hold_leases(began)
    return isinstance(error, tuple(DOCUMENTED))


def name_of(error: Exception) -> str:
    """Name what a documented error is counted as."""
    return next(name for kind, name in DOCUMENTED.items() if isinstance(error, kind))


class EnduringReader(Reader):
    """A thread that reads through outages, and at the end demands that everything has converged."""

    ledger: DoubtingLedger

    def run(self) -> None:
        """Read until all are stopped, or it is time for the last look."""
        while not self.tally.stop.value and self.tally.phase.value < LAST:
            self.turn()
        if not self.tally.stop.value:
            self.look_last()

    def turn(self) -> None:
        """Read once, as a request does: with connections looked after at its end."""
        began, started = time(), perf_counter()
        try:
            super().turn()
        except tuple(DOCUMENTED) as error:
            if not is_excused(error, self.ledger, began):
                raise
            self.tally.add(self.worker, name_of(error))
        finally:
            close_old_connections()
        self.tally.note_longest(self.worker, perf_counter() - started)
        sleep(BREATH)

    def due(self, entry: int) -> Dues:
        """Give all that may be asked of an answer; which of it is, its provenance decides."""
        return self.ledger.dues(entry)

    def check(self, entry: int, seen: Seen, due: Dues, given: Any, *, current: bool) -> None:
        """Check a value against what binds an answer of its kind."""
        bound, is_current = self.bound(entry, due, given, current)
        super().check(entry, seen, bound, given, current=is_current)

    def bound(self, entry: int, dues: Dues, given: Any, current: bool) -> tuple[Due, bool]:
        """Give what an answer must contain, and whether it must contain every change of that."""
        tier, reason = (given.tier, given.reason) if isinstance(given, Answer) else (None, None)
        is_out = self.ledger.was_hurt("database", dues.at - GRACE)
        if reason == "unproven" and not is_out:
            raise Violation(f"{TARGETS[entry]}: unproven, and the database was not out: {given}")
        if tier in {"cold", "computed"} or reason == "source":
            return dues.committed, current
        if is_out and (reason in {"age", "unproven"} or given == "a call"):  # a call tells no reason
            return self.ledger.unproven(dues), False
        return self.ledger.believed(entry, dues), current

    def look_last(self) -> None:
        """Demand of every entry the committed state, fresh; then closed breakers."""
        order = list(range(len(TARGETS)))
        Random(self.worker).shuffle(order)
        for entry in order:
            self.await_converged(entry)
        self.await_closed()

    def await_converged(self, entry: int) -> None:
        """Read one entry until it is fresh and holds all that is committed."""
        target, deadline = TARGETS[entry], monotonic() + CONVERGED
        while (answer := target.statistic.answer(**target.parameters)).state != "fresh":
            if monotonic() > deadline:
                raise Lost(f"{target}: {CONVERGED:g} s after all was well it is still {answer}")
            sleep(AGAIN)
        self.tally.add(self.worker, "checked")
        if faults := self.ledger.faults(entry, answer.value, self.ledger.dues(entry).committed, fresh=True):
            raise Lost(f"{target}: at the end: {'; '.join(faults)}. Given: {answer}")

    def await_closed(self) -> None:
        """Use cache and broker until this process believes in both again."""
        deadline, target = monotonic() + CONVERGED, TARGETS[0]
        while asking.breaker.is_open or queue.breaker.is_open:
            if monotonic() > deadline:
                raise Violation(f"a breaker is open at the end: hot {asking.breaker}, broker {queue.breaker}")
            target.statistic.answer(**target.parameters)
            target.statistic.refresh_later(**target.parameters)
            sleep(AGAIN)


class EnduringWriter(Writer):
    """A process that writes through outages, and learns what became of a write whose end it did not see."""

    ledger: DoubtingLedger

    def __init__(self, worker: int, number: int, seed: int, ledger: DoubtingLedger, tally: Tally) -> None:
        """Begin as every writer does, with a look past the app of its own."""
        self.sessions: list[int] = []
        self.owed: set[int] = set()  # the scopes of what is committed, and not delivered yet
        self.is_rolling_back = False
        connection_created.connect(self.note_session)
        super().__init__(worker, number, seed, ledger, tally)
        self.past = Past(number)

    def note_session(self, connection: Any, **_: Any) -> None:
        """Note under which number the server knows a session."""
        self.sessions.append(connection.connection.info.backend_pid)

    def run(self) -> None:
        """Write until all are stopped or it is calm; then demand that the database holds what it should."""
        while not self.tally.stop.value and self.tally.phase.value < CALM:
            is_ahead = self.tally.total("checked") < self.tally.total("written") * READS
            if is_ahead or self.tally.phase.value == REST or is_turn_of_others():
                sleep(PAUSE)
            else:
                self.turn()
        if self.past.look() != known(self.desk.picture):
            raise Lost(f"writer {self.number}: the database does not hold what was committed")

    def turn(self) -> None:
        """Write once; where that ends with an error of a database that is out, learn what became of it."""
        kept, began, self.is_rolling_back = self.desk.picture.copy(), time(), False
        try:
            super().turn()
        except OUT as error:
            if not is_excused(error, self.ledger, began):
                raise
            self.tally.add(self.worker, name_of(error))
            self.learn(kept)
        finally:
            close_old_connections()

    def note_shared(self) -> None:
        """Demand nothing of shared rows: what was not delivered says nothing of their versions."""
        self.desk.touched.clear()

    def learn(self, kept: Any) -> None:
        """End the sessions there were, so that nothing changes any more, and see what was committed."""
        connection.close()
        sessions, self.sessions = self.sessions, []
        there = self.past.settle(sessions)
        if there == known(kept):
            self.desk.picture = kept
            self.ledger.take_back(self.number)
            self.tally.add(self.worker, "rollbacks learned")
        elif there == known(self.desk.picture) and not self.is_rolling_back:
            self.note_committed()
        else:
            raise Violation(
                f"writer {self.number}: half of a write was committed, or one that was rolled back: {there}"
            )

    def note_committed(self) -> None:
        """Note a commit whose reply was lost: nobody has delivered it."""
        scopes = self.ledger.in_doubt(self.number)
        self.ledger.note(self.number, scopes)
        self.owed -= set(scopes)
        self.states = self.desk.picture.states()
        self.tally.add(self.worker, "commits learned")

    def write(self, steps: list[Step], *, in_transaction: bool) -> None:
        """Commit steps, and note whether they are delivered, with those that were owed."""
        before, began = self.states, time()
        super().write(steps, in_transaction=in_transaction)
        self.owed |= {scope for scope in SCOPES.values() if before[scope] != self.states[scope]}
        if asking.breaker.is_open:
            return
        self.ledger.note_delivered(self.number, self.owed)
        self.owed.clear()
        for _, act in steps:
            self.ledger.note_drops_delivered(self.number, act.drops, began, cleared=act.clears)

    def roll_back(self) -> None:
        """Write something that nobody may ever see."""
        self.is_rolling_back = True
        super().roll_back()

    def look_at(self, target: Target) -> None:
        """Demand of an entry that this transaction has changed what the transaction has written.

        Another may be hot, and miss what could not be delivered: readers check that.
        """
        states = self.desk.picture.states()
        if states[SCOPES[target.scope]] != self.states[SCOPES[target.scope]]:
            super().look_at(target)
