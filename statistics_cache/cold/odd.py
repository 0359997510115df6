"""Reading log rows whatever they hold, and telling those that no writer of ours has written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import DataError, IntegrityError, connections

from statistics_cache.declaring.declaration import MAX_NAME
from statistics_cache.declaring.keys import EVERY_SCOPE, MAX_LENGTH, UNCHECKED_SCOPE
from statistics_cache.fields import read_moment, timely
from statistics_cache.models import StatisticInvalidation

from .history import Logged

# What Python and databases raise of a row that cannot be: never of one that is out.
REFUSALS = (DataError, IntegrityError, OverflowError, TypeError, ValueError)
MAX_JUMP = 2**40  # far above any that was ever written, and so far below a bigint that a sum of millions is one


class Found(NamedTuple):
    """A log row, and its `via`. Its time is None where that is none."""

    row: Logged
    via: str | None


def read(alias: str, chosen: str, arguments: Sequence[str], most: int) -> list[Found]:
    """Read the oldest log rows that some SQL chooses, so many at most."""
    connection = connections[alias]
    field = StatisticInvalidation._meta.get_field("created_at")
    table, column = map(connection.ops.quote_name, (StatisticInvalidation._meta.db_table, "created_at"))
    columns = f"id, statistic, scope, jump, cause, {timely(connection, column)}, via"
    limit = connection.ops.limit_offset_sql(0, most)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {table} WHERE {chosen} ORDER BY id {limit}", list(arguments))  # noqa: S608
        rows = cursor.fetchall()
    return [
        Found(Logged(key, statistic, scope, jump, cause, read_moment(connection, field, at)), via)  # type: ignore[arg-type]
        for key, statistic, scope, jump, cause, at, via in rows
    ]


def oldest(alias: str, most: int) -> list[Logged]:
    """Give the oldest log rows that are no unchecked ones; what has no time is of now."""
    rows = [found.row for found in read(alias, "scope <> %s", [UNCHECKED_SCOPE], most)]
    now = datetime.now(UTC)
    return [row if row.created_at else row._replace(created_at=now) for row in rows]


def check(rows: Sequence[Logged]) -> None:
    """Raise ValueError where a row is none that can be folded."""
    for row in rows:
        if not (isinstance(row.jump, int) and 1 <= row.jump <= MAX_JUMP):
            raise ValueError("its jump is none")
        if not (names_statistic(row) and is_text(row.scope, MAX_LENGTH)):
            raise ValueError("its statistic or its scope is none")


def names_statistic(row: Logged) -> bool:
    """Tell whether a row may be of a statistic."""
    return is_text(row.statistic, MAX_NAME)


def is_text(value: Any, most: int) -> bool:
    """Tell whether a value is a text of so many characters at most."""
    return isinstance(value, str) and len(value) <= most


def wider(row: Logged, jump: int) -> Logged:
    """Give what moves in the place of a row that cannot be folded."""
    return row._replace(scope=EVERY_SCOPE, jump=jump, cause="a log row that was odd", created_at=datetime.now(UTC))
