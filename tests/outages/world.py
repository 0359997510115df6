"""What is true in a test: what was committed, what may be given of it, and how time passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, time
from typing import Any, Literal, NamedTuple

import redis
from django.db import InterfaceError, InternalError, OperationalError, close_old_connections, connections
from time_machine import Traveller

from statistics_cache.api import Statistic
from statistics_cache.broker import queue
from statistics_cache.hot import asking
from tests.messages import Messages
from tests.models import Paint
from tests.outages.proxy import Proxy
from tests.outages.servers import Pair, Valkey
from tests.samples import Color, Stock
from tests.waiting import until

PROOF_INTERVAL = 30.0
SOCKET_TIMEOUT = 0.2  # seconds that one call may wait for a server that is out
REFUSALS = (OperationalError, InterfaceError, InternalError)  # how a database refuses


Needs = Literal["nothing", "reads", "writes"]  # of a database; one that does not read does not write either


class Pauses:
    """The clock of the breakers: real, and a pause later whenever a test says so."""

    skipped = 0.0

    def __call__(self) -> float:
        """Give the time."""
        return monotonic() + self.skipped

    def skip(self) -> None:
        """Let every pause be over."""
        self.skipped += 1000.0


class Done(NamedTuple):
    """What a verb came to: what it gave or raised, how long that took, and what the cache was sent."""

    given: object
    error: Exception | None
    seconds: float
    asked: int


@dataclass
class World:
    """The servers, the committed truth, and what the outage under way lets a reader see of it."""

    database: str
    pair: Pair
    broker: Valkey
    postgres: Proxy
    postgres_url: str
    clock: Traveller
    pauses: Pauses
    statistic: Statistic[..., Stock]
    pots: dict[Color, list[int]] = field(default_factory=dict)
    before: dict[Color, list[list[int]]] = field(default_factory=dict)
    lags_until: float = 0.0  # until then a delivery that was lost may not have been noticed
    is_current: bool = True  # whether what is stored holds all that is committed
    is_hidden: bool = False  # whether what is stored cannot be read any more
    may_be_stale: bool = False  # whether policy lets a call give what is stale
    refuses: Needs = "nothing"  # what the database does not do
    is_brokerless: bool = False  # whether nothing can be queued

    @property
    def admin(self) -> redis.Redis:
        """Give a way to the cache's server that no outage is in."""
        return self.pair.admin

    def begin(self) -> None:
        """Empty the cache; then one pot of each colour, and warm entries of them in both tiers."""
        self.admin.flushall()
        self.pots = {color: [] for color in Color}
        self.before = {color: [] for color in Color}
        for color in Color:
            self.write(color)
        self.warm()

    def warm(self) -> None:
        """Read everything until it is hot."""
        until(self.is_hot, "entries do not get hot")
        self.is_current = True

    def is_hot(self) -> bool:
        """Read everything, and tell whether it was fresh in the hot tier; a busy machine may take a few tries."""
        self.pauses.skip()
        answers = [self.statistic.answer(color) for color in Color]
        return all((answer.state, answer.tier) == ("fresh", "hot") for answer in answers)

    def write(self, color: Color = Color.RED) -> None:
        """Change a source; it is true if the database took it. Raises how the database refuses."""
        litres = 10 ** len(self.pots[color])
        Paint.objects.create(color=color, litres=litres)
        self.before[color].append(list(self.pots[color]))
        self.pots[color].append(litres)
        self.is_current = False

    def truth(self, color: Color, *, doubled: bool = False) -> Stock:
        """Give what is committed."""
        return stock_of(self.pots[color], doubled=doubled)

    def was_true(self, value: object, color: Color, *, doubled: bool = False) -> bool:
        """Tell whether a value is committed now, or was."""
        return value in [stock_of(pots, doubled=doubled) for pots in [self.pots[color], *self.before[color]]]

    def lose(self) -> None:
        """Note that a delivery was lost: readers notice within the proof interval from now."""
        self.lags_until = time() + PROOF_INTERVAL

    def do(self, act: Callable[["World"], object]) -> Done:
        """Do something as a request does, and measure it."""
        close_old_connections()
        began, before = monotonic(), self.asked()
        given: object = None
        error: Exception | None = None
        try:
            given = act(self)
        except Exception as raised:  # noqa: BLE001  (the oracle says which may be raised)
            error = raised
        return Done(given, error, monotonic() - began, self.asked() - before)

    def asked(self) -> int:
        """Count what was sent to the cache."""
        return self.pair.proxy.asked

    def recover(self) -> None:
        """Let the pauses of the breakers end, and the proof of what was lost meanwhile grow old."""
        close_old_connections()
        self.pauses.skip()
        if self.lags_until:
            self.clock.shift(timedelta(seconds=PROOF_INTERVAL + 1))

    def work(self) -> int:
        """Do what is queued, as a worker does."""
        return Messages().work()


def stock_of(pots: list[int], *, doubled: bool) -> Stock:
    """Give what there is of some pots."""
    return Stock(pots=len(pots), litres=sum(pots) * (1 + doubled))


@contextmanager
def slow_breakers(pauses: Pauses) -> Iterator[None]:
    """Let a test say when the pauses of the breakers end."""
    breakers = (asking.breaker, queue.breaker)
    clocks = [breaker.clock for breaker in breakers]
    for breaker in breakers:
        breaker.clock = pauses
    try:
        yield
    finally:
        for breaker, clock in zip(breakers, clocks, strict=True):
            breaker.clock = clock


@contextmanager
def connected(alias: str, **changed: Any) -> Iterator[None]:
    """Let this thread's connection be made anew with other settings."""
    connection = connections[alias]
    before = {name: connection.settings_dict[name] for name in changed}
    connection.close()
    connection.settings_dict.update(changed)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before)
