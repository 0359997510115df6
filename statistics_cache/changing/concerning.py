"""What a write concerns: the scopes of the rows that it left and entered, gathered for all who watch them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import DatabaseError

from statistics_cache.declaring.keys import EVERY_SCOPE

from .checking import scopes_near
from .watching import Row, Watch, fallen, scopes_of_instance


class Concern:
    """The scopes of one watch that a write concerns, and the keys of those that are read after its commit."""

    def __init__(self, watch: Watch, alias: str) -> None:
        """Begin with nothing."""
        self.watch, self.alias = watch, alias
        self.scopes: set[str] = set()
        self.records: set[tuple[Any, ...]] = set()
        self.seen: set[tuple[Any, ...]] = set()

    def add_every(self) -> None:
        """Add every scope: what cannot be known falls wider."""
        self.scopes.add(EVERY_SCOPE)

    def add(self, row: Row) -> None:
        """Add the scopes of a row, whatever its values are."""
        try:
            self.add_record(tuple(row[column] for column in self.watch.keys))
        except Exception as error:  # noqa: BLE001  (a value of the user's own type: it fails no write of theirs)
            self.scopes |= fallen(self.watch.declaration, error)

    def add_record(self, record: tuple[Any, ...]) -> None:
        """Add the scopes of a row by the values of the watch's keys, each once."""
        if self.watch.decide is not None or record in self.seen:
            return
        self.seen.add(record)
        if not self.watch.trails:
            self.add_every()
        elif self.watch.is_far and self.leads_on(record):
            self.records.add(record)
        else:
            self.scopes |= scopes_near(self.alias, self.watch, record)

    def leads_on(self, record: tuple[Any, ...]) -> bool:
        """Tell whether a row leads to others at all: one without an order is in the region None."""
        row = dict(zip(self.watch.keys, record, strict=True))
        return any(
            trail.hops and None not in (row[column] for column in trail.columns) for trail in self.watch.trails.values()
        )

    def add_instances(self, instances: Iterable[Any]) -> None:
        """Add the scopes that the source's callable names."""
        for instance in instances:
            self.scopes |= scopes_of_instance(self.watch, instance)

    def add_pair(self, old: Row | None, new: Row | None) -> None:
        """Add the scopes that a row left and entered, if it changed in anything that is of interest."""
        if old is not None and new is not None and self.watch.is_of_no_interest(old, new):
            return
        for row in (old, new):
            if row is not None:
                self.add(row)


class Guarded:
    """Work around a write of the user's, which nothing that fails in Python may fail."""

    def __init__(self) -> None:
        """Begin without an error."""
        self.error: Exception | None = None

    def guarded(self, work: Callable[[], object]) -> None:
        """Do work, unless some has failed before. Raises what the database raises."""
        try:
            if self.error is None:
                work()
        except DatabaseError:
            raise
        except Exception as error:  # noqa: BLE001  (every scope falls, and says so)
            self.error = error

    def fall(self, found: Iterable[Concern]) -> None:
        """Let every scope fall, if any work has failed."""
        if self.error is not None:
            for concern in found:
                concern.scopes |= fallen(concern.watch.declaration, self.error)


def columns_for(watches: Sequence[Watch]) -> tuple[str, ...]:
    """Give the columns that any of these watches asks for."""
    return tuple(dict.fromkeys(column for watch in watches for column in watch.columns))


def needs_rows(watches: Sequence[Watch]) -> bool:
    """Tell whether any of these watches asks for rows at all."""
    return any(watch.columns or watch.decide for watch in watches)


def concerns(watches: Iterable[Watch], alias: str) -> list[Concern]:
    """Begin to gather for each watch."""
    return [Concern(watch, alias) for watch in watches]
