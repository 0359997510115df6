"""The processes and threads of the soak: started together, stopped by the first who fails."""

import multiprocessing
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.queues import SimpleQueue
from threading import Thread
from time import sleep
from typing import Any, ClassVar

from django.db import connection

from statistics_cache import stand_alone
from statistics_cache.conf import default_capture
from statistics_cache.signals import breaker_changed, store_failed
from tests.messages import Messages
from tests.soak.auditor import Auditor
from tests.soak.declared import OWNERS, STRANGER, WRITERS
from tests.soak.disturbing import Disturber
from tests.soak.ledger import Ledger
from tests.soak.paths import PATHS
from tests.soak.reading import Reader
from tests.soak.stranger import Stranger
from tests.soak.tally import Tally
from tests.soak.verdict import Lost, Violation
from tests.soak.writing import Writer
from tests.waiting import PATIENCE

READERS, THREADS = 4, 4
YIELDING = 5  # the niceness of readers: they never have to wait long, and writers keep pace with them
IDLE = 0.01  # seconds until an empty queue is looked at again
ENDING = 2 * PATIENCE  # seconds that a worker has to end, what it waits for included; one who has not hangs
Group = list[Callable[[], None]]
FORK = multiprocessing.get_context("fork")  # with Django set up once


@dataclass
class Crew:
    """All workers, with what they share."""

    seed: int
    ledger: Ledger = field(default_factory=lambda: Ledger(OWNERS))
    tally: Tally = field(default_factory=lambda: Tally(READERS * THREADS + OWNERS + 3, len(PATHS)))
    failures: "SimpleQueue[tuple[str, str]]" = field(default_factory=FORK.SimpleQueue)
    processes: list[Any] = field(default_factory=list)
    audits: ClassVar[type[Auditor]] = Auditor

    def start(self) -> None:
        """Start every process; a connection of the parent's is no connection of theirs."""
        connection.close()
        for group in self.groups():
            self.processes.append(self.begin(*group))

    def begin(self, niceness: int, group: Group) -> Any:
        """Start one process."""
        process = FORK.Process(target=self.work, args=(niceness, group), daemon=True)
        process.start()
        return process

    def groups(self) -> list[tuple[int, Group]]:
        """Give the threads of each process, with its niceness."""
        readers = range(READERS * THREADS)
        groups = [(YIELDING, self.readers(readers[start::READERS])) for start in range(READERS)]
        groups += [(0, [partial(self.writer, number)]) for number in range(WRITERS)]
        return [*groups, *self.strangers(), (0, [self.disturber]), (0, [self.refresher]), (0, [self.auditor])]

    def readers(self, workers: range) -> Group:
        """Give the threads of one process."""
        return [Reader(worker, self.seed, self.ledger, self.tally).run for worker in workers]

    def writer(self, number: int) -> None:
        """Be a writer."""
        Writer(READERS * THREADS + number, number, self.seed, self.ledger, self.tally).run()

    def strangers(self) -> list[tuple[int, Group]]:
        """Give the process of another program, where anybody can see what it writes."""
        return [(0, [self.stranger])] if default_capture() == "triggers" else []

    def stranger(self) -> None:
        """Be another program."""
        Stranger(READERS * THREADS + STRANGER, STRANGER, self.seed, self.ledger, self.tally).run()

    def disturber(self) -> None:
        """Be the disturber."""
        Disturber(READERS * THREADS + OWNERS, self.seed, self.tally).run()

    def refresher(self) -> None:
        """Be a worker of Celery: do what each message asks for."""
        while not self.tally.stop.value:
            self.tally.add(READERS * THREADS + OWNERS + 1, "refreshed", Messages().work())
            sleep(IDLE)

    def auditor(self) -> None:
        """Be the auditor."""
        self.audits(READERS * THREADS + OWNERS + 2, self.seed, self.tally).run()

    def watch(self) -> None:
        """Fail at whatever may not happen here."""
        breaker_changed.connect(self.tier_out)
        store_failed.connect(self.tier_out)

    def work(self, niceness: int, group: Group) -> None:
        """Be one process: each of the group in a thread."""
        os.nice(niceness)
        self.watch()
        threads = [Thread(target=self.guarded, args=(run,)) for run in group]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def guarded(self, run: Callable[[], None]) -> None:
        """Run one worker, as a server's thread; whatever it fails with ends the soak."""
        stand_alone()
        try:
            run()
        except Violation as violation:
            self.fail("violation", str(violation))
        except Lost as lost:
            self.fail("lost", str(lost))
        except Exception:  # noqa: BLE001  (it is told, and the soak fails)
            self.fail("error", traceback.format_exc())
        finally:
            connection.close()

    def fail(self, kind: str, text: str) -> None:
        """Tell of a failure and stop all."""
        self.failures.put((kind, text))
        self.tally.stop.value = 1

    def tier_out(self, **kwargs: Any) -> None:
        """Fail: no tier is out here, so nothing may say that one is."""
        self.fail("error", f"process {os.getpid()}: a tier was called out: {kwargs}")

    def is_working(self) -> bool:
        """Tell whether nobody has failed or died."""
        return not self.tally.stop.value and all(process.is_alive() for process in self.processes)

    def end(self) -> list[tuple[str, str]]:
        """Stop all and give their failures."""
        self.tally.stop.value = 1
        told = []
        for process in self.processes:
            process.join(ENDING)
            if process.exitcode != 0:
                told.append(("error", f"a process ended with {process.exitcode} (None: it hangs)"))
                process.kill()
        while not self.failures.empty():
            told.append(self.failures.get())
        return told
