"""What each test of triggers runs on: a database with the triggers of what it declares, and without them afterwards."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from statistics_cache.cold.changelog import blocked
from statistics_cache.models import StatisticInvalidation, StatisticScope
from statistics_cache.triggering import installing
from tests.routers import TestRouter

Logged = Callable[[], dict[tuple[str, str], str]]


@pytest.fixture(params=["default", "postgres"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test on SQLite and on PostgreSQL; remove every trigger at the end."""
    alias: str = request.param
    TestRouter.database = alias
    yield alias
    installing.remove(alias)
    blocked(alias).delete()
    installing._ready.clear()
    TestRouter.database = "default"


def run(alias: str, *several: str) -> None:
    """Run SQL as another program does: past Django's cursor."""
    connections[alias].ensure_connection()
    cursor = connections[alias].connection.cursor()
    for sql in several:
        cursor.execute(sql)


def empty(alias: str) -> None:
    """Forget what was logged."""
    StatisticInvalidation.objects.using(alias).all().delete()
    StatisticScope.objects.using(alias).all().delete()


def logged(alias: str) -> dict[tuple[str, str], str]:
    """Give what was logged, or moved, since: by statistic and scope, the cause."""
    rows: Any = StatisticInvalidation.objects.using(alias).values_list("statistic", "scope", "cause")
    sums: Any = StatisticScope.objects.using(alias).values_list("statistic", "scope", "last_cause")
    return {(statistic, scope): cause for statistic, scope, cause in (*rows, *sums)}
