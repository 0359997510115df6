"""Sentinel, as the README says it is written: a primary that is killed is followed by another."""

from collections.abc import Iterator
from datetime import timedelta
from time import monotonic
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import INFO, run_checks
from pytest_django import Settings

from project.settings import redis_cache
from statistics_cache import statistic
from statistics_cache.checks import TAG
from statistics_cache.hot import asking
from tests.engines.load import Load
from tests.engines.sentinels import NAME, Watched, sentinels
from tests.engines.test_cluster import PROOF, count
from tests.figures import Figure
from tests.hot.test_setups import read_and_write
from tests.models import Paint
from tests.samples import Color, stock
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Start the servers."""
    with sentinels(tmp_path_factory.mktemp("sentinels")) as started:
        yield started


@pytest.fixture(autouse=True)
def on_sentinel(watched: Watched, settings: Settings) -> None:
    """Let statistics live there, as the README says."""
    alias: Any = redis_cache(f"redis://{NAME}/1?is_master=1")
    alias["OPTIONS"] |= {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": watched.sentinels,
        "SENTINEL_KWARGS": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
    }
    settings.CACHES = settings.CACHES | {"statistics": alias}
    caches["statistics"].clear()


def test_every_verb_works() -> None:
    """Hot at the second read, and checks have nothing against it."""
    read_and_write()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    found = run_checks(tags=[TAG], include_deployment_checks=True)
    assert {message.id for message in found if message.level > INFO} <= {"statistics_cache.W016"}


def test_a_primary_that_is_killed(watched: Watched, settings: Settings, figure: Figure) -> None:
    """Nobody meets an error, no fresh value is older than its proof, and the hot tier comes back by itself."""
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"PROOF_INTERVAL": PROOF}
    counted = statistic(name="tests.engines", ttl=timedelta(minutes=5), depends_on=[Paint])(count)
    counted()
    load = Load(counted, lambda: Paint.objects.create(color="red"), PROOF)
    with load.running():
        until(lambda: any(read.tier == "hot" for read in load.reads), "a hot read")
        killed = monotonic()
        watched.primary()._process.kill()
        until(lambda: asking.breaker.is_open, "an outage that is noticed")
        until(lambda: load.is_hot_again(killed), "a hot tier that is back")
    figure("Sentinel, whose primary is killed", load.told(killed))
    assert load.errors == []
    assert load.violations() == []
