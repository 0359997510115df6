"""The leases that this process holds: renewed while their computes run, given back by their own tokens."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from threading import Condition, Thread
from time import monotonic
from typing import Any, NamedTuple

from django.core.cache import BaseCache
from django.db import connections
from django.dispatch import receiver
from django_redis.cache import RedisCache

from statistics_cache.conf import settings
from statistics_cache.signals import breaker_changed

from . import asking

TIMES = 10  # its entry's last cost, that a lease stands for without renewal: who is only slow does not lose it
SHORTEST = 2.0  # seconds that it stands for at least: a killed process is noticed soon, a busy one gets to renewing
RENEWALS = 3  # tries to renew a lease before it ends
LONGEST = 3_600.0  # seconds after which a compute that has not ended is taken to hang, and is renewed no more
MOST_KEPT = 100  # leases that one process gives back after an outage: more would hold up its probe; they expire


class Lease(NamedTuple):
    """The right to compute an entry: its name, the token of who holds it, and the seconds it stands for."""

    name: str
    mine: str
    span: float


def span_for(cost: float) -> float:
    """Give the seconds that a lease stands for without renewal, by what its entry cost last; 0 is unknown."""
    return min(max(SHORTEST, TIMES * cost), settings().LEASE_TTL)


@dataclass
class Held:
    """A lease that is held: when it was taken, and when it is next to be renewed, by `time.monotonic`."""

    lease: Lease
    began: float
    due: float


class Holder:
    """All leases of this process, and the one thread that renews them: it starts at need, and sleeps without."""

    def __init__(self) -> None:
        """Begin with none; a forked child holds none of its parent's, whose threads stayed there."""
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self.changed = Condition()
        self.held: dict[str, Held] = {}
        self.ended: dict[str, tuple[Lease, float]] = {}  # those given back, and when they would have ended anyway
        self.thread: Thread | None = None
        self.wakes_at = inf

    def hold(self, lease: Lease) -> None:
        """Have a lease renewed from now on."""
        now = monotonic()
        with self.changed:
            held = self.held[lease.mine] = Held(lease, now, now + lease.span / RENEWALS)
            if self.thread is None or not self.thread.is_alive():
                self.thread = Thread(target=self.renew_all, name="statistics leases", daemon=True)
                self.thread.start()
            elif held.due < self.wakes_at:
                self.changed.notify()

    def end(self, lease: Lease) -> None:
        """Renew a lease no more, and remember that it was ours for as long as it may still stand."""
        now = monotonic()
        with self.changed:
            self.held.pop(lease.mine, None)
            self.ended[lease.mine] = lease, now + lease.span
            while len(self.ended) > MOST_KEPT:
                del self.ended[next(iter(self.ended))]

    def standing(self) -> list[Lease]:
        """Give the leases that were given back, and stand again if a server has forgotten that."""
        now = monotonic()
        with self.changed:
            self.ended = {mine: (lease, until) for mine, (lease, until) in self.ended.items() if now < until}
            return [lease for lease, _ in self.ended.values()]

    def renew_all(self) -> None:
        """Renew what is due, for ever."""
        while True:
            for lease in self.await_due():
                if not renew(lease):
                    with self.changed:
                        self.held.pop(lease.mine, None)
            connections.close_all()  # a cache may be a database's

    def await_due(self) -> list[Lease]:
        """Wait until leases are to be renewed, and give them."""
        with self.changed:
            while not (due := self.take_due()):
                self.wakes_at = min((held.due for held in self.held.values()), default=inf)
                self.changed.wait(None if self.wakes_at == inf else max(0.0, self.wakes_at - monotonic()))
            return due

    def take_due(self) -> list[Lease]:
        """Give the leases that are to be renewed now; what is taken to hang is let go."""
        now = monotonic()
        self.held = {mine: held for mine, held in self.held.items() if now - held.began < LONGEST}
        due = [held for held in self.held.values() if held.due <= now]
        for held in due:
            held.due = now + held.lease.span / RENEWALS
        return [held.lease for held in due]


holder = Holder()


def give_back(lease: Lease) -> None:
    """Give a lease back, unless it has passed to another meanwhile; after an outage of the hot tier once more.

    Else all who miss the entry then would wait for somebody who has long ended: the server may not have been told, or
    may have forgotten it.
    """
    holder.end(lease)
    asking.ask(lambda cache: delete(cache, [lease]), None)


@receiver(breaker_changed)
def give_back_again(name: str, is_open: bool, **_: Any) -> None:
    """When the hot tier answers again, give back what it may believe to be held."""
    if name == asking.breaker.name and not is_open and (leases := holder.standing()):
        asking.ask(lambda cache: delete(cache, leases), None)


def renew(lease: Lease) -> bool:
    """Let a lease stand for its span from now on; False if it is not ours any more. While the hot tier is out it may
    still be."""
    return asking.ask(lambda cache: extend(cache, lease), default=True)


# A lease is changed by whoever holds it alone. Each in one step: between two it might pass to another.
EXTEND = "if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0"
DELETE = "if redis.pcall('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


def extend(cache: BaseCache, lease: Lease) -> bool:
    """Move the end of a lease that is still ours; tell whether it is."""
    if isinstance(cache, RedisCache) and not asking.is_shards(cache):
        client = cache.client.get_client(write=True)
        return bool(client.eval(EXTEND, 1, *written(cache, lease), max(1, int(lease.span * 1000))))
    return cache.get(lease.name) == lease.mine and cache.touch(lease.name, timeout=lease.span)


def delete(cache: BaseCache, leases: Iterable[Lease]) -> None:
    """Delete those leases that are still ours: in one round trip where the server is Redis."""
    if isinstance(cache, RedisCache) and not asking.is_shards(cache):
        pipeline = cache.client.get_client(write=True).pipeline(transaction=False)
        for lease in leases:
            pipeline.execute_command("EVAL", DELETE, 1, *written(cache, lease))
        pipeline.execute()
    else:
        for lease in leases:
            if cache.get(lease.name) == lease.mine:
                cache.delete(lease.name)


def written(cache: RedisCache, lease: Lease) -> tuple[str, Any]:
    """Give a lease's key and token as they stand in Redis."""
    return str(cache.client.make_key(lease.name)), cache.client.encode(lease.mine)
