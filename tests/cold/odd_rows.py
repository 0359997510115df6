"""Log rows that no writer of ours writes, and tables that refuse what the log holds; on any database."""

from collections.abc import Callable
from typing import Any

from django.db import connections

from statistics_cache.models import StatisticInvalidation, StatisticScope

ODD = "an odd cause"
LOG, SUMS = (model._meta.db_table for model in (StatisticInvalidation, StatisticScope))
NO_TIME = {"sqlite": "'x'", "postgresql": "'infinity'", "mysql": "'0000-00-00'"}
# A table that refuses one cause.
REFUSING = {
    "sqlite": (
        f"CREATE TRIGGER odd BEFORE INSERT ON {SUMS} WHEN NEW.last_cause = '{ODD}' BEGIN SELECT RAISE(ABORT, ''); END"
    ),
    "postgresql": f"ALTER TABLE {SUMS} ADD CONSTRAINT odd CHECK (last_cause <> '{ODD}')",
    "mysql": f"ALTER TABLE {SUMS} ADD CONSTRAINT odd CHECK (last_cause <> '{ODD}')",
}
TAKING = {"sqlite": "DROP TRIGGER odd", "postgresql": f"ALTER TABLE {SUMS} DROP CONSTRAINT odd"}


def run(alias: str, sql: str, *arguments: Any) -> None:
    """Do what another program does."""
    with connections[alias].cursor() as cursor:
        cursor.execute(sql, arguments or None)


def insert(
    alias: str, statistic: str, scope: str, jump: Any = 1, cause: str = "", at: str = "CURRENT_TIMESTAMP"
) -> None:
    """Write a log row."""
    into = f"INSERT INTO {LOG} (statistic, scope, jump, cause, created_at)"
    run(alias, f"{into} VALUES (%s, %s, %s, %s, {at})", statistic, scope, jump, cause)


def huge_jumps(alias: str, statistic: str, scope: str) -> None:
    """Write jumps whose sum is no bigint."""
    for _ in range(3):
        insert(alias, statistic, scope, 2**62)


def a_refused_cause(alias: str, statistic: str, scope: str) -> None:
    """Write a cause that the table of sums refuses."""
    run(alias, REFUSING[connections[alias].vendor])
    insert(alias, statistic, scope, cause=ODD)


def take_again(alias: str) -> None:
    """Let the table take it."""
    run(alias, TAKING.get(connections[alias].vendor, TAKING["postgresql"]))


def insert_without_time(alias: str, statistic: str, scope: str) -> None:
    """Write a row whose time is none."""
    if connections[alias].vendor == "mysql":
        run(alias, "SET sql_mode = ''")
    insert(alias, statistic, scope, at=NO_TIME[connections[alias].vendor])


Writing = Callable[[str, str, str], None]
