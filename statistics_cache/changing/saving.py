"""One save: the row as it was when its statement came, and as the database has it afterwards."""

from collections.abc import Collection, Sequence
from typing import Any
from weakref import ref

from django.db.models import Model

from .concerning import Concern, Guarded, columns_for, concerns, needs_rows
from .selecting import Key, field_of, instances_for, key_of, rows_by_key
from .trusting import are_kept
from .watching import Row, Watch


class Saving(Guarded):
    """The write of one table's row of an instance, for all who watch the table."""

    def __init__(self, alias: str, table: type[Model], instance: Any, watches: Sequence[Watch]) -> None:
        """Read nothing yet: the row may be locked only when its statement comes."""
        super().__init__()
        self.alias, self.table, self.watches = alias, table, watches
        self.reference = ref(instance)  # a save that raised leaves this behind, and is no reason to keep the instance
        self.columns = columns_for(watches)
        self.has_run = False
        self.old: Row | None = None
        self.whole: dict[Key, Any] = {}

    @property
    def instance(self) -> Any:
        """Give the instance, which whoever saves it holds."""
        return self.reference()

    def before(self) -> None:
        """Read the row that the statement is about to write, under that statement's own lock; once."""
        if not self.has_run:
            self.has_run = True
            self.guarded(self.read_old)

    def read_old(self) -> None:
        """Read own columns, and whole rows for callables."""
        key = key_of(self.table, self.instance)
        if key is None or not needs_rows(self.watches):
            return
        self.old = rows_by_key(self.alias, self.table, self.columns, [key], verb="UPDATE").get(key)
        if self.old is not None:
            self.whole = instances_for(self.watches, self.alias, self.table, [key])

    def after(self, created: bool, written: Collection[str] | None) -> list[Concern]:
        """Give what the write concerns; `written` are the names that it was limited to, if it was."""
        found = concerns([watch for watch in self.watches if watch.created or not created], self.alias)
        self.guarded(lambda: self.gather(found, written))
        self.fall(found)
        return found

    def gather(self, found: Sequence[Concern], written: Collection[str] | None) -> None:
        """Gather the scopes of the row as it was and as it is."""
        key = key_of(self.table, self.instance)
        watches = [concern.watch for concern in found]
        new = self.new_row(key, written) if any(watch.columns for watch in watches) else {}
        whole = instances_for(watches, self.alias, self.table, [key] if key else [])
        for concern in found:
            if concern.watch.decide is not None:
                concern.add_instances([*self.whole.values(), *whole.values()])
            elif new is None:
                concern.add_every()
            else:
                concern.add_pair(self.old, new)

    def new_row(self, key: Key | None, written: Collection[str] | None) -> Row | None:
        """Give the row's columns as the database has them: from memory only what every database keeps as it is."""
        row: dict[str, Any] = {}
        for column in self.columns:
            if self.is_written(column, written):
                row[column] = vars(self.instance).get(column, self)
            elif self.old is not None and not field_of(self.table, column).generated:
                row[column] = self.old[column]
            else:
                row[column] = self  # which no column keeps
        if are_kept(self.table, row.items()):
            return row
        return rows_by_key(self.alias, self.table, self.columns, [key]).get(key) if key else None

    def is_written(self, column: str, written: Collection[str] | None) -> bool:
        """Tell whether a save that is limited to some names writes a column."""
        field = field_of(self.table, column)
        return not field.generated and (written is None or field.name in written or column in written)

    def left(self, found: Sequence[Concern]) -> None:
        """Add the scopes of the row as it was before a save that raised."""
        for concern in found:
            if self.old is not None and concern.watch.decide is None:
                concern.add(self.old)
            elif self.has_run and concern.watch.decide is not None:
                concern.add_every()
