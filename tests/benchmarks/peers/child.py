"""What one peer does when it is asked: the verbs that the comparing process sends."""

from collections.abc import Callable
from contextlib import contextmanager
from importlib import import_module
from threading import Thread
from time import perf_counter, process_time, sleep, time
from typing import Any

from django.core.management import call_command
from django.db import connections

from .catalogue import PEERS
from .computing import STATE
from .peer import BRIEF, Peer, Told
from .shelves import change, compute, fill_shelves

READS, FEW = 20, 2  # in one turn; of what takes long
TOO_OLD = BRIEF + 1.2  # seconds after which the brief value is, also for who counts whole ones
UNREAD = 500  # a variant that nothing else reads
PATIENCE = 20  # seconds that a change may take
NEW = 1_000  # the first of the shelves that are stored in great number; they have no rows


class Child:
    """One peer, ready to be asked."""

    def __init__(self, name: str, *, joins: bool) -> None:
        """Make tables and rows, unless another process has; then declare."""
        if not joins:
            call_command("migrate", run_syncdb=True, verbosity=0)
            fill_shelves()
        module, _, kind = PEERS[name].path.partition(".")
        self.peer: Peer = getattr(import_module(f"{__package__}.{module}"), kind)()
        self.forms: dict[str, Any] = {}

    def values(self) -> list[bool]:
        """Tell whether what is read first, again, and after a change is right."""
        right = [self.peer.read() == compute(0), self.peer.read() == compute(0)]
        total = change(0)
        self.peer.changed(0)
        return [*right, self.peer.read().total == total]

    def prepare(self) -> dict[str, int]:
        """Store what is to be read; give the names of the ways to read it, and how often each is read in a turn."""
        self.peer.read()
        self.peer.read_brief()
        self.forms = self.peer.forms()
        for name in self.forms:
            self.measure(name, FEW)
        return {name: FEW if form.before or form.values > 1 else READS for name, form in self.forms.items()}

    def measure(self, form: str, times: int) -> tuple[float, float]:
        """Give the seconds of a value that is read so often, and those of this process's CPU."""
        chosen = self.forms[form]
        used = process_time()
        took = self.peer.measure(chosen, times)
        number = times * chosen.values
        return took / number, (process_time() - used) / number

    def warm(self) -> None:
        """Have everything be there that a first read makes."""
        self.peer.read()

    def forget(self) -> None:
        """Empty the cache."""
        self.peer.forget()

    def cold(self, callers: int, at: float, cost: float) -> tuple[list[Told], int]:
        """Have many ask for what is not stored; give how long each waited, and the computes of this process."""
        STATE.count = 0
        with costly(cost):
            told = self.peer.crowd(self.peer.read, callers, at)
        return told, STATE.count

    def hot(self, callers: int, wait: float) -> tuple[list[Told], int]:
        """Have many ask for what is stored, all of whom have asked before, and so are connected."""
        self.peer.read()
        self.peer.crowd(self.peer.read, callers, time() + wait)
        STATE.count = 0
        return self.peer.crowd(self.peer.read, callers, time() + wait), STATE.count

    def stale(self, callers: int, wait: float, cost: float) -> tuple[list[Told], int]:
        """Have many ask for what is too old."""
        self.forget()
        self.peer.read_brief()
        sleep(TOO_OLD)
        STATE.count = 0
        with costly(cost):
            told = self.peer.crowd(self.peer.read_brief, callers, time() + wait)
            sleep(cost)  # until a thread of the peer's own has begun
        return told, STATE.count

    def invalidate(self, number: int) -> float:
        """Store so many entries and give the seconds that dropping them takes."""
        self.forget()
        numbers = self.fill(number)
        began = perf_counter()
        self.peer.drop_all(numbers)
        took = perf_counter() - began
        self.forget()
        return took

    def fill(self, number: int) -> range:
        """Store so many entries, and give their variants."""
        numbers = range(NEW, NEW + number)
        STATE.is_filling = True
        self.peer.fill(numbers)
        STATE.is_filling = False
        return numbers

    def filled(self, number: int) -> int:
        """Store so many entries, read each, and give how many were computed for that."""
        numbers = self.fill(number)
        STATE.count = 0
        for each in numbers:
            self.peer.read(each)
        return STATE.count

    def race(self) -> str:
        """Change the data while it is computed, and tell which value is given afterwards."""
        if not self.peer.can_race:
            return ""
        self.forget()
        totals: list[int] = []
        STATE.meanwhile = lambda: run_aside(lambda: totals.append(self.change(0)))
        self.peer.read()
        return "new" if self.peer.read().total == totals[0] else "old"

    def change(self, number: int) -> int:
        """Change the data, and do what is left to the peer's users."""
        total = change(number)
        self.peer.changed(number)
        return total

    def failing(self) -> tuple[str, str]:
        """Tell what is given where nothing is stored, and where it is too old, when the compute fails."""
        self.forget()
        self.peer.read_brief()
        sleep(TOO_OLD)
        STATE.is_failing = True
        try:
            return outcome(lambda: self.peer.read(1)), outcome(self.peer.read_brief)
        finally:
            STATE.is_failing = False

    def refused(self, reads: int) -> tuple[list[str], int, float]:
        """Read with nobody at the address of the cache; give what came of it, the computes, and the least seconds."""
        STATE.count = 0
        outcomes, times = [], []
        for _ in range(reads):
            began = perf_counter()
            outcomes.append(outcome(lambda: self.peer.read(UNREAD)))
            times.append(perf_counter() - began)
        return outcomes, STATE.count, min(times)


@contextmanager
def costly(cost: float) -> Any:
    """Have each compute take this long."""
    STATE.cost = cost
    try:
        yield
    finally:
        STATE.cost = 0.0


def outcome(read: Callable[[], Any]) -> str:
    """Read, and tell whether that gives a value, or what it raises."""
    try:
        value = read()
    except Exception as error:  # noqa: BLE001  (whatever a peer raises is what is told)
        return type(error).__name__
    return "value" if value is not None else "nothing"


def run_aside(do: Callable[[], object]) -> None:
    """Do something in a thread whose statements are no computes, and wait for it."""

    def work() -> None:
        STATE.aside.on = True
        try:
            do()
        finally:
            connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join(PATIENCE)
