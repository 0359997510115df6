"""The entries of the hot tier: each a text, under the generations it was captured with; and the numbers beside them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from time import time
from typing import Any, NamedTuple

from django.core.cache import BaseCache
from django_redis.cache import RedisCache

from statistics_cache.conf import limits, settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.fingerprint import FINGERPRINT_LENGTH
from statistics_cache.declaring.keys import hot_entry_key, space_of, tick_key
from statistics_cache.entry import Copy, read_header, write_header

from . import asking, generations, naming

DELETED_AT_ONCE = 1_000  # keys in one command, so that Redis is never held up for long


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
        return generations.tokens_of(self.found)


def read(declaration: Declaration[..., Any], variant: Variant, identity: str | None) -> Read:
    """Read one entry and its generations in one round trip; nothing is found while the server is out."""
    if identity is None:
        return nothing(time(), variant, None)
    at = time()
    conf = settings()
    names = naming.hot_keys(declaration, variant, space_of(conf.KEY_PREFIX, identity))
    found: dict[str, Any] = asking.ask(lambda cache: cache.get_many(names), {})
    return read_found(at, variant, names, found, conf.MAX_PAYLOAD, identity)


def read_many(declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str | None) -> list[Read]:
    """Read entries and generations in one round trip; nothing is found while the server is out."""
    if identity is None:
        return [nothing(time(), variant, None) for variant in variants]
    at = time()
    conf = settings()
    space = space_of(conf.KEY_PREFIX, identity)
    keys = [naming.hot_keys(declaration, variant, space) for variant in variants]
    found: dict[str, Any] = asking.ask(lambda cache: cache.get_many({name for names in keys for name in names}), {})
    pairs = zip(variants, keys, strict=True)
    return [read_found(at, variant, names, found, conf.MAX_PAYLOAD, identity) for variant, names in pairs]


def nothing(at: float, variant: Variant, identity: str | None) -> Read:
    """Find nothing: the server is out, or whose keys to read is not known."""
    return Read(at, None, (None,) * (1 + len(variant.scopes)), identity)


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
    keys = [
        naming.hot_keys(each, variant, naming.own_space(identity)) if identity else ()
        for each, variant, identity in wanted
    ]
    ticked = [tick_key(naming.own_space(tick))] if tick else []
    names = {*ticked, *numbers, *(name for group in keys for name in group)}
    found: dict[str, Any] = asking.ask(lambda cache: cache.get_many(names), {}) if names else {}
    reads = [
        read_found(at, variant, group, found, most, identity) if identity else nothing(time(), variant, None)
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


def write(declaration: Declaration[..., Any], variant: Variant, copy: Copy, identity: str) -> None:
    """Store a copy for as long as it may be served, and keep the generations of its scopes for longer.

    Its tokens decide whether anybody believes it.
    """
    timeout = limits(declaration).stale_ttl - copy.age(time())
    if copy.hot is None or timeout <= 0:
        return
    name, _, *scopes = naming.hot_keys(declaration, variant, naming.own_space(identity))
    kept = {scope: generations.generation_timeout(declaration) for scope in scopes}
    asking.ask(lambda cache: put(cache, name, write_header(variant.key, copy), timeout, kept), None)


def put(cache: BaseCache, name: str, text: str, timeout: float, kept: Mapping[str, float]) -> None:
    """Store a text, and keep names for so many seconds from now: in one round trip where the server is Redis."""
    if not isinstance(cache, RedisCache) or asking.is_shards(cache):
        cache.set(name, text, timeout=timeout)
        for other, seconds in kept.items():
            cache.touch(other, seconds)
        return
    pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
    cache.client.set(name, text, timeout=timeout, client=pipeline)
    for other, seconds in kept.items():
        pipeline.pexpire(str(cache.client.make_key(other)), int(seconds * 1000))
    asking.raise_first(pipeline.execute(raise_on_error=False))


def note_tick(identity: str | None, now: float) -> None:
    """Note when a tick ended, in whole seconds, for whoever wonders whether there is one."""
    if identity is not None:
        name = tick_key(naming.own_space(identity))
        asking.ask(lambda cache: cache.set(name, int(now), timeout=None), None)


def last_tick(identity: str | None) -> int | None:
    """Give when the last tick ended, in seconds since the Unix epoch; None if the hot tier does not know."""
    if identity is None:
        return None
    name = tick_key(naming.own_space(identity))
    return numbers([name]).get(name)


def add_up(numbers: Mapping[str, int]) -> bool:
    """Add to numbers, from 0, in one round trip where the server is Redis; tell whether it was done."""

    def add(cache: BaseCache) -> bool:
        if isinstance(cache, RedisCache) and not asking.is_shards(cache):
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

    return asking.ask(add, default=False)


def discard_uncounted(cache: BaseCache, name: str, error: Exception) -> None:
    """Delete what stands in a count's place and is none; what an outage refused is raised, to be added up later."""
    if asking.is_outage(error):
        raise error
    cache.delete(name)


def numbers(names: Iterable[str]) -> dict[str, int]:
    """Give the numbers there are of these names, in one round trip."""
    found: dict[str, object] = asking.ask(lambda cache: cache.get_many(list(names)), {})
    return {name: number for name, number in found.items() if isinstance(number, int)}


def delete(identity: str | None, entries: Iterable[tuple[str, str, str]]) -> None:
    """Delete the hot copies of entries, each named by statistic, schema and key."""
    if identity is None:
        return
    space = naming.own_space(identity)
    names = [hot_entry_key(space, statistic, schema, key) for statistic, schema, key in entries]
    for start in range(0, len(names), DELETED_AT_ONCE):
        some = names[start : start + DELETED_AT_ONCE]
        asking.ask(lambda cache, some=some: cache.delete_many(some), None)  # type: ignore[misc]


def delete_statistic(identity: str | None, statistic: str) -> None:
    """Delete every hot copy of a statistic, where the backend can list keys (django-redis can)."""
    if identity is not None and isinstance(asking.cache(), RedisCache):
        pattern = hot_entry_key(naming.own_space(identity), statistic, "?" * FINGERPRINT_LENGTH, "*")
        asking.ask(lambda cache: cache.delete_pattern(pattern, itersize=DELETED_AT_ONCE), None)  # type: ignore[attr-defined]
