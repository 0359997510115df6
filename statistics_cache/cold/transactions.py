"""What a connection's transaction has changed, and what waits for its commit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from threading import local
from typing import Any

from django.db import connections, transaction

KEY = "_statistics_cache"  # the attribute of a connection that holds its Changes


def in_transaction(alias: str) -> bool:
    """Tell whether what is done now on a database may still be rolled back.

    The blocks that a `TestCase` opens for itself do not count: code under test runs as it does in production.
    """
    connection = connections[alias]
    if connection.in_atomic_block:
        return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    return is_manual(connection)


def is_manual(connection: Any) -> bool:
    """Tell whether transactions are the user's own (`set_autocommit(False)`): Django cannot tell when one commits.

    Connects to nothing: the database may be out, and readers are to learn that where they can do without it.
    """
    is_open = connection.connection is not None
    is_autocommit = connection.autocommit if is_open else connection.settings_dict["AUTOCOMMIT"]
    return not connection.in_atomic_block and not is_autocommit


def after_commit(alias: str, function: Callable[[], object]) -> None:
    """Run a function when what is done now is committed: at once outside a transaction, never after a rollback.

    Where the user's own transactions hide the commit, nothing is run.
    """
    if not in_transaction(alias):
        function()
    elif not is_manual(connections[alias]):
        await_commit(alias, function)


def after_commit_once(alias: str, function: Callable[[], object]) -> None:
    """Do as `after_commit`, unless an equal function already waits for this commit."""
    if all(waiting != Hook(function) for _, waiting, *_ in connections[alias].run_on_commit):
        after_commit(alias, function)


def await_commit(alias: str, function: Callable[[], object]) -> None:
    """Have Django run a function after the commit; what fails there is logged, and no reason for others to fail."""
    transaction.on_commit(Hook(function), using=alias, robust=True)


@dataclass(frozen=True)
class Hook:
    """What waits for a commit, with the name that Django logs where it fails: without one, the commit would raise."""

    function: Callable[[], object]

    def __post_init__(self) -> None:
        """Take the function's name, or that of its type."""
        object.__setattr__(self, "__qualname__", getattr(self.function, "__qualname__", type(self.function).__name__))

    def __call__(self) -> None:
        """Run it."""
        self.function()


@dataclass(eq=False)
class Batch:
    """The deliveries of one statistic in one transaction; `is_large` once there are too many to make one by one."""

    is_large: bool = False
    is_delivered: bool = False


@dataclass(eq=False)
class Delivery:
    """A logged change that waits for its commit; Django drops it with the savepoint that rolls its log row back."""

    statistic: str
    scope: str
    batch: Batch
    deliver: Callable[["Delivery"], None]
    changes: "Changes"
    has_run: bool = False

    def __call__(self) -> None:
        """Deliver; the transaction no longer holds this change."""
        self.has_run = True
        self.changes.forget(self)
        self.deliver(self)


@dataclass(eq=False)
class Changes:
    """What a connection's transaction has logged so far, by statistic and scope (Note [The list of hooks])."""

    hooks: list[Any]
    waiting: dict[str, dict[str, Delivery]] = field(default_factory=dict)

    def of(self, statistic: str) -> dict[str, Delivery]:
        """Give the changes of a statistic that wait for the commit, by scope."""
        return self.waiting.get(statistic, {})

    def note(self, delivery: Delivery) -> None:
        """Note one more."""
        delivery.changes = self
        self.waiting.setdefault(delivery.statistic, {})[delivery.scope] = delivery

    def forget(self, delivery: Delivery) -> None:
        """Take off one that was delivered."""
        if not (left := self.waiting.get(delivery.statistic, {})):
            return
        left.pop(delivery.scope, None)
        if not left:
            del self.waiting[delivery.statistic]


@dataclass(eq=False)
class Counter:
    """How many changes of each statistic a connection has ever logged: a number that no rollback turns back."""

    name: str = field(default_factory=lambda: token_hex(8))
    logged: dict[str, int] = field(default_factory=dict)


class _Suspects(local):
    """The databases on which this thread has logged a change since it was last found to have none waiting."""

    def __init__(self) -> None:
        self.aliases: set[str] = set()


_suspects = _Suspects()


def changes_of(alias: str) -> Changes:
    """Give what the transaction on a database has logged and not rolled back."""
    connection = connections[alias]
    known: Changes | None = vars(connection).get(KEY)
    if known is None or known.hooks is not connection.run_on_commit:
        known = vars(connection)[KEY] = Changes(connection.run_on_commit)
        for _, hook, *_ in connection.run_on_commit:
            waiting = hook.function if isinstance(hook, Hook) else None
            if isinstance(waiting, Delivery) and not waiting.has_run:
                known.note(waiting)
    return known


def note_change(alias: str, statistic: str) -> None:
    """Count a change that was logged on this connection."""
    counter = counter_of(alias)
    counter.logged[statistic] = counter.logged.get(statistic, 0) + 1
    _suspects.aliases.add(alias)


def counter_of(alias: str) -> Counter:
    """Give the counter of this thread's connection."""
    found: Counter = vars(connections[alias]).setdefault(f"{KEY}_counter", Counter())
    return found


def mark(alias: str, statistic: str) -> tuple[str, int]:
    """Give how many changes of a statistic this connection has logged; part of a token."""
    counter = counter_of(alias)
    return counter.name, counter.logged.get(statistic, 0)


def is_overtaken(alias: str, statistic: str, since: tuple[str, int]) -> bool:
    """Tell whether this very connection logged a change after a token was taken on it, rolled back or not."""
    now = mark(alias, statistic)
    return now[0] == since[0] and now[1] != since[1]


def has_suspects() -> bool:
    """Tell whether this thread may be in a transaction that changed anything; costs next to nothing."""
    return bool(_suspects.aliases)


def is_dirty(alias: str, statistic: str) -> bool:
    """Tell whether the transaction on a database holds a change that the statistic is computed from."""
    if alias not in _suspects.aliases:
        return False
    if is_manual(connections[alias]):
        return True
    waiting = changes_of(alias).waiting
    if not waiting:
        _suspects.aliases.discard(alias)
    return statistic in waiting


# Note [The list of hooks]
# `connection.run_on_commit` is where Django keeps what waits for a commit. It appends to that list; a rollback, of a
# savepoint too, and a commit put another list in its place. So while the list is the same object, all that was noted
# still waits, and what was noted is read anew from it when it is another. That makes "already logged in this
# transaction" one look into a dict, however many hooks an application has, and a rollback needs no hook of its own.
