"""Reading from a plain Redis by a command that is packed once, on a connection of the alias's own pool."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from django.core.cache import BaseCache, caches
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.client import DefaultClient
from django_redis.pool import ConnectionFactory
from redis import BlockingConnectionPool, ConnectionPool, Redis

from statistics_cache.cluster import ClusterClient, pool_for
from statistics_cache.serializer import TextSerializer

POOLS = (ConnectionPool, BlockingConnectionPool)
OF_KEYS = ("KEY_FUNCTION", "VERSION")  # what may make other names of the same key from one read to the next
OF_RETRIES = ("retry", "retry_on_timeout", "retry_on_error")
OF_TEXTS = ("decode_responses", "command_packer")  # what would give other answers, or send other commands


def plain_pool(cache: BaseCache, alias: str) -> ConnectionPool | None:
    """Give the pool of an alias whose commands may be sent past its client; None where that might do something else.

    Exact types: what a subclass does with a command, a key or an answer is not known here.
    """
    config = caches.settings[alias]
    if not is_plain(cache, config):
        return None
    client = cast("RedisCache", cache).client
    if type(client) is not DefaultClient or type(client.connection_factory) is not ConnectionFactory:
        return None
    return pool_of(client.get_client(write=False)) if has_one_server(config["LOCATION"]) else None


def cluster_pool(cache: BaseCache, alias: str, name: str) -> Callable[[], ConnectionPool] | None:
    """Give what finds the pool of whichever node serves a name's slot; None where that is no plain cluster of ours."""
    config, known = caches.settings[alias], cast("RedisCache", cache)
    if not is_plain(cache, config) or type(known.client) is not ClusterClient:
        return None
    cluster = known.client.get_client()
    pool = partial(pool_for, cluster, cluster.keyslot(str(known.client.make_key(name))))
    kept, options = getattr(pool(), "cache", None), pool().connection_kwargs
    return None if kept is not None or any(map(options.get, OF_TEXTS)) else pool


def is_plain(cache: BaseCache, config: dict[str, Any]) -> bool:
    """Tell whether an alias makes the same names of the same keys, and stores texts as they are."""
    return type(cache) is RedisCache and not any(map(config.get, OF_KEYS)) and is_text(config)


def is_text(config: dict[str, Any]) -> bool:
    """Tell whether an alias stores texts as they are."""
    options = config.get("OPTIONS", {})
    path = options.get("SERIALIZER")
    return bool(path) and import_string(path) is TextSerializer and not options.get("COMPRESSOR")


def has_one_server(location: Any) -> bool:
    """Tell whether an alias reads where it writes."""
    return isinstance(location, str) and "," not in location


def pool_of(client: Redis) -> ConnectionPool | None:
    """Give a client's pool, if commands need nothing but a connection of it: no connection of the client's own, no
    copies of the server's values, no texts in place of bytes, no second try."""
    pool = client.connection_pool
    kept, known = getattr(pool, "cache", None), pool.connection_kwargs
    if type(client) is not Redis or type(pool) not in POOLS or client.connection is not None or kept is not None:
        return None
    return None if any(map(known.get, OF_TEXTS)) or any(map(retries, map(known.get, OF_RETRIES))) else pool


def retries(option: Any) -> bool:
    """Tell whether an option of a connection says that a command is tried again."""
    return bool(option.get_retries()) if hasattr(option, "get_retries") else bool(option)


def pack_name(cache: Any, pool: ConnectionPool, name: str) -> bytes:
    """Pack a name as a word of a command."""
    encoder: Any = pool.get_encoder()
    word: bytes = encoder.encode(str(cache.client.make_key(name)))
    return b"$%d\r\n%b\r\n" % (len(word), word)


def pack_read(words: Iterable[bytes]) -> bytes:
    """Pack the command that reads what packed names stand for."""
    packed = tuple(words)
    return b"*%d\r\n$4\r\nMGET\r\n%b" % (1 + len(packed), b"".join(packed))


def exchange(pool: ConnectionPool, command: bytes) -> list[bytes | None]:
    """Send a packed command and give the answer.

    What interrupts it leaves no half-read connection behind: the answer to this is never that to the next.
    """
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([command])
        answer: list[bytes | None] = connection.read_response()
    except BaseException:
        connection.disconnect()
        raise
    finally:
        pool.release(connection)
    return answer
