"""A function that reads a replica by itself: what that lacks is given as fresh, so it is found and named."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections
from pytest_django import Settings

from statistics_cache import UndeclaredSource, statistic
from statistics_cache.checks import TAG
from statistics_cache.noting import undeclared
from tests.engines.replicas import replica
from tests.models import Paint
from tests.routers import TestRouter
from tests.test_outages import OURS
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"], available_apps=OURS)
LINE = "Read it from 'postgres', where its changes are logged: a replica lacks what it has not received yet."


@pytest.fixture(scope="module")
def place() -> Iterator[dict[str, Any]]:
    """Start a replica."""
    with replica() as found:
        yield found


@pytest.fixture(autouse=True)
def database(place: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the alias `replica` be there, and the app live on its primary."""
    TestRouter.database = "postgres"
    connections.settings["replica"] = connections["postgres"].settings_dict | place
    connections["replica"].connect()  # Django would refuse one that the test does not name, and empty one that it names
    monkeypatch.setattr(undeclared, "_told", set())
    yield
    connections["replica"].close()
    del connections["replica"], connections.settings["replica"]
    TestRouter.database = "default"


def run(sql: str) -> Any:
    """Run a statement on the replica, and give its one value."""
    with connections["replica"].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def pots() -> int:
    """Count pots as the replica has them."""
    return Paint.objects.using("replica").count()


def test_what_a_replica_lacks_is_found_by_name(caplog: pytest.LogCaptureFixture) -> None:
    """A fresh value lacks what it has not received; the first compute says which table was read where."""
    counted = statistic(name="tests.pots", depends_on=[Paint])(pots)
    Paint.objects.create(color="red")
    until(lambda: pots() == 1, "a replica that follows")
    run("SELECT pg_wal_replay_pause()::text")
    try:
        Paint.objects.create(color="red")
        assert (counted.answer().state, counted.answer().value) == ("fresh", 1)
    finally:
        run("SELECT pg_wal_replay_resume()::text")
    [said] = [each.getMessage() for each in caplog.records if "source undeclared" in each.getMessage()]
    assert said.startswith("source undeclared: tests.pots reads tests.Paint on database 'replica', and is told of no")
    assert LINE in said


def test_it_may_be_an_error(conf: Any) -> None:
    """WATCH_SOURCES = "raise": nothing of a replica is given, or stored."""
    conf(WATCH_SOURCES="raise")
    counted = statistic(name="tests.pots", depends_on=[Paint])(pots)
    with pytest.raises(UndeclaredSource, match=r"reads tests\.Paint on database 'replica'"):
        counted()
    assert counted.entry() is None


class ToReplica(TestRouter):
    """Sends reads there, as sites do."""

    def db_for_read(self, *_: Any, **__: Any) -> str:
        """Give the replica."""
        return "replica"


def test_a_router_that_reads_there_is_refused(settings: Settings) -> None:
    """E012: tokens and proofs are of the database that is written."""
    settings.DATABASE_ROUTERS = ["tests.engines.test_replica.ToReplica"]
    statistic(name="tests.pots", depends_on=[Paint])(pots)
    assert "statistics_cache.E012" in {each.id for each in run_checks(tags=[TAG])}
