"""A Django connection to SQLite whose every statement, and commit, is a step that the world carries out."""

from collections.abc import Iterator
from typing import Any, cast

from django.db.backends.sqlite3.base import DatabaseWrapper, SQLiteCursorWrapper

from .database import DEFAULTS, Rows
from .operations import perform
from .world import OVERLAPPING


class StepCursor:
    """Has what the world said of the last statement."""

    def __init__(self) -> None:
        """Begin without a statement."""
        self.found = Rows((), -1, None, ())
        self.at = 0

    def execute(self, sql: str, params: Any = None) -> "StepCursor":
        """Run one statement."""
        if params is not None:
            sql = SQLiteCursorWrapper.convert_query(cast("SQLiteCursorWrapper", self), sql)
        given = perform("sql", sql, tuple(params or ()))
        self.found, self.at = given if given is not None else Rows((), -1, None, ()), 0
        return self

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Give the next rows."""
        rows = list(self.found.rows[self.at : self.at + size])
        self.at += len(rows)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Give all rows that are left."""
        return self.fetchmany(len(self.found.rows))

    def fetchone(self) -> tuple[Any, ...] | None:
        """Give the next row."""
        return next(iter(self.fetchmany()), None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Go through all rows."""
        return iter(self.fetchall())

    @property
    def rowcount(self) -> int:
        """Give the number of rows touched."""
        return self.found.touched

    @property
    def lastrowid(self) -> int | None:
        """Give the id of the last row inserted."""
        return self.found.last_id

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Name the columns."""
        return [(name, *[None] * 6) for name in self.found.columns]

    def close(self) -> None:
        """Have nothing to close."""


class StepConnection:
    """What Django takes for the database's own connection."""

    isolation_level: str | None = None

    def getlimit(self, _: int) -> int:
        """Give the number of arguments that a statement may have."""
        return 32_766

    def commit(self) -> None:
        """Commit."""
        perform("commit")

    def rollback(self) -> None:
        """Roll back."""
        perform("rollback")

    def close(self) -> None:
        """Have nothing to close."""


class StepDatabase(DatabaseWrapper):
    """SQLite as Django drives it; `mode` is how transactions begin: IMMEDIATE, or DEFERRED with a fixed snapshot.

    Or as PostgreSQL in READ COMMITTED, where they overlap and SELECT may lock rows.
    """

    def __init__(self, mode: str) -> None:
        """Be the alias `default`."""
        super().__init__(DEFAULTS | {"NAME": "steps", "OPTIONS": {}, "TIME_ZONE": None}, "default")
        self.mode = mode
        self.transaction_mode = "DEFERRED" if mode == "DEFERRED" else "IMMEDIATE"
        features: Any = self.features
        features.has_select_for_update = features.has_select_for_no_key_update = mode == OVERLAPPING

    def _set_autocommit(self, autocommit: bool) -> None:
        """Begin at once where the user's own transactions begin."""
        if not autocommit:
            perform("sql", f"BEGIN {self.mode}", ())

    def _start_transaction_under_autocommit(self) -> None:
        """Begin as the mode says."""
        self.cursor().execute(f"BEGIN {self.mode}")

    def get_new_connection(self, conn_params: Any) -> Any:  # noqa: ARG002  (as Django calls it)
        """Open nothing."""
        return StepConnection()

    def get_connection_params(self) -> dict[str, Any]:
        """Need nothing."""
        return {}

    def init_connection_state(self) -> None:
        """Ask nothing."""

    def create_cursor(self, name: str | None = None) -> Any:  # noqa: ARG002  (as Django calls it)
        """Give a cursor."""
        return StepCursor()
