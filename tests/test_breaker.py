"""Leaving a failed server alone."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django_redis.exceptions import ConnectionInterrupted
from pytest_django import Settings
from redis.connection import Connection

from statistics_cache.breaker import Breaker
from statistics_cache.conf import settings as read_settings
from statistics_cache.hot import asking, looking
from statistics_cache.signals import breaker_changed
from tests.samples import Color, Computed, stock
from tests.servers import own_valkey, patient_cache
from tests.waiting import pass_time


class Clock:
    """A clock that stands still until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


def test_one_error_opens_and_one_caller_probes() -> None:
    """Open at the first error; when the pause is over one caller of many is let through; its success closes."""
    clock = Clock()
    breaker = Breaker("test", lambda: 5.0, clock)
    assert breaker.allows()
    breaker.failed(ConnectionError())
    assert not breaker.allows()
    clock.now += 5.6
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda _: breaker.allows(), range(64))) == 1
    breaker.succeeded()
    assert breaker.allows()


def test_a_failed_probe_waits_again() -> None:
    """A probe that fails begins another pause."""
    clock = Clock()
    breaker = Breaker("test", lambda: 5.0, clock)
    breaker.failed(ConnectionError())
    clock.now += 5.6
    assert breaker.allows()
    breaker.failed(ConnectionError())
    clock.now += 4.9
    assert not breaker.allows()


def test_every_change_is_one_signal_and_one_line(caplog: pytest.LogCaptureFixture) -> None:
    """Opening and closing are told once each, however many callers failed."""
    changes: list[bool] = []
    breaker_changed.connect(note := lambda is_open, **_: changes.append(is_open))
    breaker = Breaker("test", lambda: 5.0)
    with caplog.at_level("INFO", logger="statistics_cache"):
        for _ in range(3):
            breaker.failed(ConnectionError("secret"))
        breaker.succeeded()
        breaker.succeeded()
    breaker_changed.disconnect(note)
    assert changes == [True, False]
    told = [(record.getMessage(), vars(record)["breaker"], vars(record)["error"]) for record in caplog.records]
    opened, closed = "breaker opened: test: ConnectionError", "breaker closed: test"
    assert told == [(opened, "test", "ConnectionError"), (closed, "test", None)]


def interrupted(cause: Exception) -> ConnectionInterrupted:
    """Wrap an error as django-redis does."""
    error = ConnectionInterrupted(connection=None)
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (redis.ConnectionError(), True),
        (redis.TimeoutError(), True),
        (redis.BusyLoadingError(), True),
        (redis.ReadOnlyError(), True),
        (redis.exceptions.NoPermissionError(), True),
        (redis.InvalidResponse(), True),
        (redis.exceptions.OutOfMemoryError(), True),
        (redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"), True),
        (redis.ResponseError("WRONGTYPE Operation against a key"), False),
        (interrupted(redis.ConnectionError()), True),
        (interrupted(redis.ResponseError("WRONGTYPE")), False),
        (ConnectionRefusedError(), True),
        (ValueError(), False),
        (PermissionError(), False),
    ],
)
def test_outages_are_a_closed_list(error: Exception, outage: bool) -> None:
    """What is no outage is an error of ours, and raised."""
    assert asking.is_outage(error) is outage


@pytest.mark.django_db
def test_a_refused_server_falls_back_to_the_table(settings: object) -> None:
    """With the server gone a read is answered by the table, at once and then without asking the server again."""
    with own_valkey() as server:
        settings.CACHES = settings.CACHES | {"statistics": patient_cache(f"{server.connection_url}/1")}  # type: ignore[attr-defined]
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    assert [stock.answer(Color.RED).tier for _ in range(3)] == ["cold"] * 3
    assert asking.breaker.is_open
    assert stock.get_cache_info()["redis_enabled"] is False
    stock.invalidate(Color.RED)
    assert stock.answer(Color.RED).tier == "computed"
    assert Computed.of("stock") == 2
    settings.CACHES = settings.CACHES | {"statistics": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_a_server_that_comes_back_is_used_again(settings: object) -> None:
    """After the pause one read probes, and from then on reads are hot."""
    with own_valkey() as server:
        settings.CACHES = settings.CACHES | {"statistics": patient_cache(f"{server.connection_url}/1")}  # type: ignore[attr-defined]
        asking.breaker.failed(ConnectionError())
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "cold"]
        asking.breaker.retry_at = 0.0
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
        assert not asking.breaker.is_open
        caches["statistics"].clear()
    settings.CACHES = settings.CACHES | {"statistics": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}  # type: ignore[attr-defined]


def test_a_forked_child_waits_for_nobody_s_lock() -> None:
    """A lock that a thread of the parent holds while it forks is free in the child."""
    breaker = Breaker("forked", lambda: 1.0)
    with breaker.lock:
        child = os.fork()
        if not child:
            is_free = breaker.lock.acquire(timeout=1)
            os._exit(0 if is_free else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_an_interrupted_command_leaves_no_answer_behind(on_valkey: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal (a time limit, say) between a command and its answer: the next command gets its own."""
    cache = caches["statistics"]
    cache.set_many({"first": "1st", "second": "2nd"})
    read_response = Connection.read_response
    with monkeypatch.context() as patch:
        patch.setattr(Connection, "read_response", interrupt)
        with pytest.raises(KeyboardInterrupt):
            asking.ask(lambda cache: cache.get("first"), None)
    assert Connection.read_response is read_response
    assert asking.ask(lambda cache: cache.get("second"), None) == "2nd"


def interrupt(self: Connection, *_: Any, **__: Any) -> None:
    """Be interrupted before anything is read."""
    raise KeyboardInterrupt


def test_an_error_of_ours_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no outage neither opens the breaker nor is swallowed."""
    with pytest.raises(redis.ResponseError):
        asking.ask(raise_wrongtype, None)
    assert not asking.breaker.is_open


def raise_wrongtype(_: object) -> None:
    """Fail as Redis does when we are wrong."""
    raise redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")


def test_a_plan_is_no_probe(settings: Settings) -> None:
    """To plan a read sends no command: a server that was out is not taken to answer by it."""
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"BREAKER_PAUSE": 0.001}
    asking.breaker.failed(ConnectionError())
    pass_time(0.01)
    looking.new_plan(stock.declaration, stock.declaration.variant((Color.RED,), {}), "1", read_settings())
    assert asking.breaker.is_open
