"""Outages of the cache: it is gone, silent, empty, full, read-only, older than it was, or not what it seems."""

import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, ClassVar

import pytest
import redis

from statistics_cache.hot import counters
from statistics_cache.models import StatisticEntry
from tests.outages.proxy import HOST, Mode
from tests.outages.world import World

MAX_PAYLOAD = 100_000  # bytes; tests set it, so that a payload beyond it is quickly made
NOBODY = "1"  # a port where no primary is

Hurt = Callable[[World], AbstractContextManager[None]]


@contextmanager
def refused(world: World) -> Iterator[None]:
    """Nobody listens."""
    with world.pair.proxy.refusing():
        yield


@contextmanager
def hung(world: World) -> Iterator[None]:
    """It takes connections and answers nothing."""
    with world.pair.hung():
        yield


@contextmanager
def proxied(mode: Mode, world: World) -> Iterator[None]:
    """Something is wrong on the way."""
    with world.pair.proxy.doing(mode):
        yield


@contextmanager
def flushed(world: World) -> Iterator[None]:
    """It is empty."""
    world.admin.flushall()
    yield


@contextmanager
def killed(world: World) -> Iterator[None]:
    """It was killed, and is empty when it is back."""
    world.pair.kill()
    world.pair.saved.unlink(missing_ok=True)
    world.pair.come_back()
    yield


@contextmanager
def restored(world: World) -> Iterator[None]:
    """It is back from a snapshot that is older than the last write."""
    saved = world.pair.snapshot()
    world.write()
    world.warm()
    world.pair.kill()
    world.pair.saved.write_bytes(saved)
    world.pair.come_back()
    world.lose()
    yield


@contextmanager
def failed_over(world: World) -> Iterator[None]:
    """A replica that has missed the last write is the primary now."""
    world.pair.catch_up()
    world.pair.replica.replicate("NO", "ONE")
    world.write()
    world.warm()
    world.lose()
    try:
        with world.pair.failed_over():
            yield
    finally:
        world.pair.follow()


@contextmanager
def full(world: World) -> Iterator[None]:
    """It has no memory left, and evicts nothing."""
    world.admin.config_set("maxmemory-policy", "noeviction")
    world.admin.config_set("maxmemory", 1)
    with pytest.raises(redis.OutOfMemoryError):
        world.admin.set("more", 1)
    try:
        yield
    finally:
        world.admin.config_set("maxmemory", 0)


@contextmanager
def read_only(world: World) -> Iterator[None]:
    """It was demoted: it follows another, and takes no writes."""
    world.pair.replicate(HOST, NOBODY)
    with pytest.raises(redis.ReadOnlyError):
        world.admin.set("more", 1)
    try:
        yield
    finally:
        world.pair.replicate("NO", "ONE")


@contextmanager
def without_primary(world: World) -> Iterator[None]:
    """It follows one that is gone, and does not answer from what it has."""
    world.admin.config_set("replica-serve-stale-data", "no")
    try:
        with read_only(world):
            yield
    finally:
        world.admin.config_set("replica-serve-stale-data", "yes")


@contextmanager
def without_rights(world: World) -> Iterator[None]:
    """An operator has taken its user's rights."""
    world.admin.acl_setuser("default", enabled=True, categories=["-@all", "+@admin"])
    with pytest.raises(redis.exceptions.NoPermissionError):
        world.admin.get("anything")
    try:
        yield
    finally:
        world.admin.acl_setuser("default", enabled=True, categories=["+@all"])


@contextmanager
def evicted(kind: str, world: World) -> Iterator[None]:
    """Some keys are gone."""
    assert world.admin.delete(*keys(world, kind))
    yield


@contextmanager
def foreign(text: bytes, world: World) -> Iterator[None]:
    """Generations, and whatever else is counted, are no numbers."""
    world.statistic.get_cache_info()  # which makes counts
    for key in [*keys(world, "generation"), *keys(world, "count")]:
        world.admin.set(key, text)
    counters.note(world.statistic.name, "hit")  # so that there is something to add to what is no number
    yield


