"""What the tick deletes: what is expired or cleared, what is beyond MAX_ENTRIES, and old history."""

from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any, TypeVar

from .changing.delivering import move_hot
from .cold import changelog, history, sweeping
from .cold import rows as cold
from .conf import limits, settings
from .declaring.declaration import Declaration
from .declaring.keys import CLEARED, EPOCH_SCOPE, EVERY_SCOPE
from .entry import A_DAY

T = TypeVar("T")

Declarations = Sequence[Declaration[..., Any]]
Changed = Mapping[tuple[str, str], Any]
Home = tuple[str, Declaration[..., Any]]  # a database, and a statistic whose rows it holds
Out = dict[str, Exception]  # the databases found to be out, and what each raised first

_unfinished: set[str] = set()  # statistics that had more beyond MAX_ENTRIES than this process's last tick deleted
_unswept: dict[tuple[str, str], str] = {}  # where to go on deleting what was cleared, by database and statistic


def unless_out(out: Out, alias: str, work: Callable[..., T], *arguments: Any) -> T | None:
    """Do work on a database, unless that was found to be out: one that hangs is waited for once in a tick."""
    if alias in out:
        return None
    try:
        return work(*arguments)
    except cold.OUTAGES as error:
        out[alias] = error
        return None


def prune(declarations: Declarations, out: Out) -> int:
    """Delete rows that no policy may serve any more; and of one statistic in turn, those beyond MAX_ENTRIES.

    A statistic that had more of these than one tick deletes is looked at by this process's next tick, too.
    """
    now, known = time(), [(cold.alias_of(declaration), declaration) for declaration in declarations]
    pruned = [
        unless_out(out, alias, cold.prune, alias, each.name, now - limits(each).stale_ttl) for alias, each in known
    ]
    longest = max((limits(each).stale_ttl for each in declarations), default=0.0)
    for each in in_turn(known, int(now / settings().TICK)):
        pruned.append(prune_surplus(out, *each))
        unless_out(out, each[0], changelog.prune_parts, each[0], each[1].name, cold.time_for(now - longest - A_DAY))
    for alias in {alias for alias, _ in known}:
        unless_out(out, alias, history.forget, alias, cold.time_for(now - A_DAY))
    return sum(filter(None, pruned))


def sweep(declarations: Declarations, changed: Changed, out: Out) -> int:
    """Delete rows of the statistics of which something was cleared: nobody is given them, they only take room.

    Where there are more than one tick looks at, this process's next tick goes on. The hot tier is told once more: who
    cleared may have ended while it was out, and nothing that is cleared is to be given while the database is.
    """
    cleared = {name for name, scope in changed if is_clearing(scope)}
    swept = 0
    for declaration in declarations:
        home = cold.alias_of(declaration), declaration.name
        if declaration.name in cleared:
            _unswept[home] = ""
            move_hot(home[0], {declaration.name: [EVERY_SCOPE]})
        if (after := _unswept.get(home)) is not None:
            done = unless_out(out, home[0], sweeping.sweep, declaration, after)
            swept += note_swept(home, done)
    return swept


def note_swept(home: tuple[str, str], done: sweeping.Swept | None) -> int:
    """Note where to go on, if there is more; give how many rows were deleted."""
    if done is None:
        return 0
    if done.last is None:
        _unswept.pop(home, None)  # another thread's tick may have ended first
    else:
        _unswept[home] = done.last
    return done.deleted


def is_clearing(scope: str) -> bool:
    """Tell whether a scope is one that only clearing moves."""
    return scope == EPOCH_SCOPE or scope.startswith(CLEARED)


def in_turn(known: Sequence[Home], turn: int) -> list[Home]:
    """Give the statistic whose turn it is, and those that were not done."""
    return [each for at, each in enumerate(known) if at == turn % len(known) or each[1].name in _unfinished]


def prune_surplus(out: Out, alias: str, declaration: Declaration[..., Any]) -> int | None:
    """Delete what a statistic has beyond MAX_ENTRIES, and note whether there may be more."""
    pruned = unless_out(out, alias, cold.prune_beyond, alias, declaration.name, settings().MAX_ENTRIES)
    (_unfinished.add if pruned == cold.SURPLUS else _unfinished.discard)(declaration.name)
    return pruned
