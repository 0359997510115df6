"""What Django's own connections write is delivered after its commit, though triggers have logged it.

One statement is looked at, not its rows: `*` moves of each statistic that watches the table (Note [Coarse delivery]).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from django.db import connections
from django.db.models import Model

from statistics_cache.changing.delivering import Written, hand_over
from statistics_cache.changing.ongoing import is_missed
from statistics_cache.changing.parsing import RUNS, is_one, may_write, names, parse, table_text
from statistics_cache.changing.receiving import BY_TRIGGERS, TRIGGERED
from statistics_cache.changing.statements import followers, quiet
from statistics_cache.changing.watching import Watch
from statistics_cache.cold import rows as cold
from statistics_cache.cold.transactions import changes_of, in_transaction, is_manual, note_change
from statistics_cache.declaring.declaration import Declaration


def follow(alias: str, text: str) -> Callable[[], None] | None:
    """Give what is to be done when a statement has run: note what it may have written, and have that delivered."""
    if (
        not BY_TRIGGERS
        or not (ours := [each for each in BY_TRIGGERS if cold.alias_of(each) == alias])
        or is_missed(alias)
    ):
        return None
    found = [watch for watch in written_by(text) if watch.declaration in ours]
    if in_transaction(alias):
        return partial(note_inside, alias, ours, found)
    return partial(note, alias, found) if found else None


def note_inside(alias: str, ours: Sequence[Declaration[..., Any]], found: Sequence[Watch]) -> None:
    """Count a change of every statistic: a rollback takes the log row along, and not what was computed."""
    for declaration in ours:
        note_change(alias, declaration.name)
    note(alias, found)


def note(alias: str, found: Sequence[Watch]) -> None:
    """Have a write of the tables that some watch be delivered after the commit."""
    facts: dict[str, set[object]] = {}
    is_exact = connections[alias].vendor == "sqlite"  # whose triggers follow paths themselves
    for watch in found:
        facts.setdefault(watch.declaration.name, set()).add(Written(watch.is_far and not is_exact))
    if left := unknown(alias, facts):
        with quiet(connections[alias]):
            hand_over(alias, left, ())


def unknown(alias: str, facts: dict[str, set[object]]) -> dict[str, set[object]]:
    """Leave out what this transaction delivers anyhow."""
    if not in_transaction(alias) or is_manual(connections[alias]):
        return facts
    noted = changes_of(alias)
    left = {name: some - set(noted.of(name)) for name, some in facts.items()}
    return {name: some for name, some in left.items() if some}


def every_watch() -> Iterable[Watch]:
    """Give all watches by triggers."""
    return (watch for watches in TRIGGERED.values() for watch in watches)


def written_by(text: str) -> list[Watch]:
    """Give the watches on the tables that a statement may write."""
    if RUNS.match(text):
        return list(every_watch())
    if not may_write(text):
        return []
    write = parse(text) if is_one(text) else None
    if write is not None:
        return [watch for table in TRIGGERED if is_named(table, write.table) for watch in TRIGGERED[table]]
    return [watch for table in TRIGGERED if names(text, table_text(table._meta.db_table)) for watch in TRIGGERED[table]]


def is_named(table: type[Model], name: str) -> bool:
    """Tell whether a name is that of a table."""
    return table_text(table._meta.db_table) == name


followers.append(follow)


# Note [Coarse delivery]
# Which scopes fell stands in the log, and to ask for it would be a statement more for each write. So every scope of the
# statistics in question moves: an entry whose scope did not is proved by one statement at its next read, and promoted;
# nothing is computed. What Django's connection does not see (the driver's own cursor, another program, what the
# database itself writes in the wake of a statement) readers notice by the age of their proofs.
