"""Real SQLite as a function: a content and a statement give a result and the next content, remembered."""

import re
import sqlite3
from functools import cache
from itertools import count
from typing import Any, NamedTuple

from django.db import connections
from django.db.backends.sqlite3._functions import (  # type: ignore[import-untyped]
    register as register_functions,
)
from django.db.backends.sqlite3.base import DatabaseWrapper

from statistics_cache.models import (
    StatisticChange,
    StatisticEntry,
    StatisticIdentity,
    StatisticInvalidation,
    StatisticScope,
)
from tests.models import Item, Order, Paint, Region

MODELS = (
    StatisticEntry,
    StatisticInvalidation,
    StatisticScope,
    Paint,
    Item,
    Order,
    Region,
    StatisticIdentity,
    StatisticChange,
)
NAMES = {model: model._meta.db_table for model in MODELS}
NUMBER = 4711  # which database it is
WRITES = frozenset({"INSERT", "UPDATE", "DELETE"})


# What the statistics of moved rows tell: a commit that changes none of it concerns none of them.
RED_REGION = f"JOIN {NAMES[Region]} r ON r.id = o.region_id WHERE r.name = 'red'"
TOLD = (
    f"SELECT 'paint', id, litres FROM {NAMES[Paint]} WHERE color = 'red'",  # noqa: S608
    f"SELECT 'item', i.id, i.amount FROM {NAMES[Item]} i JOIN {NAMES[Order]} o ON o.id = i.order_id {RED_REGION}",  # noqa: S608
)

NOON = "2026-03-01 12:00:00.000"

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


RowKey = tuple[str, int]  # a table and a primary key
Changed = tuple[tuple[RowKey, tuple[Any, ...] | None], ...]  # rows that a transaction wrote, sorted; None: deleted


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
    wrapper.connection.execute(f"INSERT INTO {NAMES[StatisticIdentity]} VALUES (1, {NUMBER})")  # noqa: S608
    image: bytes = wrapper.connection.serialize()
    wrapper.connection.close()  # Django's own `close` leaves a database in memory open
    del connections["empty"]
    return image


class Contents:
    """Every content that the database ever had, by number; number 0 has empty tables."""

    def __init__(self) -> None:
        """Begin with one content."""
        self.images: list[bytes] = []
        self.dumps: list[tuple[tuple[tuple[Any, ...], ...], ...]] = []
        self.merged: dict[tuple[int, Changed], int] = {}
        self.numbers: dict[object, int] = {}
        self.results: dict[tuple[int, str, tuple[Any, ...]], tuple[Rows | sqlite3.Error, int]] = {}
        self.connection = sqlite3.connect(":memory:", isolation_level=None, detect_types=sqlite3.PARSE_DECLTYPES)
        register_functions(self.connection)
        self.connection.create_function("strftime", -1, lambda *_: NOON, deterministic=True)  # its clock stands still
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
            self.dumps.append(dump)
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

    def rows(self, content: int) -> dict[RowKey, tuple[Any, ...]]:
        """Give every row of a content."""
        tables = zip(NAMES.values(), self.dumps[content], strict=False)
        return {(name, row[0]): row for name, rows in tables for row in rows}

    def changed(self, before: int, after: int) -> Changed:
        """Give the rows in which two contents differ, as the second has them."""
        if before == after:
            return ()
        old, new = self.rows(before), self.rows(after)
        keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return tuple((key, new.get(key)) for key in keys)

    def with_rows(self, content: int, changed: Changed) -> int:
        """Give the content with rows put in and taken out."""
        key = (content, changed)
        if key not in self.merged:
            self.load(self.images[content])
            for (table, row_id), row in changed:
                self.connection.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))  # noqa: S608
                if row is not None:
                    marks = ", ".join("?" * len(row))
                    self.connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)  # noqa: S608
            self.merged[key] = self.number()
        return self.merged[key]

    def told(self, content: int) -> frozenset[tuple[Any, ...]]:
        """Give what the statistics of moved rows tell of a content."""
        return frozenset(row for sql in TOLD for row in rows_of(self.run(content, sql, ())[0]))

    def changes(self, content: int) -> frozenset[int]:
        """Give the numbers of the changes that a content holds."""
        found, _ = self.run(content, f"SELECT litres FROM {NAMES[Paint]} WHERE litres > 0", ())  # noqa: S608
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


def with_ids(sql: str, last_id: int) -> tuple[str, int]:
    """Give an INSERT with ids of its own after the last, and the last of those."""
    ids = count(last_id + 1)
    columns, values = sql.split(" VALUES ", 1)
    values, rows = re.subn(r"\(\?", lambda _: f"({next(ids)}, ?", values)
    return columns.replace("(", '("id", ', 1) + " VALUES " + values, last_id + rows


def is_write(sql: str) -> bool:
    """Tell whether a statement takes SQLite's write lock."""
    return sql.split(None, 1)[0].upper() in WRITES
