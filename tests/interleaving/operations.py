"""What an actor asks of the world, one operation at a time; who runs the actor decides what it is given."""

from contextvars import ContextVar
from random import Random
from typing import Any, NamedTuple, Protocol


class Operation(NamedTuple):
    """One step that other actors may see or that may see them."""

    kind: str
    args: tuple[Any, ...]

    def __str__(self) -> str:
        """Write it for a person, shortened."""
        return f"{self.kind} {' '.join(map(shorten, self.args))}".strip()


class Failure(NamedTuple):
    """An exception that an operation ends with."""

    error: type[Exception]
    text: str


class Driver(Protocol):
    """Runs one actor."""

    name: str
    drawn: int
    last: Operation | None

    def perform(self, operation: Operation) -> Any:
        """Give the result of an operation."""


driver: ContextVar[Driver | None] = ContextVar("driver", default=None)


def shorten(value: object) -> str:
    """Write an argument on one line of at most 70 characters."""
    text = " ".join(str(value).split())
    return text if len(text) <= 70 else f"{text[:50]}…{text[-19:]}"


def perform(kind: str, *args: Any) -> Any:
    """Do an operation for the actor that is running; nothing where none is. Raises what the operation ends with."""
    running = driver.get()
    result = running.perform(Operation(kind, args)) if running is not None else None
    if isinstance(result, Failure):
        raise result.error(result.text)
    return result


def draw() -> Random:
    """Give the running actor's next source of randomness: the same in every run of it, another for each actor."""
    running = driver.get()
    assert running is not None
    running.drawn += 1
    return Random(f"{running.name} {running.drawn}")  # a text seeds the same in every process
