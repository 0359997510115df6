"""One save: the row as it was when its statement came, and as the database has it afterwards."""

from collections.abc import Collection, Sequence
from typing import Any
from weakref import ref

from django.db import DatabaseError
from django.db.models import Model

from .concerning import Concern, columns_for, concerns, needs_rows
from .selecting import Key, field_of, instances, key_of, rows_by_key
from .trusting import are_kept
from .watching import Row, Watch, fallen


class Saving:
    """The write of one table's row of an instance, for all who watch the table."""

    def __init__(self, alias: str, table: type[Model], instance: Any, watches: Sequence[Watch]) -> None:
        """Read nothing yet: the row may be locked only when its statement comes."""
        self.alias, self.table, self.watches = alias, table, watches
        self.reference = ref(instance)  # a save that raised leaves this behind, and is no reason to keep the instance
        self.columns = columns_for(watches)
        self.has_run = False
        self.error: Exception | None = None
        self.old: Row | None = None
        self.whole: dict[type[Model], Any] = {}

    @property
    def instance(self) -> Any:
        """Give the instance, which whoever saves it holds."""
        return self.reference()

    def before(self) -> None:
        """Read the row that the statement is about to write, under that statement's own lock; once."""
        if self.has_run:
            return
        self.has_run = True
        try:
            self.read_old()
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001  (what fails in Python fails no write of the user's)
            self.error = error

    def read_old(self) -> None:
        """Read own columns, and whole rows for callables."""
        key = key_of(self.table, self.instance)
        if key is None or not needs_rows(self.watches):
            return
        self.old = rows_by_key(self.alias, self.table, self.columns, [key], verb="UPDATE").get(key)
        if self.old is not None:
            self.whole = self.instances_of(key)

    def instances_of(self, key: Key) -> dict[type[Model], Any]:
        """Read the row as each model whose callable asks for an instance."""
        asking = {watch.table for watch in self.watches if watch.decide}
        return {model: row for model in asking for row in instances(self.alias, model, [key]).values()}

    def after(self, created: bool, written: Collection[str] | None) -> list[Concern]:
        """Give what the write concerns; `written` are the names that it was limited to, if it was."""
        found = concerns([watch for watch in self.watches if watch.created or not created], self.alias)
        try:
            self.gather(found, written)
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001  (what fails in Python fails no write of the user's)
            self.fall(found, error)
        return found

    def fall(self, found: Sequence[Concern], error: Exception) -> None:
        """Let every scope fall."""
        for concern in found:
            concern.scopes |= fallen(concern.watch.declaration, error)

    def gather(self, found: Sequence[Concern], written: Collection[str] | None) -> None:
        """Gather the scopes of the row as it was and as it is."""
        if self.error is not None:
            self.fall(found, self.error)
            return
        key = key_of(self.table, self.instance)
        new = self.new_row(key, written) if any(concern.watch.columns for concern in found) else {}
        whole = self.instances_of(key) if key and any(concern.watch.decide for concern in found) else {}
        for concern in found:
            if concern.watch.decide is not None:
                for rows in (self.whole, whole):
                    if (row := rows.get(concern.watch.table)) is not None:
                        concern.add_instance(row)
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
