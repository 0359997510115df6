"""Real SQLite as a function: a content and a statement give a result and the next content, remembered."""

import sqlite3
from functools import cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.sqlite3._functions import (  # type: ignore[import-untyped]
    register as register_functions,
)
from django.db.backends.sqlite3.base import DatabaseWrapper

from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from tests.models import Paint

MODELS = (StatisticEntry, StatisticInvalidation, StatisticScope, Paint)
NAMES = {model: model._meta.db_table for model in MODELS}
WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})


DEFAULTS: dict[str, Any] = {
    "ATOMIC_REQUESTS": False,
    "AUTOCOMMIT": True,
    "CONN_MAX_AGE": 0,
    "CONN_HEALTH_CHECKS": False,
    "TEST": {},
    "ENGINE": "django.db.backends.sqlite3",
    "USER": "",
    "PASSWORD": "",
    "HOST": "",
    "PORT": "",
}


class Rows(NamedTuple):
    """What a cursor has after a statement."""

    rows: tuple[tuple[Any, ...], ...]
    touched: int
    last_id: int | None
    columns: tuple[str, ...]


class Stored(NamedTuple):
    """What the row of an entry says of its capture."""

    generation: int
    computed_at: str


def empty_tables() -> bytes:
    """Make the tables as Django does, and give the file."""
    wrapper = DatabaseWrapper(DEFAULTS | {"NAME": ":memory:", "OPTIONS": {}, "TIME_ZONE": None}, "empty")
    connections["empty"] = wrapper
    with wrapper.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    image: bytes = wrapper.connection.serialize()
    wrapper.connection.close()  # Django's own `close` leaves a database in memory open
    del connections["empty"]
    return image


class Contents:
    """Every content that the database ever had, by number; number 0 has empty tables."""

    def __init__(self) -> None:
        """Begin with one content."""
        self.images: list[bytes] = []
        self.numbers: dict[object, int] = {}
        self.results: dict[tuple[int, str, tuple[Any, ...]], tuple[Rows | sqlite3.Error, int]] = {}
        self.connection = sqlite3.connect(":memory:", isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES)
        register_functions(self.connection)
        self.load(empty_tables())
        self.number()

    def load(self, image: bytes) -> None:
        """Make the connection hold a content."""
        self.connection.deserialize(image)

    def number(self) -> int:
        """Give the number of the content that the connection holds."""
        names = (*NAMES.values(), "sqlite_sequence")  # the next ids are part of what there is
        dump = tuple(tuple(self.connection.execute(f"SELECT * FROM {name} ORDER BY 1")) for name in names)  # noqa: S608
        if dump not in self.numbers:
            self.numbers[dump] = len(self.images)
            self.images.append(self.connection.serialize())
        return self.numbers[dump]

    def run(self, content: int, sql: str, params: tuple[Any, ...]) -> tuple[Rows | sqlite3.Error, int]:
        """Run one statement on a content; give its result and the content after it."""
        key = (content, sql, params)
        if key not in self.results:
            self.load(self.images[content])
            self.results[key] = self.execute(sql, params), self.number() if is_write(sql) else content
        return self.results[key]

    def execute(self, sql: str, params: tuple[Any, ...]) -> Rows | sqlite3.Error:
        """Run one statement on what the connection holds."""
        try:
            cursor = self.connection.execute(sql, params)
        except sqlite3.Error as error:
            return error
        columns = tuple(column[0] for column in cursor.description or ())
        return Rows(tuple(cursor.fetchall()), cursor.rowcount, cursor.lastrowid, columns)

    def changes(self, content: int) -> frozenset[int]:
        """Give the numbers of the changes that a content holds."""
        found, _ = self.run(content, f"SELECT litres FROM {NAMES[Paint]}", ())  # noqa: S608
        return frozenset(number for (number,) in rows_of(found))

    def entries(self, content: int) -> dict[int, Stored]:
        """Give the capture of each stored entry."""
        sql = f"SELECT id, generation, computed_at FROM {NAMES[StatisticEntry]} WHERE payload IS NOT NULL"  # noqa: S608
        found, _ = self.run(content, sql, ())
        return {row[0]: Stored(row[1], str(row[2])) for row in rows_of(found)}


def forget() -> None:
    """Forget every content, if there is any."""
    if contents.cache_info().currsize:
        contents().connection.close()
    contents.cache_clear()


@cache
def contents() -> Contents:
    """Give the one collection of contents; made at first use."""
    return Contents()


def rows_of(found: Rows | sqlite3.Error) -> tuple[tuple[Any, ...], ...]:
    """Give the rows of a statement that cannot fail."""
    assert isinstance(found, Rows), found
    return found.rows


def is_write(sql: str) -> bool:
    """Tell whether a statement takes SQLite's write lock."""
    return sql.split(None, 1)[0].upper() in WRITES
