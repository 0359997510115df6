"""The statements of a compute, noted while it runs."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connections

from statistics_cache.changing.statements import KEY, text_of
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.underway import Frame, running

from .counting import counted, is_countable
from .tables import resolve
from .texts import tables_of

Arguments = Sequence[Any] | None
WRITES = ("SAVEPO", "RELEAS", "ROLLBA", "BEGIN", "COMMIT", "SET ", "PRAGMA")


@dataclass(eq=False)
class Notes:
    """What one compute sent to each database; its arguments only where somebody wants them."""

    frame: Frame | None
    keeps_arguments: bool = False
    statements: dict[tuple[str, str], list[Arguments]] = field(default_factory=dict)
    counted: dict[str, set[str]] = field(default_factory=dict)

    def __call__(self, execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Run a statement as it is, and note it if it is the compute's own; what is counted once is not asked again."""
        connection = context["connection"]
        text = sql if isinstance(sql, str) else text_of(sql, connection)
        if KEY in vars(connection) or running() is not self.frame or text.startswith(WRITES):
            return execute(sql, params, many, context)
        is_new = (connection.alias, text) not in self.statements
        arguments = self.statements.setdefault((connection.alias, text), [])
        if self.keeps_arguments:
            arguments.append(None if many or isinstance(params, dict) else tuple(params or ()))
        if not is_new or not is_countable(connection, context["cursor"], text):
            return execute(sql, params, many, context)
        with counted(connection, self.counted.setdefault(connection.alias, set())):
            return execute(sql, params, many, context)

    def tables(self) -> dict[str, set[str]]:
        """Give the tables that were read on each database."""
        found: dict[str, set[str]] = {}
        for alias in dict.fromkeys(alias for alias, _ in self.statements):
            named = {name for on, text in self.statements if on == alias for name in tables_of(text)}
            found[alias] = resolve(alias, named, self.counted.get(alias, set()))
        return found

    def inner(self) -> set[Declaration[..., Any]]:
        """Give the other statistics that were asked."""
        return self.frame.inner if self.frame else set()


@contextmanager
def noted(*, keeps_arguments: bool = False) -> Iterator[Notes]:
    """Note what the compute under way sends from this thread, to any database."""
    notes = Notes(running(), keeps_arguments)
    with ExitStack() as stack:
        for connection in connections.all():
            stack.enter_context(connection.execute_wrapper(notes))
        yield notes
