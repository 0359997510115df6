"""Asking the server of the hot tier: behind a breaker, and what a failure left undone is made good."""

from collections.abc import Callable, Iterable
from random import randint
from typing import TypeVar

from django.core.cache import BaseCache, caches
from django_redis.cache import RedisCache
from django_redis.client import ShardClient
from django_redis.exceptions import ConnectionInterrupted
from redis import exceptions as redis

from statistics_cache.breaker import Breaker
from statistics_cache.cluster import ClusterClient
from statistics_cache.conf import settings

R = TypeVar("R")

# Connection, timeout, loading (a ConnectionError), full, read-only for all or for us, without its cluster, no Redis;
# a cluster that sends us elsewhere.
OUTAGES = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.OutOfMemoryError,
    redis.ReadOnlyError,
    redis.NoPermissionError,
    redis.ClusterDownError,
    redis.InvalidResponse,
    redis.MovedError,
    redis.AskError,
    redis.TryAgainError,
    redis.MasterDownError,
    redis.RedisClusterException,  # no node of a cluster answers, or none serves a slot; it is no RedisError
    ConnectionError,
    TimeoutError,
)
# Told by their text alone: it cannot save, has too few replicas, runs somebody's script; or it will never do what we
# ask: it is a cluster, has one database, or lacks a command.
OUTAGE_TEXTS = (
    "MISCONF ",
    "NOREPLICAS ",
    "BUSY ",
    "CROSSSLOT ",
    "Keys in request don't hash to the same slot",
    "SELECT is not allowed in cluster mode",
    "DB index is out of range",
    "unknown command",
)
SUSPECTS = (
    redis.RedisError,
    redis.RedisClusterException,
    ConnectionInterrupted,
    OSError,
)  # what is looked at; what is no outage is raised
MAX_DELTA = 2**20  # each change moves it by a random positive number, so that a repeated command never matches

breaker = Breaker("hot", lambda: settings().BREAKER_PAUSE)
_undelivered: set[str] = set()  # the generations of `*` that this process could not move


def forget() -> None:
    """Begin anew, with a server that is not known to be out."""
    breaker.forget()
    _undelivered.clear()


def is_outage(error: BaseException) -> bool:
    """Tell whether an error means that the server is out, rather than that we are wrong."""
    if isinstance(error, ConnectionInterrupted):
        return error.__cause__ is not None and is_outage(error.__cause__)
    if isinstance(error, OUTAGES):
        return True
    return isinstance(error, redis.ResponseError) and str(error).startswith(OUTAGE_TEXTS)


def is_full(error: BaseException) -> bool:
    """Tell whether a server only has no memory left: then it still answers, and deletes."""
    return isinstance(error, redis.OutOfMemoryError) or isinstance(error.__cause__, redis.OutOfMemoryError)


def cache() -> BaseCache:
    """Give the alias's cache of this thread."""
    return caches[settings().CACHE_ALIAS]


def is_redis() -> bool:
    """Tell whether the alias is a Redis or Valkey server and answers, as far as this process knows."""
    return isinstance(cache(), RedisCache) and not breaker.is_open


def ask(operation: Callable[[BaseCache], R], default: R) -> R:
    """Run one operation on the alias's cache behind the breaker; give the default while the server is out."""
    return attempt(lambda: operation(cache()), default)


def attempt(operation: Callable[[], R], default: R) -> R:
    """Run one operation behind the breaker; give the default while the server is out.

    Who probes first delivers what could not be: nobody in this process reads what it has already changed.
    """
    probes = breaker.is_open
    if probes and not breaker.allows():
        return default
    try:
        if probes:
            deliver_again(cache())
        result = operation()
    except SUSPECTS as error:
        if not is_outage(error):
            raise
        breaker.failed(error)
        return default
    except BaseException:
        hang_up(cache())
        raise
    if probes:
        breaker.succeeded()
        deliver_what_is_left()  # of changes that were refused while the probe was under way
    return result


def is_shards(cache: BaseCache) -> bool:
    """Tell whether keys lie on several servers, so that no pipeline takes several of them."""
    return isinstance(cache, RedisCache) and isinstance(cache.client, ShardClient)


def is_cluster(cache: BaseCache) -> bool:
    """Tell whether the alias is a cluster, and its client knows."""
    return isinstance(cache, RedisCache) and isinstance(cache.client, ClusterClient)


def hang_up(cache: BaseCache) -> None:
    """Close this process's idle connections: one that was interrupted (by a time limit, say) after it had sent a
    command would give the answer to that as the answer to the next."""
    if is_shards(cache):
        for server in cache.client.connect().values():  # type: ignore[attr-defined]
            server.connection_pool.disconnect(inuse_connections=False)
    elif is_cluster(cache):
        cache.client.hang_up()  # type: ignore[attr-defined]
    elif isinstance(cache, RedisCache):
        cache.client.get_client(write=True).connection_pool.disconnect(inuse_connections=False)


def deliver_again(cache: BaseCache) -> None:
    """Deliver what could not be delivered while the server was out: a change of every scope of those statistics."""
    for name in tuple(_undelivered):
        _undelivered.discard(name)
        try:
            bump_one(cache, name)
        except SUSPECTS:
            _undelivered.add(name)
            raise


def deliver_what_is_left() -> None:
    """Deliver what is still undelivered, if the server answers."""
    if _undelivered and not breaker.is_open:
        ask(deliver_again, None)


def try_again() -> bool:
    """Deliver what is still undelivered, also if the server is only now found to answer; tell whether some is left."""
    if _undelivered:
        ask(deliver_again, None)
    return bool(_undelivered)


def bump_one(cache: BaseCache, name: str) -> bool:
    """Move one generation; what cannot be moved is deleted, for then it is unknown: a full server allows that."""
    try:
        cache.incr(name, randint(1, MAX_DELTA))
    except (ValueError, TypeError):  # it is missing, vanished in between, or is no number
        cache.delete(name)
    except SUSPECTS as error:
        if is_outage(error) and not is_full(error):
            raise
        cache.delete(name)
    return True


def raise_first(results: Iterable[object]) -> None:
    """Raise the first error among what a pipeline brought."""
    for result in results:
        if isinstance(result, Exception):
            raise result
