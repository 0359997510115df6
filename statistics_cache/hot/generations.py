"""The generations of the hot tier: one number per scope, begun at random, moved by each change, unknown if missing."""

from collections.abc import Iterable, Mapping, Sequence
from random import randint, uniform
from typing import Any

from django.core.cache import BaseCache
from django_redis.cache import RedisCache

from statistics_cache.conf import limits
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import EVERY_SCOPE, generation_key
from statistics_cache.entry import A_DAY

from . import asking, naming

MAX_START = 2**52  # a generation starts anywhere below: Redis' Lua gives exact integers up to 2**53
MAX_BUMPS = 8  # scopes bumped one by one; beyond, every scope of the statistic falls at once


def tokens_of(found: Iterable[object]) -> tuple[int, ...] | None:
    """Give the generations; None unless each is there and an integer, for missing equals nothing."""
    tokens = tuple(found)
    return tokens if all(type(token) is int for token in tokens) else None  # type: ignore[return-value]


def start_tokens(
    declaration: Declaration[..., Any], variants: Sequence[Variant], identity: str
) -> list[tuple[int, ...] | None]:
    """Give each missing generation a random start, then read the tokens: what another process added first wins."""
    space = naming.own_space(identity)
    keys = [naming.hot_keys(declaration, variant, space)[1:] for variant in variants]
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

    found: dict[str, Any] = asking.ask(start, {})
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


def bump(identity: str, moves: Mapping[str, Iterable[str]]) -> None:
    """Move the generations of scopes, by statistic, in one round trip: entries that hold the old are believed no more.

    A missing generation is left missing, which means unknown. Above 8 scopes of a statistic, the one of every scope
    moves instead. While the server is out nothing moves; that is made good, for every scope, when it is found to
    answer again.
    """
    space = naming.own_space(identity)
    names = [name for statistic, scopes in moves.items() for name in generations_of(space, statistic, scopes)]
    is_moved = False
    try:
        is_moved = asking.ask(lambda cache: move(cache, names), default=False)
    finally:
        if not is_moved:
            asking._undelivered.update(made(generation_key(space, statistic, EVERY_SCOPE)) for statistic in moves)
    if not is_moved:
        asking.deliver_what_is_left()  # the probe of another thread may just have ended


def made(name: str) -> str:
    """Give a name as it stands in Redis: whoever delivers it later may be in another tenant's place."""
    known = asking.cache()
    return known.client.make_key(name) if isinstance(known, RedisCache) else name


def generations_of(space: str, statistic: str, scopes: Iterable[str]) -> list[str]:
    """Give the names of the generations that are to move."""
    named = list(dict.fromkeys(scopes))
    return [generation_key(space, statistic, scope) for scope in (named if len(named) <= MAX_BUMPS else [EVERY_SCOPE])]


def move(cache: BaseCache, names: Sequence[str]) -> bool:
    """Move generations: in one round trip where the server is Redis."""
    if isinstance(cache, RedisCache) and len(names) > 1 and not asking.is_shards(cache):
        move_at_once(cache, names)
    else:
        for name in names:
            asking.bump_one(cache, name)
    return True


def move_at_once(cache: RedisCache, names: Sequence[str]) -> None:
    """Move generations in one round trip, each as `bump_one` does."""
    pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
    for name in names:
        pipeline.execute_command("EVAL", MOVE, 1, str(cache.client.make_key(name)), randint(1, asking.MAX_DELTA))
    asking.raise_first(pipeline.execute(raise_on_error=False))


# Move a generation that is there; what cannot be moved (no number; no memory left) is deleted: then it is unknown.
MOVE = """
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local moved = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(moved) == 'table' and moved.err then return redis.call('DEL', KEYS[1]) end
return 1
"""
