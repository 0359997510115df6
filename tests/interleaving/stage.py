"""What the real modules find instead of clocks, chance, sleep and threads while actors run."""

import random
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.db.backends.signals import connection_created
from pytest_django import Settings

import statistics_cache.upkeep  # noqa: F401  (all modules of the protocol are loaded)
from statistics_cache.broker import queue
from statistics_cache.changing import receiving
from statistics_cache.cold import tables
from statistics_cache.hot import lease
from statistics_cache.hot.lease import Landing
from statistics_cache.identity import facts, known

from . import actors
from .connection import StepDatabase
from .database import NUMBER
from .operations import draw, driver, perform
from .oracle import PROOF_INTERVAL

NOON = 1_772_366_400.0  # 1 March 2026, 12:00 UTC


def now() -> float:
    """Give the world's time."""
    return NOON + float(perform("clock") or 0.0)


def rise(_: float) -> None:
    """Sleep until the lease that was asked for last is free."""
    running = driver.get()
    assert running is not None
    assert running.last is not None
    perform("free", running.last.args[0])


REPLACED: dict[object, Callable[..., Any]] = {
    time.time: now,
    time.monotonic: lambda: 0.0,
    time.perf_counter: lambda: 0.0,
    time.sleep: rise,
    random.randint: lambda low, high: draw().randint(low, high),
    random.random: lambda: perform("choose", 0.0, 0.999),
    random.uniform: lambda low, _: low,
    secrets.token_hex: lambda size: f"{draw().getrandbits(8 * size):x}",
}


class Ended:
    """The end of a flight, which the world waits for at the next look."""

    def wait(self, timeout: float) -> bool:  # noqa: ARG002  (time stands still)
        """Go on at once."""
        return True


class StepFlight:
    """A flight whose landing is a step."""

    ended = Ended()

    def __init__(self, number: int) -> None:
        """Take the world's number of it."""
        self.number = number
        self.landing: Landing | None = None

    @property
    def landed(self) -> "StepFlight":
        """Give what can be waited for."""
        return self

    def wait(self, timeout: float) -> bool:  # noqa: ARG002  (time stands still)
        """Wait until it has landed."""
        self.landing = perform("wait", self.number)
        return True

    def land(self, landing: Landing | None) -> None:
        """Let those who wait go on."""
        perform("land", self.number, landing)


class StepFlights:
    """The flights of the actor's process."""

    def board(self, name: str) -> tuple[StepFlight, bool]:
        """Give the flight of an entry, and whether the caller flies it."""
        number, flies = perform("board", name)
        return StepFlight(number), flies

    def end(self, name: str, flight: StepFlight) -> None:  # noqa: ARG002  (as the library calls it)
        """Take a flight off."""
        perform("end", flight.number)


def library() -> list[ModuleType]:
    """Give the library's modules that are loaded."""
    return [module for name, module in sys.modules.items() if name.split(".")[0] == "statistics_cache"]


@contextmanager
def set_up(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[None]:
    """Put the library on the stage, until the test ends."""
    backend = {"BACKEND": "tests.interleaving.cache.StepCache"}
    settings.CACHES = settings.CACHES | {"statistics": backend}
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"PROOF_INTERVAL": PROOF_INTERVAL}
    for module in library():
        for name, value in list(vars(module).items()):
            if callable(value) and getattr(value, "__hash__", None) and is_replaced(value):
                monkeypatch.setattr(module, name, REPLACED[value])
    for name in ("WATCHES", "WATCHED", "OBSERVED", "SETTERS"):  # nobody watches but who is on the stage
        monkeypatch.setattr(receiving, name, type(vars(receiving)[name])())
    for asked in (actors.SHELF, actors.PLACE):
        receiving.watch(asked.declaration)
    monkeypatch.setattr(tables, "are_ready", lambda _: True)
    monkeypatch.setattr(tables, "are_complete", lambda _: True)
    monkeypatch.setattr(facts, "file_of", lambda _: "")
    identity = facts.digest(str(NUMBER), "", "")
    places = [facts.place_of(each) for each in (connections["default"], StepDatabase("IMMEDIATE"))]
    monkeypatch.setattr(known, "_last", {(place, ""): identity for place in places})
    vars(connections["default"]).pop(known.KEY, None)  # a real one's is another
    connection_created.disconnect(dispatch_uid="statistics_cache.identity")  # what a proof says is enough
    monkeypatch.setattr(lease, "flights", StepFlights())
    monkeypatch.setattr(queue, "later", lambda _: True)  # a worker is an actor of its own
    for name in ("later_by_itself", "keep_note", "hold_note"):
        monkeypatch.setattr(queue, name, lambda *_: None)
    with time_machine.travel(NOON, tick=False):  # what Django stamps rows with
        yield
    connection_created.connect(known.learn, dispatch_uid="statistics_cache.identity")


def is_replaced(value: object) -> bool:
    """Tell whether the stage has another one of this."""
    try:
        return value in REPLACED
    except TypeError:
        return False
