"""The hot tier: entries as text and one generation per scope, through Django's cache API, behind a breaker."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from random import randint, uniform
from time import time
from typing import Any, NamedTuple, TypeVar

from django.core.cache import BaseCache, caches
from django_redis.cache import RedisCache
from django_redis.client import ShardClient
from django_redis.exceptions import ConnectionInterrupted
from redis import exceptions as redis

from statistics_cache.breaker import Breaker
from statistics_cache.conf import limits, settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.fingerprint import FINGERPRINT_LENGTH
from statistics_cache.declaring.keys import EVERY_SCOPE, generation_key, hot_entry_key, space_of, tick_key
from statistics_cache.entry import A_DAY, Copy, read_header, write_header

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
MAX_SPACES = 16  # databases, tests included, whose keys a variant remembers
MAX_BUMPS = 8  # scopes bumped one by one; beyond, every scope of the statistic falls at once

breaker = Breaker("hot", lambda: settings().BREAKER_PAUSE)
_undelivered: set[str] = set()  # the generations of `*` that this process could not move


class Read(NamedTuple):
    """What one `get_many` found: `at` is the time before it; `found` is what stood where the generations do; `identity`
    is that of the database whose keys were read, None if it is not known: then nothing was."""

    at: float
    copy: Copy | None
    found: tuple[object, ...]
    identity: str | None

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


def own_space(identity: str) -> str:
    """Give what every hot key of a database begins with."""
    return space_of(settings().KEY_PREFIX, identity)


def hot_keys(declaration: Declaration[..., Any], variant: Variant, space: str) -> tuple[str, ...]:
    """Give a variant's hot keys, made once: its entry, the generation of `*`, then that of each scope."""
    if (known := variant.hot_keys.get(space)) is not None:
        return known
    name = declaration.name
    generations = (generation_key(space, name, scope) for scope in (EVERY_SCOPE, *variant.scopes))
    names = (hot_entry_key(space, name, declaration.fingerprint, variant.key), *generations)
    if len(variant.hot_keys) >= MAX_SPACES:
        variant.hot_keys.clear()
    variant.hot_keys[space] = names
    return names


def read(declaration: Declaration[..., Any], variant: Variant, identity: str | None) -> Read:
    """Read one entry and its generations in one round trip; nothing is found while the server is out."""
    if identity is None:
        return unread(variant)
    at = time()
    conf = settings()
    names = hot_keys(declaration, variant, space_of(conf.KEY_PREFIX, identity))
    found: dict[str, Any] = ask(lambda cache: cache.get_many(names), {})
    return read_found(at, variant, names, found, conf.MAX_PAYLOAD, identity)


def read_many(declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str | None) -> list[Read]:
    """Read entries and generations in one round trip; nothing is found while the server is out."""
    if identity is None:
        return [unread(variant) for variant in variants]
    at = time()
    conf = settings()
    space = space_of(conf.KEY_PREFIX, identity)
    keys = [hot_keys(declaration, variant, space) for variant in variants]
    found: dict[str, Any] = ask(lambda cache: cache.get_many({name for names in keys for name in names}), {})
    pairs = zip(variants, keys, strict=True)
    return [read_found(at, variant, names, found, conf.MAX_PAYLOAD, identity) for variant, names in pairs]


def unread(variant: Variant) -> Read:
    """Find nothing: whose keys to read is not known."""
    return Read(time(), None, (None,) * (1 + len(variant.scopes)), None)


class Together(NamedTuple):
    """What one `get_many` found: variants of several statistics, when the last tick ended (None: unknown), numbers."""

    reads: list[Read]
    tick: int | None
    numbers: dict[str, int]


Wanted = tuple[Declaration[..., Any], Variant, str | None]  # whose identity the last is


def read_together(wanted: Sequence[Wanted], tick: str | None, numbers: Collection[str] = ()) -> Together:
    """Read variants of several statistics, each under an identity; the time of the last tick of a database, named by
    its identity; and numbers by their names: in one round trip."""
    at, most = time(), settings().MAX_PAYLOAD
    keys = [hot_keys(each, variant, own_space(identity)) if identity else () for each, variant, identity in wanted]
    ticked = [tick_key(own_space(tick))] if tick else []
    names = {*ticked, *numbers, *(name for group in keys for name in group)}
    found: dict[str, Any] = ask(lambda cache: cache.get_many(names), {}) if names else {}
    reads = [
        read_found(at, variant, group, found, most, identity) if identity else unread(variant)
        for (_, variant, identity), group in zip(wanted, keys, strict=True)
    ]
    integers = {name: value for name, value in found.items() if type(value) is int}
    return Together(reads, integers.get("".join(ticked)), {name: integers.get(name, 0) for name in numbers})


def read_found(
    at: float, variant: Variant, names: Sequence[str], found: Mapping[str, Any], most: int, identity: str
) -> Read:
    """Pick what concerns one variant out of what a `get_many` found; `most` is MAX_PAYLOAD."""
    copy = read_header(variant.key, found.get(names[0]), most)
    return Read(at, copy, tuple(map(found.get, names[1:])), identity)


def tokens_of(found: Iterable[object]) -> tuple[int, ...] | None:
    """Give the generations; None unless each is there and an integer, for missing equals nothing."""
    tokens = tuple(found)
    return tokens if all(type(token) is int for token in tokens) else None  # type: ignore[return-value]


