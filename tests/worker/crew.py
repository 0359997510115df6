"""The processes around a site: a worker, a beat, and those who read and write; each ends whatever happens."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent.parent


class Seen(NamedTuple):
    """What a reader was given, how long that took, and how often the broker was asked for it."""

    state: str
    reason: str | None
    tier: str
    value: int
    seconds: float
    asked: int


class Process:
    """A process in a group of its own: what it starts ends with it."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start it; what it says on its standard error is kept."""
        self.name = name
        self.is_up = self.is_killed = False
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if command[0] != "celery" else log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        os.killpg(self.popen.pid, number)

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the whole group do nothing meanwhile."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the whole group at once, as the kernel does when memory is short; what has ended has left children."""
        if self.is_killed:
            return
        self.is_killed = True
        with suppress(ProcessLookupError):
            self.signal(signal.SIGKILL)
        self.popen.wait(PATIENCE)
        for pipe in (self.popen.stdin, self.popen.stdout):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()

    @property
    def is_alive(self) -> bool:
        """Tell whether it has not ended."""
        return self.popen.poll() is None


class Crewman(Process):
    """A process of the site that does what it is told."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        """Start one; the first answer waits until it is up."""
        super().__init__(name, ["tests.worker"], environment, folder)

    def begin(self, order: str, **arguments: Any) -> None:
        """Give an order and do not wait for it."""
        assert self.popen.stdin
        self.popen.stdin.write(json.dumps([order, arguments]) + "\n")
        self.popen.stdin.flush()

    def end(self) -> Any:
        """Give what the order came to."""
        assert self.popen.stdout
        if not self.is_up:
            assert self.popen.stdout.readline() == "ready\n", self.log.read_text()
            self.is_up = True
        line = self.popen.stdout.readline()
        assert line, self.log.read_text()
        return json.loads(line)

    def do(self, order: str, **arguments: Any) -> Any:
        """Give an order and wait for what it comes to."""
        self.begin(order, **arguments)
        return self.end()

    def read(self, statistic: str, color: str) -> Seen:
        """Ask for a statistic once."""
        return Seen(*self.do("read", statistic=statistic, color=color))

    def read_until(self, state: str, statistic: str, color: str) -> list[Seen]:
        """Ask until what is given is in a state, and give all that was given."""
        seen: list[Seen] = []

        def is_given() -> bool:
            seen.append(self.read(statistic, color))
            return seen[-1].state == state

        until(is_given)
        return seen
