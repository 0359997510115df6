"""A statement that nobody announced, on a table whose every write counts: its rows, else what it pins, else all."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Model

from .concerning import Concern, Guarded, columns_for, concerns, needs_rows
from .delivering import log
from .selecting import Chosen, Key, field_of, instances_for, key_columns, names_by_column, rows_by_key, select
from .statements import Statement
from .trusting import is_kept
from .watching import Row, Watch, with_generated

MOST_ROWS = 1_000  # rows that are read before a statement writes them; of more, what it pins falls, else every scope


class Pair(NamedTuple):
    """A row before and after a statement; None where there is none."""

    old: Row | None
    new: Row | None


class Observed(Guarded):
    """What is done around one such statement."""

    def __init__(self, statement: Statement, watches: Sequence[Watch], *, reads: bool = True) -> None:
        """Leave out who is not interested in the columns that it writes; read no rows unless it `reads`."""
        super().__init__()
        self.statement, self.alias, self.table = statement, statement.alias, statement.table
        self.written = written_by(statement)
        self.watches = [watch for watch in watches if self.is_of_interest(watch)]
        self.reads = reads
        self.old: dict[Key, Row] | None = None
        self.whole: dict[Key, Any] = {}

    def is_of_interest(self, watch: Watch) -> bool:
        """Tell whether a watch is about what the statement does, as far as that is known."""
        write = self.statement.write
        if write.verb == "UPDATE":
            return self.written is None or not watch.ignores(self.written)
        return write.verb != "INSERT" or write.overwrites or watch.created

    def before(self) -> None:
        """Read the rows that the statement is about to write: by its own condition, under its own lock."""
        self.guarded(self.read_old)

    def after(self, count: int) -> None:
        """Log what it concerns, unless it wrote nothing."""
        if count == 0:
            return
        found = concerns(self.watches, self.alias)
        self.guarded(lambda: self.gather(found, count))
        self.fall(found)
        log(found, self.alias, f"{self.table._meta.label} {CAUSES[self.statement.write.verb]}")

    def read_old(self) -> None:
        """Read rows where the condition says which; nothing where what it pins is enough, or there are too many."""
        write, arguments = self.statement.write, self.statement.arguments
        if not (self.reads and write.plain and arguments is not None and needs_rows(self.watches)):
            return
        if all(self.is_pinned(watch) for watch in self.watches):
            return
        names = key_columns(self.table)
        columns = tuple(dict.fromkeys((*names, *columns_for(self.watches))))
        chosen = Chosen(write.where, arguments[write.before :])
        rows = select(self.alias, self.table, columns, chosen, verb=write.verb, most=MOST_ROWS + 1)
        if len(rows) <= MOST_ROWS:
            self.old = {tuple(row[name] for name in names): row for row in rows}
            self.whole = instances_for(self.watches, self.alias, self.table, self.old)

    def gather(self, found: Sequence[Concern], count: int) -> None:
        """Gather the scopes of the rows, if they are known to be all that it wrote; else what it pins, or all."""
        pairs = self.pairs(count)
        is_update = self.statement.write.verb == "UPDATE"
        whole = instances_for(self.watches, self.alias, self.table, self.old if self.old and is_update else ())
        for concern in found:
            if pairs is not None and concern.watch.decide is None:
                for pair in pairs:
                    concern.add_pair(*pair)
            elif pairs is not None and self.old is not None:
                concern.add_instances([*self.whole.values(), *whole.values()])
            elif self.is_pinned(concern.watch):
                concern.add_record(tuple(self.pinned[column] for column in concern.watch.keys))
            else:
                concern.add_every()

    def pairs(self, count: int) -> list[Pair] | None:
        """Give the rows before and after; None where others may have been written, too.

        The rows that were read are locked, so the statement writes them all: as many are no others.
        """
        if self.statement.write.verb == "INSERT":
            rows = None if self.statement.write.overwrites else inserted(self.statement, columns_for(self.watches))
            return None if rows is None else [Pair(None, row) for row in rows]
        if self.old is None or len(self.old) != count:
            return None
        if self.statement.write.verb == "DELETE":
            return [Pair(row, None) for row in self.old.values()]
        new = self.new_rows(self.old)
        return None if new is None else [Pair(row, new.get(key)) for key, row in self.old.items()]

    def new_rows(self, old: dict[Key, Row]) -> dict[Key, Row] | None:
        """Give the rows after an UPDATE; None where it changed the keys by which they could be found."""
        columns = columns_for(self.watches)
        if self.written is None or set(key_columns(self.table)) & self.written:
            return None
        if not set(columns) & with_generated(self.table, self.written):
            return old
        return rows_by_key(self.alias, self.table, columns, old)

    def is_pinned(self, watch: Watch) -> bool:
        """Tell whether the statement itself says which scopes its rows are in, and stay in."""
        if watch.decide is not None or self.statement.write.verb == "INSERT" or self.written is None:
            return False
        return set(watch.keys) <= self.pinned.keys() and not watch.is_moved_by(self.written)

    @cached_property
    def pinned(self) -> Row:
        """Give the columns that the condition holds equal to an argument, with values that are sure."""
        write, arguments = self.statement.write, self.statement.arguments
        names = names_by_column(self.table)
        found = {}
        for column, index in write.pins if arguments is not None else ():
            if column in names:
                name = names[column]
                value = as_value(self.table, name, (arguments or ())[write.before + index])
                if value is not None:
                    found[name] = value
        return found


CAUSES = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted", "OTHER": "written"}


def as_value(table: type[Model], column: str, argument: Any) -> Any:
    """Give the value of an argument as the column has it; None for one that is not sure."""
    field = field_of(table, column)
    value = field.to_python(argument)
    return value if is_kept(field, value) else None


def written_by(statement: Statement) -> set[str] | None:
    """Give the columns (attnames) that an UPDATE sets; none for others, None where that is not known."""
    if statement.write.verb != "UPDATE":
        return set()
    names = names_by_column(statement.table)
    if statement.write.written is None or not set(statement.write.written) <= set(names):
        return None
    return {names[column] for column in statement.write.written}


def inserted(statement: Statement, columns: Sequence[str]) -> list[Row] | None:
    """Give the rows that an INSERT makes, from its arguments; None where they do not say."""
    filled = [*rows_inserted(statement)]
    if not filled or any(not set(columns) <= row.keys() for row in filled):
        return None
    return filled


def rows_inserted(statement: Statement) -> Iterator[Row]:
    """Read the arguments of an INSERT row by row; of each row the columns whose values are sure."""
    write, arguments = statement.write, statement.arguments
    if arguments is None or write.layout is None or not write.written:
        return
    width = len(write.written)
    if write.layout == "rows":
        rows: list[Sequence[Any]] = [arguments[at : at + width] for at in range(0, len(arguments), width)]
    else:
        rows = list(zip(*arguments, strict=True))
    names = names_by_column(statement.table)
    for row in rows:
        known = {names[column]: value for column, value in zip(write.written, row, strict=True) if column in names}
        sure = {name: as_value(statement.table, name, value) for name, value in known.items()}
        yield {name: value for name, value in sure.items() if value is not None or known[name] is None}