def start_tokens(
    declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str
) -> list[tuple[int, ...] | None]:
    """Give each missing generation a random start, then read the tokens: what another process added first wins."""
    space = own_space(identity)
    keys = [hot_keys(declaration, variant, space)[1:] for variant in variants]
    names = list(dict.fromkeys(name for group in keys for name in group))
    timeout = generation_timeout(declaration)
    endless = generation_key(space, declaration.name, EVERY_SCOPE)

    def start(cache: BaseCache) -> dict[str, Any]:
        there = cache.get_many(names)
        for name in names:
            if type(there.get(name)) is not int:
                discard_foreign(cache, name, there.get(name))
                cache.add(name, randint(1, MAX_START), timeout=None if name == endless else timeout)
        found = cache.get_many(names)
        if foreign := [name for name in names if name not in found]:  # of a type that reads as missing, and is there
            cache.delete_many(foreign)
        return found

    found: dict[str, Any] = ask(start, {})
    return [tokens_of(map(found.get, group)) for group in keys]


def generation_timeout(declaration: Declaration[..., Any]) -> float:
    """Give the seconds after which a scope's generation is forgotten, if nothing of the scope is stored meanwhile.

    Longer than what is stored under it may be served; up to a tenth is added. That of `*` is never forgotten: every
    variant would ask the database at once.
    """
    return max(limits(declaration).stale_ttl, A_DAY) * uniform(1.0, 1.1)


def discard_foreign(cache: BaseCache, name: str, value: object) -> None:
    """Delete what stands in a generation's place and is none; a missing generation only makes readers ask."""
    if value is not None:
        cache.delete(name)


def write(declaration: Declaration[..., Any], variant: Variant, copy: Copy, identity: str) -> None:
    """Store a copy for as long as it may be served, and keep the generations of its scopes for longer.

    Its tokens decide whether anybody believes it.
    """
    timeout = limits(declaration).stale_ttl - copy.age(time())
    if copy.hot is None or timeout <= 0:
        return
    name, _, *scopes = hot_keys(declaration, variant, own_space(identity))
    kept = {scope: generation_timeout(declaration) for scope in scopes}
    ask(lambda cache: put(cache, name, write_header(variant.key, copy), timeout, kept), None)


def put(cache: BaseCache, name: str, text: str, timeout: float, kept: Mapping[str, float]) -> None:
    """Store a text, and keep names for so many seconds from now: in one round trip where the server is Redis."""
    if not isinstance(cache, RedisCache) or is_shards(cache):
        cache.set(name, text, timeout=timeout)
        for other, seconds in kept.items():
            cache.touch(other, seconds)
        return
    pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
    cache.client.set(name, text, timeout=timeout, client=pipeline)
    for other, seconds in kept.items():
        pipeline.pexpire(str(cache.client.make_key(other)), int(seconds * 1000))
    raise_first(pipeline.execute(raise_on_error=False))


def raise_first(results: Iterable[object]) -> None:
    """Raise the first error among what a pipeline brought."""
    for result in results:
        if isinstance(result, Exception):
            raise result


def bump(identity: str, moves: Mapping[str, Iterable[str]]) -> None:
    """Move the generations of scopes, by statistic, in one round trip: entries that hold the old are believed no more.

    A missing generation is left missing, which means unknown. Above 8 scopes of a statistic, the one of every scope
    moves instead. While the server is out nothing moves; that is made good, for every scope, when it is found to
    answer again.
    """
    space = own_space(identity)
    names = [name for statistic, scopes in moves.items() for name in generations_of(space, statistic, scopes)]
    is_moved = False
    try:
        is_moved = ask(lambda cache: move(cache, names), default=False)
    finally:
        if not is_moved:
            _undelivered.update(made(generation_key(space, statistic, EVERY_SCOPE)) for statistic in moves)
    if not is_moved:
        deliver_what_is_left()  # the probe of another thread may just have ended


def made(name: str) -> str:
    """Give a name as it stands in Redis: whoever delivers it later may be in another tenant's place."""
    known = cache()
    return known.client.make_key(name) if isinstance(known, RedisCache) else name


def generations_of(space: str, statistic: str, scopes: Iterable[str]) -> list[str]:
    """Give the names of the generations that are to move."""
    named = list(dict.fromkeys(scopes))
    return [generation_key(space, statistic, scope) for scope in (named if len(named) <= MAX_BUMPS else [EVERY_SCOPE])]


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
    raise_first(pipeline.execute(raise_on_error=False))


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


def note_tick(identity: str | None, now: float) -> None:
    """Note when a tick ended, in whole seconds, for whoever wonders whether there is one."""
    if identity is not None:
        name = tick_key(own_space(identity))
        ask(lambda cache: cache.set(name, int(now), timeout=None), None)


def last_tick(identity: str | None) -> int | None:
    """Give when the last tick ended, in seconds since the Unix epoch; None if the hot tier does not know."""
    if identity is None:
        return None
    name = tick_key(own_space(identity))
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


def delete(identity: str | None, entries: Iterable[tuple[str, str, str]]) -> None:
    """Delete the hot copies of entries, each named by statistic, schema and key."""
    if identity is None:
        return
    space = own_space(identity)
    names = [hot_entry_key(space, statistic, schema, key) for statistic, schema, key in entries]
    for start in range(0, len(names), DELETED_AT_ONCE):
        some = names[start : start + DELETED_AT_ONCE]
        ask(lambda cache, some=some: cache.delete_many(some), None)  # type: ignore[misc]


def delete_statistic(identity: str | None, statistic: str) -> None:
    """Delete every hot copy of a statistic, where the backend can list keys (django-redis can)."""
    if identity is not None and isinstance(cache(), RedisCache):
        pattern = hot_entry_key(own_space(identity), statistic, "?" * FINGERPRINT_LENGTH, "*")
        ask(lambda cache: cache.delete_pattern(pattern, itersize=DELETED_AT_ONCE), None)  # type: ignore[attr-defined]
