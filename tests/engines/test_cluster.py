"""A Redis Cluster with our client is a hot tier like any: one statistic is one slot, and one command."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import INFO, run_checks
from pytest_django import Settings
from redis.exceptions import RedisClusterException

from project.settings import redis_cache
from statistics_cache.checks import TAG
from statistics_cache.cluster import clusters
from statistics_cache.hot import asking, counters
from tests.engines.clusters import Cluster, client_of, cluster, primary_of
from tests.engines.load import NAME, survive
from tests.figures import Figure
from tests.hot.test_setups import read_and_write
from tests.samples import Color, stock, total

pytestmark = pytest.mark.django_db(transaction=True)
CLIENT = "statistics_cache.cluster.ClusterClient"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a cluster."""
    with cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(autouse=True)
def on_cluster(nodes: Cluster, settings: Settings) -> Iterator[None]:
    """Let statistics live there, as the guide to engines says."""
    alias: Any = redis_cache("")
    alias |= {"LOCATION": nodes.urls, "OPTIONS": alias["OPTIONS"] | {"CLIENT_CLASS": CLIENT}}
    settings.CACHES = settings.CACHES | {"statistics": alias}
    caches["statistics"].clear()
    yield
    clusters.forget()


def commands(nodes: Cluster, name: str) -> int:
    """Give how many commands of a kind the primaries have taken."""
    count = 0
    for server in nodes.primaries():
        with client_of(server) as client:
            count += client.info("commandstats").get(f"cmdstat_{name}", {}).get("calls", 0)
    return count


def test_every_verb_works(nodes: Cluster) -> None:
    """Hot at the second read; nothing is refused."""
    read_and_write()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    assert not asking.breaker.is_open


def test_a_hot_read_is_one_command(nodes: Cluster) -> None:
    """Entry and generations of one statistic lie in one slot; those of two are asked for by a command for each."""
    stock(Color.RED)
    total()
    before = commands(nodes, "mget")
    assert stock.answer(Color.RED).tier == "hot"
    assert commands(nodes, "mget") == before + 1
    assert [answer.tier for answer in stock.get_many([{"color": "red"}, {"color": "blue"}])] == ["hot", "computed"]
    found = caches["statistics"].get_many(["{a}1", "{b}1", "{c}1"])
    assert found == {}


def test_what_lies_on_all_nodes_is_found(nodes: Cluster) -> None:
    """Counters of several statistics, and what a pattern deletes."""
    for _ in range(3):
        stock(Color.RED)
        total()
    counts = counters.counts_of([stock.name, total.name])
    assert [count.hits for count in counts.values()] == [2, 2]
    for each in (stock, total):
        each.clear_all()
    caches["statistics"].delete_pattern("*")  # type: ignore[attr-defined]
    assert [list(caches["statistics"].iter_keys("*"))] == [[]]  # type: ignore[attr-defined]


def test_checks_have_nothing_against_it(nodes: Cluster) -> None:
    """Neither the settings nor any node."""
    found = run_checks(tags=[TAG], include_deployment_checks=True)
    assert {message.id for message in found if message.level > INFO} <= {"statistics_cache.W016"}


def test_without_our_client_the_table_answers(nodes: Cluster, settings: Settings) -> None:
    """What a node refuses costs the hot tier alone, and `check --deploy` says what to write."""
    settings.CACHES = settings.CACHES | {"statistics": redis_cache(nodes.urls[0])}
    read_and_write()
    assert stock.answer(Color.RED).tier == "computed"
    [told] = [
        each for each in run_checks(tags=[TAG], include_deployment_checks=True) if each.id == "statistics_cache.W017"
    ]
    assert told.hint
    assert f"OPTIONS['CLIENT_CLASS'] to '{CLIENT}'" in told.hint


def test_a_cluster_that_is_nowhere_is_out(settings: Settings) -> None:
    """No node answers: values come from the function and the table."""
    alias: Any = redis_cache("redis://127.0.0.1:9")
    alias["OPTIONS"] |= {"CLIENT_CLASS": CLIENT}
    settings.CACHES = settings.CACHES | {"statistics": alias}
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "cold"]
    assert asking.breaker.is_open
    assert asking.is_outage(RedisClusterException("Redis Cluster cannot be connected"))


def test_an_interrupted_reader_hangs_up(nodes: Cluster) -> None:
    """On every node: nobody is given the answer to another's command."""
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    asking.hang_up(asking.cache())
    assert stock.answer(Color.RED).tier == "hot"


def test_a_primary_that_is_killed(nodes: Cluster, settings: Settings, figure: Figure) -> None:
    """Nobody meets an error, no fresh value is older than its proof, and the hot tier comes back by itself."""
    figure("a cluster whose primary is killed", survive(settings, lambda: primary_of(nodes, NAME)))
