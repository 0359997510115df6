"""A site: one database, one Valkey for cache, broker and notebook, and the processes that work on them."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import redis

from statistics_cache.broker.schedule import TICK as TICK_TASK
from tests.servers import own_valkey
from tests.soak.servers import database
from tests.waiting import until
from tests.worker.crew import Crewman, Process
from tests.worker.notebook import Notebook

P = TypeVar("P", bound=Process)

TICK = 1.0
LEASE_TTL = 3.0
BREAKER_PAUSE = 0.5
SHORT = {"TICK": TICK, "LEASE_TTL": LEASE_TTL, "BREAKER_PAUSE": BREAKER_PAUSE}  # seconds; all else has its default
QUEUE = "statistics"
WAITING = (QUEUE, "unacked", "unacked_index")  # where kombu keeps what no worker has ended
WORKER = ["--queues", QUEUE, "--concurrency", "2", "--without-gossip", "--without-mingle", "--without-heartbeat"]


class Site:
    """Processes on one database and one Valkey; each is started when first wanted."""

    def __init__(self, folder: Path, database: str, valkey: str) -> None:
        """Start nothing."""
        folder.mkdir()
        self.folder = folder
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "tests.worker.settings",
            "RUN_DIR": str(folder),
            "DATABASE_URL": database,
            "REDIS_URL": f"{valkey}/1",
            "CELERY_BROKER_URL": f"{valkey}/2",
            "NOTEBOOK_URL": f"{valkey}/3",
            "STATISTICS_CACHE": json.dumps(SHORT),
        }
        self.broker = redis.Redis.from_url(f"{valkey}/2")
        self.notebook = Notebook(f"{valkey}/3")
        self.processes: list[Process] = []
        self.worker: Process | None = None
        self.clock: Process | None = None
        self._readers: list[Crewman] = []

    def keep(self, process: P) -> P:
        """See to it that a process ends with the site."""
        self.processes.append(process)
        return process

    def name(self, kind: str) -> str:
        """Give the name of the next process."""
        return f"{kind}-{len(self.processes)}"

    def crewman(self, **environment: str) -> Crewman:
        """Start a process that does what it is told, in the site's environment but for what is given."""
        return self.keep(Crewman(self.name("crewman"), self.environment | environment, self.folder))

    @cached_property
    def clerk(self) -> Crewman:
        """Give the one who writes, and looks at the tables."""
        return self.crewman()

    def readers(self, number: int) -> list[Crewman]:
        """Give so many processes that read."""
        while len(self._readers) < number:
            self._readers.append(self.crewman())
        return self._readers[:number]

    def working(self) -> Process:
        """Give the worker that tests share: the one that is there, else a new one."""
        if self.worker is None or not self.worker.is_alive:
            self.worker = self.hire()
        return self.worker

    def ticking(self) -> Process:
        """Give the beat that tests share; it stands still between them."""
        if self.clock is None or not self.clock.is_alive:
            self.clock = self.beat()
        self.clock.signal(signal.SIGCONT)
        return self.clock

    def hire(self) -> Process:
        """Start one more worker."""
        return self.celery("worker", *WORKER)

    def beat(self) -> Process:
        """Start a beat."""
        return self.celery("beat", "--schedule", str(self.folder / self.name("schedule")), "--pidfile", "")

    def celery(self, kind: str, *options: str) -> Process:
        """Start what Celery calls so, as its users do."""
        name = self.name(kind)
        named = ["--hostname", f"{name}@site"] if kind == "worker" else []
        command = ["celery", "-A", "project", kind, "--loglevel", "info", *named, *options]
        return self.keep(Process(name, command, self.environment, self.folder))

    def wait_for(self, *processes: Process) -> None:
        """Wait until workers take messages, and beats send them."""
        pids = {process.popen.pid for process in processes if not process.is_up}
        until(lambda: pids <= {line.pid for line in self.notebook.of("ready")})
        for process in processes:
            process.is_up = True

    def is_idle(self) -> bool:
        """Tell whether no message waits and none is worked on."""
        return not self.broker.exists(*WAITING)

    def clean(self) -> None:
        """Forget what an earlier test has left: all data, and every worker and beat but those that tests share.

        A worker that has ticked goes as well: it acknowledges a tick before it does it, so it may be at it still.
        """
        if self.clock and self.clock.is_alive:
            self.clock.signal(signal.SIGSTOP)
        has_ticked = bool(self.notebook.of("task", TICK_TASK))
        kept = [*self.crew(), self.clock, *([self.worker] if self.is_idle() and not has_ticked else [])]
        for process in self.processes:
            if process not in kept:
                process.kill()
        self.broker.delete(*WAITING)
        self.clerk.do("clean")
        self.notebook.clear()
        for process in self.processes:
            os.truncate(process.log, 0)

    def crew(self) -> list[Process]:
        """Give all who do what they are told."""
        return [process for process in self.processes if isinstance(process, Crewman)]

    def logs(self) -> str:
        """Give what the processes have said since the site was clean."""
        return "\n".join(f"--- {process.name}\n{process.log.read_text()}" for process in self.processes)

    def end(self) -> None:
        """End every process, whatever it does and whichever would not end."""
        with ExitStack() as ends:
            ends.callback(self.broker.close)
            ends.callback(self.notebook.client.close)
            for process in self.processes:
                ends.callback(process.kill)


@contextmanager
def sites(folder: Path) -> Iterator[dict[str, Site]]:
    """Run one site on PostgreSQL and one on a SQLite file, each on a Valkey of its own; leave nothing behind."""
    with own_valkey() as first, own_valkey() as second, database(folder) as url, ExitStack() as ends:
        made = {
            "postgres": Site(folder / "postgres", url, first.connection_url),
            "sqlite": Site(folder / "sqlite", f"sqlite:///{folder / 'site.sqlite3'}", second.connection_url),
        }
        for each in made.values():
            ends.callback(each.end)
            each.clerk.begin("migrate")
        for each in made.values():
            each.clerk.end()
        yield made
