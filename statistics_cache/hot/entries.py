"""The hot tier: entries as text and one generation per scope, through Django's cache API, behind a breaker."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from random import randint
from time import time
from typing import Any, NamedTuple, TypeVar

from django.core.cache import BaseCache, caches
from django_redis.cache import RedisCache
from django_redis.client import ShardClient
from django_redis.exceptions import ConnectionInterrupted
from redis import exceptions as redis

from statistics_cache.breaker import Breaker
from statistics_cache.conf import limits, settings
from statistics_cache.declaring.declaration import FINGERPRINT_LENGTH, Declaration, Variant
from statistics_cache.declaring.keys import EVERY_SCOPE, generation_key, hot_entry_key, tick_key
from statistics_cache.entry import Copy, read_header, write_header

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
SUSPECTS = (redis.RedisError, ConnectionInterrupted, OSError)  # what is looked at; what is no outage is raised
MAX_START = 2**52  # a generation starts anywhere below: Redis' Lua gives exact integers up to 2**53
MAX_DELTA = 2**20  # each change moves it by a random positive number, so that a repeated command never matches
DELETED_AT_ONCE = 1_000  # keys in one command, so that Redis is never held up for long
MAX_BUMPS = 8  # scopes bumped one by one; beyond, every scope of the statistic falls at once

breaker = Breaker("hot", lambda: settings().BREAKER_PAUSE)
_undelivered: set[str] = set()  # the statistics whose changes this process could not deliver


class Read(NamedTuple):
    """What one `get_many` found: `at` is the time before it; `found` is what stood where the generations do."""

    at: float
    copy: Copy | None
    found: tuple[object, ...]

    @property
    def tokens(self) -> tuple[int, ...] | None:
        """Give the generations; None unless all are there."""
        return tokens_of(self.found)


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
    """Run one operation behind the breaker; give the default while the server is out.

    Who probes first delivers what could not be: nobody in this process reads what it has already changed.
    """
    probes = breaker.is_open
    if probes and not breaker.allows():
        return default
    try:
        if probes:
            deliver_again(cache())
        result = operation(cache())
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


def hang_up(cache: BaseCache) -> None:
    """Close this process's idle connections: one that was interrupted (by a time limit, say) after it had sent a
    command would give the answer to that as the answer to the next."""
    if is_shards(cache):
        for server in cache.client.connect().values():  # type: ignore[attr-defined]
            server.connection_pool.disconnect(inuse_connections=False)
    elif isinstance(cache, RedisCache):
        cache.client.get_client(write=True).connection_pool.disconnect(inuse_connections=False)


def deliver_again(cache: BaseCache) -> None:
    """Deliver what could not be delivered while the server was out: a change of every scope of those statistics."""
    for statistic in tuple(_undelivered):
        _undelivered.discard(statistic)
        try:
            bump_one(cache, generation_key(settings().KEY_PREFIX, statistic, EVERY_SCOPE))
        except SUSPECTS:
            _undelivered.add(statistic)
            raise


def deliver_what_is_left() -> None:
    """Deliver what is still undelivered, if the server answers."""
    if _undelivered and not breaker.is_open:
        ask(deliver_again, None)


def hot_keys(declaration: Declaration[..., Any], variant: Variant, prefix: str) -> tuple[str, ...]:
    """Give a variant's hot keys, made once: its entry, the generation of `*`, then that of each scope."""
    if (known := variant.hot_keys.get(prefix)) is not None:
        return known
    generations = (generation_key(prefix, declaration.name, scope) for scope in (EVERY_SCOPE, *variant.scopes))
    names = (hot_entry_key(prefix, declaration.fingerprint, variant.key), *generations)
    variant.hot_keys[prefix] = names
    return names


def read(declaration: Declaration[..., Any], variant: Variant) -> Read:
    """Read one entry and its generations in one round trip; nothing is found while the server is out."""
    at = time()
    conf = settings()
    names = hot_keys(declaration, variant, conf.KEY_PREFIX)
    found: dict[str, Any] = ask(lambda cache: cache.get_many(names), {})
    return read_found(at, variant, names, found, conf.MAX_PAYLOAD)


