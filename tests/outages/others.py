"""Outages of the broker and of the clock, and two versions of the code at once."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial

from celery import current_app
from django.conf import settings

from statistics_cache.api import registry
from statistics_cache.changing import receiving
from tests.models import Paint
from tests.outages.declared import declare
from tests.outages.world import SOCKET_TIMEOUT, World
from tests.samples import Color

Hurt = Callable[[World], AbstractContextManager[None]]

HOUR = timedelta(hours=1)
PATIENT = {"socket_timeout": 30, "socket_connect_timeout": 30, "max_retries": 0}  # a busy broker is not out
SHORT = {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": SOCKET_TIMEOUT, "max_retries": 0}


@contextmanager
def on_broker(world: World) -> Iterator[None]:
    """Publish to the real broker, about an entry that is stale: its source has changed."""
    changed = {"broker_url": f"{world.broker.url}/0", "broker_transport_options": PATIENT}
    before = {name: current_app.conf[name] for name in changed}
    use(changed)
    world.broker.admin.flushall()
    world.may_be_stale = True
    world.write()
    try:
        yield
    finally:
        use(before)


def use(conf: Mapping[str, object]) -> None:
    """Set Celery's options, and forget connections that were made under others."""
    for name, value in conf.items():
        setattr(settings, f"CELERY_{name.upper()}", value)  # Celery before 5.7 hides its own `conf` behind these
    current_app.amqp._producer_pool = None


@contextmanager
def broker_refused(world: World) -> Iterator[None]:
    """Nobody listens where the broker was."""
    with world.broker.proxy.refusing(), brokerless(world):
        yield


@contextmanager
def broker_hung(world: World) -> Iterator[None]:
    """The broker takes connections and answers nothing."""
    with world.broker.hung(), brokerless(world):
        yield


@contextmanager
def brokerless(world: World) -> Iterator[None]:
    """Wait for less long, and let the oracle know."""
    world.is_brokerless = True
    use({"broker_transport_options": SHORT})
    yield
    use({"broker_transport_options": PATIENT})
    world.is_brokerless = False


@contextmanager
def clock_stepped(step: timedelta, world: World) -> Iterator[None]:
    """The clock is set otherwise, and set right at the end."""
    world.clock.shift(step)
    world.may_be_stale = True
    world.is_hidden = True  # it is expired: too old, or too far ahead
    try:
        yield
    finally:
        world.clock.shift(-step)


@contextmanager
def deployed(world: World) -> Iterator[None]:
    """Other code runs beside ours: the same statistic in another version, with entries of its own."""
    ours, watching = dict(registry.named), receiving.WATCHES[Paint]
    registry.named.clear()
    theirs = declare(version=2)
    receiving.WATCHES[Paint] = [each for each in watching if each.declaration is not theirs.declaration]
    registry.named.clear()
    registry.named.update(ours)
    for _ in range(2):
        assert theirs(Color.RED) == world.truth(Color.RED)
    yield
    given = theirs.answer(Color.RED)
    assert (given.value, given.state) == (world.truth(Color.RED), "fresh")


BROKER: dict[str, Hurt] = {"broker refused": broker_refused, "broker hung": broker_hung}
CLOCK: dict[str, Hurt] = {
    "clock back": partial(clock_stepped, -HOUR),
    "clock forward": partial(clock_stepped, HOUR),
}
DEPLOY: dict[str, Hurt] = {"deploy": deployed}
