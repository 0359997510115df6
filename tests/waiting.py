"""Waiting for what must come: that is no law on how fast it comes, for a busy machine is slow."""

from collections.abc import Callable
from threading import Event
from time import monotonic

PATIENCE = 120.0  # seconds after which what has not come never will: a thread, a process, a server, a page
PAUSE = 0.01  # seconds until it is looked again


def until(happened: Callable[[], object], what: str = "what must come") -> None:
    """Wait until something holds; fail where it never does."""
    deadline = monotonic() + PATIENCE
    while not happened():
        assert monotonic() < deadline, f"not within {PATIENCE:g} s: {what}"
        pass_time(PAUSE)


def pass_time(seconds: float) -> None:
    """Let others go on meanwhile."""
    Event().wait(seconds)
