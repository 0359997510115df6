"""What one UPDATE of very many rows costs, beside the same of a model that nobody watches."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, NamedTuple

from django.db import connections, router
from django.db.models import F
from rich.table import Table

from statistics_cache.models import StatisticInvalidation, StatisticScope

from .lines import KEY, refill
from .measuring import judged

SCOPES = 100  # in which the rows are
SHARES = {"sqlite": 10, "postgresql": 1}  # SQLite calls a trigger for each row: a part of them shows what that costs
ROUNDS = 4  # of each, in turns; the least time is shown
AIM = 1.15  # times what it takes where nobody watches, by triggers on PostgreSQL
FILL = """
    INSERT INTO {} (order_id, color, amount)
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %s)
    SELECT %s, 'c' || (i %% %s), 1 FROM n
"""
FUNCTIONS = """
    SELECT count(DISTINCT tgfoid) FROM pg_trigger WHERE tgrelid = %s::regclass AND starts_with(tgname, 'statistics_')
"""


class Found(NamedTuple):
    """What the UPDATE of one model took, and left behind: log rows, on SQLite sums that moved."""

    times: list[float]
    logged: int
    functions: int


def tabulate(title: str, models: Mapping[str, Any], rows: int) -> Table:
    """Measure models in turns, the first of which nobody watches."""
    connection = connections[router.db_for_write(next(iter(models.values())))]
    rows //= SHARES[connection.vendor]
    table = Table("watched by", "time", "ratio", "logged", "functions", box=None, title_justify="left")
    table.title = f"UPDATE of {rows:,} rows in {SCOPES} scopes on {title}"
    found = measure(connection, models, rows)
    without = min(next(iter(found.values())).times)
    for name, each in found.items():
        aim = AIM if each.functions else None
        table.add_row(name, f"{min(each.times):.3f} s", judged(min(each.times) / without, aim), *map(str, each[1:]))
    return table


def measure(connection: Any, models: Mapping[str, Any], rows: int) -> dict[str, Found]:
    """Fill the tables, and update all rows of each in turns."""
    found = {name: Found([], 0, functions_of(connection, model)) for name, model in models.items()}
    for model in models.values():
        fill(connection, model, rows)
    for _ in range(ROUNDS):
        for name, model in models.items():
            settle(connection, model)
            found[name].times.append(timed(model))
            found[name] = found[name]._replace(logged=written())
    for model in models.values():
        refill(model, 0)
        settle(connection, model)
    return found


def fill(connection: Any, model: Any, rows: int) -> None:
    """Have so many rows."""
    refill(model, 0)
    execute(connection, FILL.format(model._meta.db_table), rows, KEY, SCOPES)


def settle(connection: Any, model: Any) -> None:
    """Leave nothing for the database to do meanwhile, and nothing in the log."""
    for table in (StatisticInvalidation, StatisticScope):
        table.objects.all().delete()
    if connection.vendor == "postgresql":
        execute(connection, f"VACUUM ANALYZE {model._meta.db_table}")
        execute(connection, "CHECKPOINT")


def timed(model: Any) -> float:
    """Update all rows, and give the seconds."""
    began = perf_counter()
    model.objects.update(amount=F("amount") + 1)
    return perf_counter() - began


def written() -> int:
    """Give how many changes were logged, or moved sums."""
    return StatisticInvalidation.objects.count() or StatisticScope.objects.count()


def functions_of(connection: Any, model: Any) -> int:
    """Give how many functions of ours a table's triggers call."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(FUNCTIONS, [model._meta.db_table])
        return int(cursor.fetchone()[0])


def execute(connection: Any, sql: str, *values: Any) -> None:
    """Run a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
