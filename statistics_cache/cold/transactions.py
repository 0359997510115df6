"""What a connection's transaction has changed, and what waits for its commit."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from secrets import token_hex
from threading import local
from typing import Any, TypeVar

from django.db import connections, transaction

T = TypeVar("T")

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
    if connection.in_atomic_block:
        return not connection.commit_on_exit  # blocks inside such a transaction commit nothing
    is_open = connection.connection is not None
    is_autocommit = connection.autocommit if is_open else connection.settings_dict["AUTOCOMMIT"]
    return not is_autocommit


def whole(alias: str, *, unless: bool = False) -> AbstractContextManager[object]:
    """Make one transaction of a statement and what is logged of it in autocommit; elsewhere it is in one already."""
    connection = connections[alias]
    if unless or connection.in_atomic_block or is_manual(connection):
        return nullcontext()
    return transaction.atomic(using=alias)


def after_commit(alias: str, function: Callable[[], object]) -> bool:
    """Run a function when what is done now is committed: at once outside a transaction, never after a rollback.

    Where the user's own transactions hide the commit, nothing is run: that is told by False. What fails there is logged
    by Django, and is no reason for other hooks to fail.
    """
    if not in_transaction(alias):
        function()
    elif is_manual(connections[alias]):
        return False
    else:
        transaction.on_commit(Hook(function), using=alias, robust=True)
    return True


def after_commit_together(alias: str, function: Callable[[dict[str, T]], object], name: str, item: T) -> None:
    """Have a function take items, each once by its name, when what is done now is committed: all of this commit in one.

    Outside a transaction it takes this one at once; where the user's own transactions hide the commit, none.
    """
    if not in_transaction(alias):
        function({name: item})
    elif not is_manual(connections[alias]):
        once = changes_of(alias).once
        if function not in once:
            after_commit(alias, Together(function, once.setdefault(function, {})))
        once[function][name] = item


@dataclass(frozen=True, eq=False)
class Together:
    """A function and the items that it takes after a commit."""

    function: Callable[[dict[str, Any]], object]
    items: dict[str, Any]

    def __call__(self) -> None:
        """Have it take them."""
        self.function(self.items)


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


class Logged:
    """What one write has logged, as a hook that delivers it after the commit.

    Django drops it with the savepoint that rolls its log rows back. `facts` are what was logged of each statistic.
    """

    def __init__(self, alias: str, facts: Mapping[str, Collection[object]], deliver: "Deliver") -> None:
        """Note it; `deliver` takes all that is to be delivered together."""
        self.alias, self.facts, self.deliver = alias, facts, deliver
        self.has_run = False
        self.__qualname__ = type(self).__name__  # Django logs it where a hook fails

    def __call__(self) -> None:
        """Deliver this and, in the same go, all others of this commit."""
        if self.has_run:
            return
        together = [self, *self.companions()]
        for each in together:
            each.has_run = True
        self.deliver(together)

    def companions(self) -> list["Logged"]:
        """Give the others that this commit will run: those left in the list that Django has taken this one from."""
        known: Changes | None = vars(connections[self.alias]).get(KEY)
        if known is None or known.hooks is connections[self.alias].run_on_commit:
            return []  # in a `TestCase` that captures: nothing was taken from the list
        others = [hook for _, hook, *_ in known.hooks if isinstance(hook, Logged) and not hook.has_run]
        return [] if self in others else others  # an older list: a savepoint was rolled back since


Deliver = Callable[[Sequence["Logged"]], None]


def deliver_after_commit(logged: Logged) -> None:
    """Have what was logged delivered when this transaction commits, before any other hook can read what it changed.

    Where the outermost block is a `TestCase`'s it is the last: what a test captures counts from where it begins.
    """
    connection, known = connections[logged.alias], changes_of(logged.alias)
    is_in_testcase = getattr(connection.atomic_blocks[0], "_from_testcase", False)
    place = len(connection.run_on_commit) if is_in_testcase else 0
    entry: Any = (set(connection.savepoint_ids), logged, True)
    connection.run_on_commit.insert(place, entry)
    known.note(logged, is_new=True)


@dataclass(eq=False)
class Changes:
    """What a connection's transaction has logged so far, by statistic (Note [The list of hooks]).

    `facts` are all that waits for the commit; `certain` those whose log rows no rollback can have taken back.
    """

    hooks: list[Any]
    logged: list[Logged] = field(default_factory=list)
    facts: dict[str, set[object]] = field(default_factory=dict)
    certain: dict[str, set[object]] = field(default_factory=dict)
    once: dict[Callable[[dict[str, Any]], object], dict[str, Any]] = field(default_factory=dict)

    def of(self, statistic: str) -> Collection[object]:
        """Give what was logged of a statistic since the last rollback, and waits for the commit."""
        return self.certain.get(statistic, ())

    def note(self, logged: Logged, *, is_new: bool) -> None:
        """Note one more; one that is not new may have lost its rows by a rollback that left its hook."""
        self.logged.append(logged)
        for statistic, facts in logged.facts.items():
            self.facts.setdefault(statistic, set()).update(facts)
            if is_new:
                self.certain.setdefault(statistic, set()).update(facts)

    @property
    def is_delivered(self) -> bool:
        """Tell whether all of it has been delivered, though the list still has it (in a `TestCase`)."""
        return all(logged.has_run for logged in self.logged)


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
    """Give what the transaction on a database has logged and not rolled back or delivered."""
    connection = connections[alias]
    known: Changes | None = vars(connection).get(KEY)
    if known is None or known.hooks is not connection.run_on_commit or (known.logged and known.is_delivered):
        known = vars(connection)[KEY] = Changes(connection.run_on_commit)
        for _, hook, *_ in connection.run_on_commit:
            if isinstance(hook, Logged) and not hook.has_run:
                known.note(hook, is_new=False)
            elif isinstance(hook, Hook) and isinstance(hook.function, Together):
                known.once[hook.function.function] = hook.function.items
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


def has_changed(alias: str) -> bool:
    """Tell whether the transaction on a database holds a change of any statistic's source."""
    if alias not in _suspects.aliases:
        return False
    return is_manual(connections[alias]) or bool(changes_of(alias).facts)


def is_dirty(alias: str, statistic: str) -> bool:
    """Tell whether the transaction on a database holds a change that the statistic is computed from."""
    if alias not in _suspects.aliases:
        return False
    if is_manual(connections[alias]):
        return True
    facts = changes_of(alias).facts
    if not facts:
        _suspects.aliases.discard(alias)
    return statistic in facts


# Note [The list of hooks]
# `connection.run_on_commit` is where Django keeps what waits for a commit. It appends to that list; a rollback, of a
# savepoint too, and a commit put another list in its place. So while the list is the same object, all that was noted
# still waits, and what was noted is read anew from it when it is another. That makes "already logged in this
# transaction" one look into a dict, however many hooks an application has, and a rollback needs no hook of its own.
# A savepoint that users roll back by hand leaves our hooks, though their rows are gone: so what was logged before any
# rollback is logged again when it changes again.
# At a commit Django takes the hooks out of that list one by one: the first of ours delivers all that are still in it.
