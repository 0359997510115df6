"""Single flight: of all who want one entry computed one does, in a process by a flight, across processes by a lease.

Efficiency, never a condition of correctness: a lease may expire, be lost or be held twice, and no answer is wrong.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from random import uniform
from secrets import token_hex
from threading import Event, Lock
from time import monotonic, sleep
from typing import Any, NamedTuple

from django.core.cache import BaseCache
from django_redis.cache import RedisCache

from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import lease_key
from statistics_cache.entry import Copy

from . import asking, naming
from .holding import LONGEST, Lease, give_back, holder, span_for

FIRST_PAUSE, LONGEST_PAUSE = (
    0.005,
    0.1,
)  # seconds between tries for a lease: short computes lose little, long ones ask little


class Landing(NamedTuple):
    """What a flight brought: a copy, or the exception that the function raised under a copy's token."""

    copy: Copy
    error: BaseException | None = None


class Flight:
    """One compute in this process, which other threads may wait for; `landing` stays None if there is none to share.

    It has `landed` when its value is there, and `ended` when that is stored, too.
    """

    def __init__(self) -> None:
        """Begin in the air."""
        self.landed = Event()
        self.ended = Event()
        self.landing: Landing | None = None
        self.began = monotonic()

    @property
    def is_lost(self) -> bool:
        """Tell whether it is taken to hang, as its lease is: others need not wait for it."""
        return monotonic() - self.began >= LONGEST

    def land(self, landing: Landing | None) -> None:
        """Let those who wait go on, the first time it is called."""
        if not self.landed.is_set():
            self.landing = landing
            self.landed.set()


class Flights:
    """The flights of this process by entry."""

    def __init__(self) -> None:
        """Begin with none; a forked child has none of its parent's, for their threads stayed there."""
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self.lock = Lock()
        self.flying: dict[str, Flight] = {}

    def board(self, name: str) -> tuple[Flight, bool]:
        """Give the flight of an entry, and whether the caller is the one who flies it."""
        with self.lock:
            if (flight := self.flying.get(name)) is not None and not flight.is_lost:
                return flight, False
            flight = self.flying[name] = Flight()
            return flight, True

    def end(self, name: str, flight: Flight) -> None:
        """Take a flight off; who still waits looks again."""
        with self.lock:
            if self.flying.get(name) is flight:
                del self.flying[name]
        flight.land(None)
        flight.ended.set()


flights = Flights()


def name_of(declaration: Declaration[..., Any], variant: Variant, identity: str) -> str:
    """Give the name of an entry's lease: with its database's identity and the schema's fingerprint, as its hot key."""
    return lease_key(naming.own_space(identity), declaration.name, declaration.fingerprint, variant.key)


@contextmanager
def held(name: str, deadline: float, cost: float = 0.0) -> Iterator[bool]:
    """Hold the lease of an entry; False if another process still has it at the deadline (of `time.monotonic`).

    By the entry's last cost, 0 if unknown, it stands for a while by itself; while it is held it is renewed. Nobody
    holds it while the hot tier is out: then every process computes for itself.
    """
    mine = f"lease {token_hex(8)}"  # never all digits, which django-redis would give back as an integer
    lease = Lease(name, mine, span_for(cost))
    if not acquire(lease, deadline):
        yield False
        return
    holder.hold(lease)
    try:
        yield True
    finally:
        give_back(lease)


def acquire(lease: Lease, deadline: float) -> bool:
    """Try for a lease until the deadline, at least once."""
    pause = FIRST_PAUSE
    while not take(lease):
        is_last = monotonic() + pause >= deadline
        if (is_last or pause == FIRST_PAUSE) and is_freed(lease.name) and take(lease):
            return True
        if is_last:
            return False
        sleep(pause)
        pause = min(LONGEST_PAUSE, pause * uniform(1.5, 2.5))
    return True


def take(lease: Lease) -> bool:
    """Take a lease, unless somebody has it."""
    return asking.ask(lambda cache: cache.add(lease.name, lease.mine, timeout=lease.span), default=True)


def is_freed(name: str) -> bool:
    """Delete what stands in a lease's place and is none, for it might stand there for ever; tell whether there was."""
    return asking.ask(lambda cache: discard_foreign(cache, name), default=False)


def discard_foreign(cache: BaseCache, name: str) -> bool:
    """Delete what is no lease; tell whether there was something."""
    if (found := holder_of(cache, name)) is None or (isinstance(found, str) and ends(cache, name)):
        return False
    cache.delete(name)
    return True


def holder_of(cache: BaseCache, name: str) -> object:
    """Give what stands in a lease's place: a text if it is a lease, None for nothing."""
    try:
        return cache.get(name)
    except asking.SUSPECTS as error:  # of a type that cannot be read
        if asking.is_outage(error):
            raise
        return error


def ends(cache: BaseCache, name: str) -> bool:
    """Tell whether what is there expires; only Redis tells that."""
    return not isinstance(cache, RedisCache) or cache.ttl(name) is not None
