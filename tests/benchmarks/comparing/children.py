"""The process of a peer, from outside."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from .surroundings import Surroundings

ROOT = Path(__file__).parents[3]
PATIENCE = 900  # seconds for one answer


class Missing(Exception):
    """A peer is not installed, or does not work with this Django."""


class Failed(Exception):
    """A peer could not do what it was asked."""


class Child(NamedTuple):
    """One process."""

    name: str
    process: "subprocess.Popen[str]"

    def ask(self, verb: str, **options: Any) -> Any:
        """Ask, and wait for the answer. Raises Failed."""
        self.send(verb, **options)
        return self.receive()

    def send(self, verb: str, **options: Any) -> None:
        """Ask."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"verb": verb, **options}) + "\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        """Wait for the answer. Raises Missing and Failed."""
        assert self.process.stdout
        watch = Timer(PATIENCE, self.process.kill)
        watch.start()
        try:
            line = self.process.stdout.readline()
        finally:
            watch.cancel()  # also when terminated: the process would not end before the timer does
        answer = json.loads(line or '{"failed": "its process ended"}')
        if "missing" in answer:
            raise Missing(answer["missing"])
        if "failed" in answer:
            raise Failed(answer["failed"])
        return answer["told"]


@contextmanager
def started(surroundings: Surroundings, name: str, *, joins: bool = False, is_refused: bool = False) -> Iterator[Child]:
    """Have a process be a peer, and end it. Raises Missing."""
    if not joins:
        surroundings.make_database(name)
    environment = surroundings.environment(name, joins=joins, is_refused=is_refused)
    with (
        (surroundings.folder / f"{name}.log").open("a") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.peers"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            child = Child(name, process)
            child.receive()
            yield child
        finally:
            end(process)


def end(process: "subprocess.Popen[str]") -> None:
    """Close its input, which ends it; else kill it."""
    assert process.stdin
    process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
