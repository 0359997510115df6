"""The one place that sees statements: each write of a table that is looked after, before and after it runs."""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, NamedTuple, Protocol

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models import Model

from statistics_cache.cold.transactions import whole
from statistics_cache.identity import known

from .ongoing import is_missed
from .parsing import READS, Write, is_one, may_write, names, parse, table_text

KEY = "_statistics_cache_is_quiet"  # the attribute of a connection that runs statements of ours


class Statement(NamedTuple):
    """A write that is about to run on a connection."""

    alias: str
    table: type[Model]
    write: Write
    arguments: Sequence[Any] | None  # None where they are several sets, or do not fit the statement


class Plan(Protocol):
    """What is done around one write."""

    def before(self) -> None:
        """Read what the statement is about to change."""

    def after(self, count: int) -> None:
        """Log what it changed: so many rows, or a negative number where the database does not say."""


TABLES: dict[str, type[Model]] = {}  # by the text of their names
listeners: list[Callable[[Statement], Plan | None]] = []
# Told of the database and the text of each statement that may write; what they give is called when it has run, whether
# it failed or not.
followers: list[Callable[[str, str], Callable[[], None] | None]] = []


def look_after(table: type[Model]) -> None:
    """Have writes of a table told to the listeners, on every connection there is and will be."""
    TABLES[table_text(table._meta.db_table)] = table
    for connection in connections.all(initialized_only=True):
        install(connection)


def install(connection: Any, **_: Any) -> None:
    """Put the watcher around a connection's statements, once: outside those that others put there for a while."""
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, watch)


connection_created.connect(install, dispatch_uid="statistics_cache.statements")


def watch(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
    """Run a statement as it is, with what is done around it."""
    connection = context["connection"]
    if KEY in vars(connection):
        return execute(sql, params, many, context)
    text = sql if isinstance(sql, str) else text_of(sql, connection)
    if "search_path" in text or "SEARCH_PATH" in text:
        known.mix(connection.alias)
    if text.startswith(READS):
        return execute(sql, params, many, context)
    after = [done for follow in followers if (done := follow(connection.alias, text)) is not None]
    try:
        result = run_planned(execute, sql, params, many, context, text)
        if after:
            have_fetched(text, context)
        return result
    finally:
        for done in after:
            done()


def run_planned(execute: Any, sql: Any, params: Any, many: bool, context: Any, text: str) -> Any:
    """Run a statement that may write, with the plans of those who look after its table around it."""
    connection = context["connection"]
    statements = statements_in(text, connection.alias, params, many) if may_write(text) else []
    if not statements or is_missed(connection.alias):
        return execute(sql, params, many, context)
    with quiet(context["connection"]):
        heard = [listener(statement) for statement in statements for listener in listeners]
    if not (plans := [plan for plan in heard if plan is not None]):
        return execute(sql, params, many, context)
    return run_whole(lambda: execute(sql, params, many, context), text, plans, context)


def statements_in(text: str, alias: str, params: Any, many: bool) -> list[Statement]:
    """Give the writes of tables that are looked after. Of a text that cannot be read, those that it names at all."""
    write = parse(text)
    if write is not None and is_one(text):
        table = TABLES.get(write.table)
        return [] if table is None else [Statement(alias, table, write, arguments_of(write, params, many))]
    return [Statement(alias, TABLES[name], Write("OTHER", name), None) for name in TABLES if names(text, name)]


def text_of(sql: Any, connection: Any) -> str:
    """Write out what is no text (psycopg composes statements of objects)."""
    return str(sql.as_string(connection.connection)) if hasattr(sql, "as_string") else str(sql)


def run_whole(run: Callable[[], Any], text: str, plans: Sequence[Plan], context: Any) -> Any:
    """Run a statement with its plans, in autocommit in one transaction with what they log.

    Not what Django did not make. What returns rows has them read at once: SQLite commits nothing while some are left.
    """
    returns, is_plain = "RETURNING" in text.upper(), parse(text) is not None and is_one(text)
    with whole(context["connection"].alias, unless=not is_plain):
        with quiet(context["connection"]):
            for plan in plans:
                plan.before()
        result = run()
        have_fetched(text, context)
        count = context["cursor"].rowcount if is_plain and not returns else -1  # else known once all were fetched
        with quiet(context["connection"]):
            for plan in plans:
                plan.after(count)
    return result


def have_fetched(text: str, context: Any) -> None:
    """Have the rows that a write returns read at once: SQLite commits nothing while some are left."""
    if "RETURNING" in text.upper() and context["connection"].vendor == "sqlite":
        context["cursor"].cursor = Fetched(context["cursor"].cursor)


class Fetched:
    """A cursor whose rows were all fetched: it gives them as the cursor would have, and is that cursor in all else."""

    def __init__(self, cursor: Any) -> None:
        """Fetch them."""
        self.cursor, self.rows = cursor, iter(cursor.fetchall())

    def __getattr__(self, name: str) -> Any:
        """Give what is not about rows."""
        return getattr(self.cursor, name)

    def __iter__(self) -> Any:
        """Give the rows that are left."""
        return self.rows

    def execute(self, *args: Any) -> Any:
        """Run another statement: the rows are its own from here on."""
        self.rows = self.cursor
        return self.cursor.execute(*args)

    def executemany(self, *args: Any) -> Any:
        """Run another statement with several sets of arguments."""
        self.rows = self.cursor
        return self.cursor.executemany(*args)

    def fetchone(self) -> Any:
        """Give the next row, or None."""
        return next(iter(self.rows), None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Give the next rows."""
        return list(islice(self.rows, self.cursor.arraysize if size is None else size))

    def fetchall(self) -> list[Any]:
        """Give all rows that are left."""
        return list(self.rows)


def arguments_of(write: Write, params: Any, many: bool) -> Sequence[Any] | None:
    """Give a statement's arguments, if they are one sequence that fits it."""
    if many or isinstance(params, dict):
        return None
    given = list(params or ())
    return given if len(given) == write.marks else None


@contextmanager
def quiet(connection: Any) -> Any:
    """Tell nobody of the statements of ours that run inside."""
    if KEY in vars(connection):
        yield
        return
    vars(connection)[KEY] = True
    try:
        yield
    finally:
        del vars(connection)[KEY]
