"""What changed lately, and why: a fold keeps it for a day, and never much of it."""

from datetime import datetime, timedelta
from time import time

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from statistics_cache import upkeep
from statistics_cache.cold import changelog, history
from statistics_cache.cold import rows as cold
from statistics_cache.models import StatisticChange, StatisticScope
from tests.conftest import Backend
from tests.jumps import record
from tests.samples import stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

RED, BLUE = 'color="red"', 'color="blue"'


def kept(scope: str) -> dict[str, int]:
    """Give what is kept of a scope."""
    return dict(StatisticChange.objects.filter(scope=scope).values_list("cause", "number"))


def long_ago() -> datetime:
    """Give a moment before all."""
    return cold.time_for(0.0)


def test_a_fold_keeps_causes_and_counts(backend: Backend) -> None:
    """The five newest causes of a scope are kept, each with its number, and of the others how many there were."""
    for at in range(8):
        record(backend.database, stock.name, [RED], f"cause {at}")
    for _ in range(3):
        record(backend.database, stock.name, [RED, BLUE], "cause 7")
    upkeep.fold(backend.database)
    assert kept(RED) == {"cause 7": 4, "cause 6": 1, "cause 5": 1, "cause 4": 1, "cause 3": 1, "": 3}
    assert kept(BLUE) == {"cause 7": 3}


def test_a_fold_keeps_so_many_rows(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more scopes than that the newest are kept, and a fold takes as many statements however many rows it has."""
    monkeypatch.setattr(history, "KEPT_AT_ONCE", 3)
    numbers = []
    for scopes in (1, 20):
        for at in range(scopes):
            record(backend.database, stock.name, [f"n={at}"], "made")
        StatisticChange.objects.all().delete()
        with CaptureQueriesContext(connections[backend.database]) as captured:
            changelog.fold(backend.database)
        numbers.append(len(captured))
    assert numbers[0] == numbers[1]
    assert set(StatisticChange.objects.values_list("scope", flat=True)) == {"n=19", "n=18", "n=17"}


def test_what_a_fold_keeps_goes_with_it(backend: Backend) -> None:
    """A fold that is rolled back leaves nothing."""
    record(backend.database, stock.name, [RED], "made")
    with transaction.atomic(using=backend.database):
        changelog.fold(backend.database)
        transaction.set_rollback(True, using=backend.database)
    assert kept(RED) == {}


def test_it_is_kept_for_a_day(backend: Backend) -> None:
    """The tick deletes what is older than a day, and nothing else."""
    record(backend.database, stock.name, [RED, BLUE], "made")
    upkeep.fold(backend.database)
    StatisticChange.objects.filter(scope=RED).update(changed_at=cold.time_for(time()) - timedelta(hours=25))
    upkeep.tick([stock.declaration])
    assert (kept(RED), kept(BLUE)) == ({}, {"made": 1})


def test_it_is_never_more_than_so_much(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more rows than that the newest stay."""
    monkeypatch.setattr(history, "MOST", 2)
    for at in range(5):
        record(backend.database, stock.name, [f"n={at}"], "made")
        changelog.fold(backend.database)
    assert history.forget(backend.database, long_ago()) == 3
    assert list(StatisticChange.objects.order_by("pk").values_list("scope", flat=True)) == ["n=3", "n=4"]


def test_what_changed_is_told_from_all_that_is_known(backend: Backend) -> None:
    """What is in the log, what folds have kept, and what a sum alone knows (SQLite's triggers) are told together, each
    cause once, the newest first."""
    record(backend.database, stock.name, [RED], "first")
    upkeep.fold(backend.database)
    record(backend.database, stock.name, [RED], "first")
    record(backend.database, stock.name, [RED], "second")
    now = cold.time_for(time() + 1)
    StatisticScope.objects.create(statistic=stock.name, scope="*", last_cause="by a trigger", changed_at=now)
    found = history.since(backend.database, stock.name, [RED, "*"], long_ago(), 100)
    assert [(each.scope, each.cause, each.number) for each in found] == [
        ("*", "by a trigger", 1), (RED, "second", 1), (RED, "first", 2)
    ]  # fmt: skip
    assert history.since(backend.database, stock.name, [BLUE], long_ago(), 100) == []
    assert history.since(backend.database, stock.name, [RED], cold.time_for(time() + 60), 100) == []
