"""The log and its sums: what a fold sends, what it leaves alone, and what a proof reads of the log."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils.timezone import now

from statistics_cache.cold import changelog
from statistics_cache.cold.changelog import sums_sql
from statistics_cache.cold.history import Logged
from statistics_cache.declaring.keys import UNCHECKED_SCOPE
from statistics_cache.models import StatisticInvalidation, StatisticScope
from tests.changing.meanwhile import closing, wait_for_lock
from tests.conftest import BACKENDS, Backend, Queries
from tests.jumps import record
from tests.samples import stock
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]
ON_EACH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)


def bases() -> dict[str, int]:
    """Give the sums by scope."""
    return dict(StatisticScope.objects.values_list("scope", "base"))


@ON_EACH
@pytest.mark.parametrize("scopes", [1, 1_000])
def test_a_fold_is_four_statements(scopes: int, backend: Backend, queries: Queries) -> None:
    """It reads rows, deletes them, adds to the sums and keeps causes, in one transaction, however many rows and scopes
    there are."""
    names = [f'color="{number}"' for number in range(scopes)]
    jumps = [record(backend.database, stock.name, names, "a test") for _ in range(1_000 // scopes)]
    with queries(4 + 2):
        assert len(changelog.fold(backend.database) or ()) == 1_000
    assert bases() == dict.fromkeys(names, sum(jumps))


@ON_EACH
def test_nothing_to_fold_is_one_statement(backend: Backend, queries: Queries) -> None:
    """An empty log begins no transaction: on SQLite that would keep writers waiting."""
    with queries(1):
        assert changelog.fold(backend.database) == []


@ON_EACH
def test_sums_are_exact(backend: Backend) -> None:
    """A sum that no float holds grows by exactly what was logged, row by row, fold by fold."""
    StatisticScope.objects.create(statistic=stock.name, scope="*", base=2**60 + 1)
    for _ in range(2):
        for jump in (1, 2):
            StatisticInvalidation.objects.create(statistic=stock.name, scope="*", jump=jump)
        changelog.fold(backend.database)
    assert bases() == {"*": 2**60 + 7}


@ON_EACH
def test_what_is_unchecked_is_not_folded(backend: Backend) -> None:
    """A row whose scopes nobody has read stays in the log as it is, and has no sum."""
    row = StatisticInvalidation.objects.create(statistic=stock.name, scope=UNCHECKED_SCOPE, jump=1, via="{}")
    jump = record(backend.database, stock.name, ["*"], "a test")
    assert len(changelog.fold(backend.database) or ()) == 1
    assert StatisticInvalidation.objects.get() == row
    assert bases() == {"*": jump}


@ON_EACH
def test_a_moment_before_which_all_was_cleared_survives_a_fold(backend: Backend) -> None:
    """Adding to a sum leaves alone what else its row says."""
    moment = now()
    changelog.clear_before(backend.database, stock.name, "", moment)
    jump = record(backend.database, stock.name, [""], "a test")
    changelog.fold(backend.database)
    assert (StatisticScope.objects.get().before, bases()) == (moment, {"": jump})


@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
@ON_POSTGRES
def test_folds_that_share_sums_take_turns(backend: Backend) -> None:
    """Two folds of the same scopes, logged in opposite order, lock their sums in one order: none is ended for it."""
    scopes = ["a", "m", "z"]

    def add(some: Sequence[str]) -> None:
        with transaction.atomic(using=backend.database):
            changelog.add_to_sums(backend.database, [Logged(0, stock.name, scope, 1, "", now()) for scope in some])

    add(scopes)
    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic(using=backend.database):
            StatisticScope.objects.filter(scope="m").update(base=1)  # until both wait
            adding = [threads.submit(closing, add, some) for some in (scopes, scopes[::-1])]
            for number in (1, 2):
                wait_for_lock(backend, number)
        for each in adding:
            each.result(PATIENCE)
    assert bases() == dict.fromkeys(scopes, 3)


@ON_POSTGRES
def test_the_log_is_summed_before_it_is_joined_to_the_sums(backend: Backend) -> None:
    """However many log rows a scope has, one row of it meets the sums."""
    for _ in range(50):
        record(backend.database, stock.name, ["*", 'color="red"'], "a test")
    sql = sums_sql(backend.database, "WHERE statistic IN (%s)")
    with connections[backend.database].cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", [stock.name] * 2)
        plan = cursor.fetchone()[0]
    joined = [node["Actual Rows"] for node in nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])]
    assert joined == [2]


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the nodes of a plan that append rows."""
    below = [found for each in plan.get("Plans", []) for found in nodes(each)]
    return [plan, *below] if plan["Node Type"] == "Append" else below