@contextmanager
def lists(kind: str, world: World) -> Iterator[None]:
    """Keys are of another type than ours."""
    for key in keys(world, kind):
        world.admin.delete(key)
        world.admin.rpush(key, "foreign")
    yield


@contextmanager
def spoilt(spoil: Callable[[bytes], bytes], world: World) -> Iterator[None]:
    """Hot entries are something else than what was written."""
    for key in keys(world, "entry"):
        found = world.admin.get(key)
        assert isinstance(found, bytes)
        world.admin.set(key, spoil(found))
    yield
    assert not Bomb.marks


@contextmanager
def spoilt_rows(payload: str, world: World) -> Iterator[None]:
    """What is stored is spoilt in both tiers."""
    world.admin.delete(*keys(world, "entry"))
    StatisticEntry.objects.using(world.database).update(payload=payload)
    world.is_hidden = True
    yield


def keys(world: World, kind: str) -> list[bytes]:
    """Give the keys of one kind."""
    found: Any = world.admin.keys(f"*:{kind}:*")
    assert found
    return list(found)


def leave_mark(mark: str) -> None:
    """Be what a pickle calls."""
    Bomb.marks.append(mark)


class Bomb:
    """What leaves a mark in the process that unpickles it."""

    marks: ClassVar[list[str]] = []

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        """Have the mark left."""
        return leave_mark, ("unpickled",)


def with_payload(payload: bytes) -> Callable[[bytes], bytes]:
    """Keep the header, save the length, and put another payload behind it."""
    return lambda found: found.partition(b"\n")[0].rpartition(b" ")[0] + b" %d\n" % len(payload) + payload


def with_times(first: bytes) -> Callable[[bytes], bytes]:
    """Keep everything but two numbers of the header: computed_at and cost."""

    def spoil(found: bytes) -> bytes:
        header, _, payload = found.partition(b"\n")
        *before, _, proved_at, _, length = header.split(b" ")
        return b" ".join([*before, first, proved_at, first, length]) + b"\n" + payload

    return spoil


SPOILT: dict[str, Callable[[bytes], bytes]] = {
    "corrupt": lambda _: b"\xff\x00\xfe statistic/1 \n{",
    "truncated": lambda found: found[: len(found) - 5],
    "of another schema": with_payload(b'{"litres": "many", "cans": []}'),
    "a pickle": lambda _: pickle.dumps(Bomb()),
    "a pickle behind a header": with_payload(pickle.dumps(Bomb())),
    "too long": with_payload(b'{"pots": 1, "litres": 1, "more": "' + b"x" * MAX_PAYLOAD + b'"}'),
    "deeply nested": with_payload(b"[" * (MAX_PAYLOAD // 2) + b"]" * (MAX_PAYLOAD // 2)),
    "of the year a billion": with_times(b"31556952000000000.0"),
    "of no time": with_times(b"nan"),
    "a number": lambda _: b"7",
}

GONE: dict[str, Hurt] = {
    "cache refused": refused,
    "cache hung": hung,
    "cache cut": partial(proxied, "cut"),
    "cache delayed": partial(proxied, "delay"),
    "cache swallowed": partial(proxied, "swallow"),
    "cache full": full,
    "cache read-only": read_only,
    "cache without primary": without_primary,
    "cache without rights": without_rights,
}
LOST: dict[str, Hurt] = {
    "cache flushed": flushed,
    "cache killed": killed,
    "cache restored": restored,
    "cache failed over": failed_over,
    "entry evicted": partial(evicted, "entry"),
    "generation evicted": partial(evicted, "generation"),
}
WRONG: dict[str, Hurt] = {
    "generation text": partial(foreign, b"not a number"),
    "generation list": partial(lists, "generation"),
    "entry list": partial(lists, "entry"),
    "entry corrupt": partial(spoilt, SPOILT.pop("corrupt")),
    "row corrupt": partial(spoilt_rows, '{"pots": 1, "lit'),
}
STRANGE: dict[str, Hurt] = {
    "row deeply nested": partial(spoilt_rows, "[" * 50_000),
    **{f"entry {name}": partial(spoilt, spoil) for name, spoil in SPOILT.items()},
}