def read_many(declaration: Declaration[..., Any], variants: Sequence[Variant]) -> list[Read]:
    """Read entries and generations in one round trip; nothing is found while the server is out."""
    at = time()
    conf = settings()
    keys = [hot_keys(declaration, variant, conf.KEY_PREFIX) for variant in variants]
    found: dict[str, Any] = ask(lambda cache: cache.get_many({name for names in keys for name in names}), {})
    pairs = zip(variants, keys, strict=True)
    return [read_found(at, variant, names, found, conf.MAX_PAYLOAD) for variant, names in pairs]


class Together(NamedTuple):
    """What one `get_many` found: variants of several statistics, when the last tick ended (None: unknown), numbers."""

    reads: list[Read]
    tick: int | None
    numbers: dict[str, int]


def read_together(pairs: Sequence[tuple[Declaration[..., Any], Variant]], numbers: Collection[str] = ()) -> Together:
    """Read variants of several statistics, the time of the last tick and numbers by their names in one round trip."""
    at = time()
    prefix, most = settings().KEY_PREFIX, settings().MAX_PAYLOAD
    keys = [hot_keys(declaration, variant, prefix) for declaration, variant in pairs]
    wanted = {tick_key(prefix), *numbers, *(name for names in keys for name in names)}
    found: dict[str, Any] = ask(lambda cache: cache.get_many(wanted), {})
    reads = [read_found(at, pair[1], names, found, most) for pair, names in zip(pairs, keys, strict=True)]
    integers = {name: value for name, value in found.items() if type(value) is int}
    return Together(reads, integers.get(tick_key(prefix)), {name: integers.get(name, 0) for name in numbers})


def read_found(at: float, variant: Variant, names: Sequence[str], found: Mapping[str, Any], most: int) -> Read:
    """Pick what concerns one variant out of what a `get_many` found; `most` is MAX_PAYLOAD."""
    return Read(at, read_header(variant.key, found.get(names[0]), most), tuple(map(found.get, names[1:])))


def tokens_of(found: Iterable[object]) -> tuple[int, ...] | None:
    """Give the generations; None unless each is there and an integer, for missing equals nothing."""
    tokens = tuple(found)
    return tokens if all(type(token) is int for token in tokens) else None  # type: ignore[return-value]


def start_tokens(declaration: Declaration[..., Any], variants: Sequence[Variant]) -> list[tuple[int, ...] | None]:
    """Give each missing generation a random start, then read the tokens: what another process added first wins."""
    prefix = settings().KEY_PREFIX
    keys = [hot_keys(declaration, variant, prefix)[1:] for variant in variants]
    names = list(dict.fromkeys(name for group in keys for name in group))

    def start(cache: BaseCache) -> dict[str, Any]:
        there = cache.get_many(names)
        for name in names:
            if type(there.get(name)) is not int:
                discard_foreign(cache, name, there.get(name))
                cache.add(name, randint(1, MAX_START), timeout=None)
        found = cache.get_many(names)
        if foreign := [name for name in names if name not in found]:  # of a type that reads as missing, and is there
            cache.delete_many(foreign)
        return found

    found: dict[str, Any] = ask(start, {})
    return [tokens_of(map(found.get, group)) for group in keys]


def discard_foreign(cache: BaseCache, name: str, value: object) -> None:
    """Delete what stands in a generation's place and is none; a missing generation only makes readers ask."""
    if value is not None:
        cache.delete(name)


def write(declaration: Declaration[..., Any], variant: Variant, copy: Copy) -> None:
    """Store a copy for as long as it may be served. Its tokens decide whether anybody believes it."""
    timeout = limits(declaration).stale_ttl - copy.age(time())
    if copy.hot is None or timeout <= 0:
        return
    name = hot_keys(declaration, variant, settings().KEY_PREFIX)[0]
    ask(lambda cache: cache.set(name, write_header(variant.key, copy), timeout=timeout), None)


def bump(moves: Mapping[str, Iterable[str]]) -> None:
    """Move the generations of scopes, by statistic, in one round trip: entries that hold the old are believed no more.

    A missing generation is left missing, which means unknown. Above 8 scopes of a statistic, the one of every scope
    moves instead. While the server is out nothing moves; that is made good, for every scope, when it is found to
    answer again.
    """
    names = [name for statistic, scopes in moves.items() for name in generations_of(statistic, scopes)]
    is_moved = False
    try:
        is_moved = ask(lambda cache: move(cache, names), default=False)
    finally:
        if not is_moved:
            _undelivered.update(moves)
    if not is_moved:
        deliver_what_is_left()  # the probe of another thread may just have ended


