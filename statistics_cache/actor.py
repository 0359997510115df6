"""Who is at work in this context, for who asks later by whom a value was computed."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Actor = Literal["read", "worker", "tick", "command"]

_actor: ContextVar[Actor] = ContextVar("statistics_cache_actor", default="read")


def actor() -> Actor:
    """Give who is at work: a worker is the tick's where the tick has asked it; all else is a read."""
    return _actor.get()


@contextmanager
def acting(name: Actor) -> Iterator[None]:
    """Say who is at work inside."""
    reset = _actor.set(name)
    try:
        yield
    finally:
        _actor.reset(reset)
