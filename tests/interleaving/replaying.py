"""What an actor does next, learnt by running it with the results it was given so far; every history is run once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, NamedTuple

from django.db import connections

from statistics_cache.cold import transactions

from .connection import StepDatabase
from .operations import Operation, driver


class Actor(NamedTuple):
    """One thread of one process; `changes` are the erasures that its commit makes; `leases` if it wants leases."""

    name: str
    act: Callable[[], object]
    process: str = ""
    changes: frozenset[int] = frozenset()
    mode: str = "IMMEDIATE"
    leases: bool = False

    @property
    def home(self) -> str:
        """Give the process: the actor's own unless it shares one."""
        return self.process or self.name


class Pause(BaseException):
    """The results are used up."""


class Replay:
    """Gives an actor its results in order, then stops it; `asked` is what it asked for next."""

    def __init__(self, name: str, results: list[Any]) -> None:
        """Take the results."""
        self.name = name
        self.drawn = 0
        self.last: Operation | None = None
        self.results = iter(results)
        self.asked: Operation | None = None

    def perform(self, operation: Operation) -> Any:
        """Give the next result. Raises Pause where there is none, and ever after."""
        if self.asked is None:
            self.last = operation
            for result in self.results:
                return result
            self.asked = operation
        raise Pause


class Node:
    """A history of one actor: what it asks for next (None at the end), and what came of each result."""

    __slots__ = ("actor", "children", "depth", "operation", "parent", "result")

    def __init__(self, actor: Actor, parent: "Node | None" = None, result: Any = None) -> None:
        """Learn what comes next."""
        self.actor, self.parent, self.result = actor, parent, result
        self.depth: int = parent.depth + 1 if parent else 0
        self.children: dict[Any, Node] = {}
        self.operation = ask(actor, list(self.history()))

    def history(self) -> list[Any]:
        """Give the results so far."""
        results, node = [], self
        while node.parent is not None:
            results.append(node.result)
            node = node.parent
        return results[::-1]

    def after(self, result: Any) -> "Node":
        """Give the history that one more result makes."""
        if (child := self.children.get(result)) is None:
            child = self.children[result] = Node(self.actor, self, result)
        return child


def ask(actor: Actor, results: list[Any]) -> Operation | None:
    """Run an actor with results; give what it asks for when they are used up."""
    replay = Replay(actor.name, results)
    copy_context().run(act_out, actor, replay)
    return replay.asked


def act_out(actor: Actor, replay: Replay) -> None:
    """Run an actor on a connection of its own."""
    driver.set(replay)
    transactions._suspects.aliases.clear()  # every actor is a thread of its own
    with connected(StepDatabase(actor.mode)), suppress(Pause):
        actor.act()


@contextmanager
def connected(database: StepDatabase) -> Iterator[None]:
    """Let the alias `default` be this."""
    before = connections["default"]
    connections["default"] = database
    try:
        yield
    finally:
        connections["default"] = before