def generations_of(statistic: str, scopes: Iterable[str]) -> list[str]:
    """Give the names of the generations that are to move."""
    named = list(dict.fromkeys(scopes))
    prefix = settings().KEY_PREFIX
    return [generation_key(prefix, statistic, scope) for scope in (named if len(named) <= MAX_BUMPS else [EVERY_SCOPE])]


def move(cache: BaseCache, names: Sequence[str]) -> bool:
    """Move generations: in one round trip where the server is Redis."""
    if isinstance(cache, RedisCache) and len(names) > 1 and not is_shards(cache):
        move_at_once(cache, names)
    else:
        for name in names:
            bump_one(cache, name)
    return True


def move_at_once(cache: RedisCache, names: Sequence[str]) -> None:
    """Move generations in one round trip, each as `bump_one` does."""
    pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
    for name in names:
        pipeline.eval(MOVE, 1, str(cache.client.make_key(name)), randint(1, MAX_DELTA))
    for result in pipeline.execute(raise_on_error=False):
        if isinstance(result, Exception):
            raise result


# Move a generation that is there; what cannot be moved (no number; no memory left) is deleted: then it is unknown.
MOVE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local moved = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(moved) == 'table' and moved.err then return redis.call('DEL', KEYS[1]) end
return 1
"""


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


def note_tick(now: float) -> None:
    """Note when a tick ended, in whole seconds, for whoever wonders whether there is one."""
    ask(lambda cache: cache.set(tick_key(settings().KEY_PREFIX), int(now), timeout=None), None)


def last_tick() -> int | None:
    """Give when the last tick ended, in seconds since the Unix epoch; None if the hot tier does not know."""
    name = tick_key(settings().KEY_PREFIX)
    return numbers([name]).get(name)


def add_up(numbers: Mapping[str, int]) -> bool:
    """Add to numbers, from 0, in one round trip where the server is Redis; tell whether it was done."""

    def add(cache: BaseCache) -> bool:
        if isinstance(cache, RedisCache) and not is_shards(cache):
            pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
            for name, number in numbers.items():
                pipeline.incrby(str(cache.client.make_key(name)), number)
            for name, result in zip(numbers, pipeline.execute(raise_on_error=False), strict=True):
                if isinstance(result, Exception):
                    discard_uncounted(cache, name, result)
        else:
            for name, number in numbers.items():
                if not cache.add(name, number, timeout=None):
                    cache.incr(name, number)
        return True

    return ask(add, default=False)


def discard_uncounted(cache: BaseCache, name: str, error: Exception) -> None:
    """Delete what stands in a count's place and is none; what an outage refused is raised, to be added up later."""
    if is_outage(error):
        raise error
    cache.delete(name)


def numbers(names: Iterable[str]) -> dict[str, int]:
    """Give the numbers there are of these names, in one round trip."""
    found: dict[str, object] = ask(lambda cache: cache.get_many(list(names)), {})
    return {name: number for name, number in found.items() if isinstance(number, int)}


def delete(entries: Iterable[tuple[str, str]]) -> None:
    """Delete the hot copies of entries, each named by schema and key."""
    prefix = settings().KEY_PREFIX
    names = [hot_entry_key(prefix, schema, key) for schema, key in entries]
    for start in range(0, len(names), DELETED_AT_ONCE):
        some = names[start : start + DELETED_AT_ONCE]
        ask(lambda cache, some=some: cache.delete_many(some), None)  # type: ignore[misc]


def delete_statistic(statistic: str) -> None:
    """Delete every hot copy of a statistic, where the backend can list keys (django-redis can)."""
    pattern = hot_entry_key(settings().KEY_PREFIX, "?" * FINGERPRINT_LENGTH, f"{statistic}:*")
    if isinstance(cache(), RedisCache):
        ask(lambda cache: cache.delete_pattern(pattern, itersize=DELETED_AT_ONCE), None)  # type: ignore[attr-defined]
