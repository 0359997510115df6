"""System checks of the broker, the tick and what is hydrated: silent where all is well, and by name where it is not."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from time import time
from typing import Any

import pytest
from django.core.checks import INFO, CheckMessage, Warning, run_checks  # noqa: A004  (Django's name)
from kombu.transport import TRANSPORT_ALIASES
from pytest_django import Settings
from time_machine import Traveller

from project.settings import BROKER_TIMEOUTS, redis_cache
from statistics_cache import statistic
from statistics_cache.api import registry
from statistics_cache.checks import TAG
from statistics_cache.hot import entries as hot
from tests.celery_conf import set_celery
from tests.messages import Messages
from tests.samples import Color, stock
from tests.spaces import identity

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])  # a deploy check asks whose tick it looks for

NOWHERE = "redis://127.0.0.1:1/5"  # no server is asked, except by the deploy checks: port 1 refuses at once
OPTIONS = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "max_retries": 0}
AMQP_OPTIONS = {"read_timeout": 0.2, "write_timeout": 0.2, "max_retries": 0}
Celery = Callable[..., None]


@pytest.fixture
def celery() -> Iterator[Celery]:
    """Give a function that sets what Celery's app is configured with."""
    with pytest.MonkeyPatch.context() as patch:  # undone before the messages of the test are cleared away
        for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL"):
            patch.delenv(name, raising=False)

        def set_keys(**keys: object) -> None:
            set_celery(patch, **keys)

        yield set_keys


@pytest.fixture
def declare() -> Any:
    """Give `statistic` for one declaration of a fixed name; the registry forgets it after the test."""
    return lambda **options: statistic(name="tests.declared", **options)(by_color)


def by_color(color: Color) -> int:
    """Be declared, by each test in its own way."""
    return len(color)


def found(number: int, *, deploy: bool = False, about: str = "") -> CheckMessage | None:
    """Run this app's checks and give the message of one id, about one thing, if it is there."""
    said = run_checks(tags=[TAG], include_deployment_checks=deploy)
    of_id = [message for message in said if message.id == f"statistics_cache.W{number:03}" and about in message.msg]
    assert len(of_id) <= 1
    assert all(isinstance(message, Warning) and message.hint for message in of_id)
    return of_id[0] if of_id else None


def text(message: CheckMessage | None) -> str:
    """Give the whole text of a message that must be there."""
    assert message is not None
    return f"{message.msg} {message.hint}"


# What is hydrated lives two ticks


@pytest.mark.parametrize(
    ("ttl", "tick", "jitter", "least"),
    [(59, 30, 0, 60), (66, 30, 0.1, 67), (119, 30, 0.5, 120), (300, 200, 0, 400), (1, 0.6, 0, 2)],
)
def test_a_ttl_below_two_ticks_is_reported(
    ttl: int, tick: float, jitter: float, least: int, declare: Any, conf: Any
) -> None:
    """The jitter is taken off before it is compared; the least ttl is named, and is enough."""
    conf(TICK=tick, JITTER=jitter)
    declare(ttl=timedelta(seconds=ttl), hydrate=True)
    said = text(found(5, about="tests.declared"))
    for part in (f"({ttl} s", f"{jitter:.0%}", f"({2 * tick:g} s)", f"at least {least} s"):
        assert part in said
    del registry.named["tests.declared"]
    declare(ttl=timedelta(seconds=least), hydrate=True)
    assert found(5, about="tests.declared") is None


def test_the_ttl_of_the_settings_is_compared_too(declare: Any, conf: Any) -> None:
    """Where a statistic declares none."""
    declare(hydrate=[{"color": "red"}])
    assert found(5) is None
    conf(TTL=50)
    assert found(5, about="tests.declared") is not None


def test_what_is_not_hydrated_may_have_any_ttl(declare: Any) -> None:
    """Readers refresh it."""
    declare(ttl=timedelta(seconds=1))
    assert found(5) is None


# The broker


@pytest.mark.parametrize(
    "address",
    [
        NOWHERE,
        "rediss://127.0.0.1:1",
        "redis+socket:///nowhere",
        "sentinel://127.0.0.1:1",
        "valkey://127.0.0.1:1",
        f"amqp://127.0.0.1:1; {NOWHERE}",
        [NOWHERE, f"{NOWHERE}5"],
    ],
)
@pytest.mark.parametrize("missing", [["socket_timeout"], ["socket_connect_timeout", "max_retries"], [*OPTIONS]])
def test_a_redis_broker_that_may_hang_is_reported(address: object, missing: list[str], celery: Celery) -> None:
    """Each option that is missing is named, with a value that cures it."""
    celery(
        broker_url=address, broker_transport_options={name: OPTIONS[name] for name in OPTIONS if name not in missing}
    )
    said = text(found(6))
    assert [name for name in OPTIONS if f"no {name}" in said] == missing
    assert str({name: OPTIONS[name] for name in missing}) in said
    celery(broker_transport_options=OPTIONS)
    assert found(6) is None


@pytest.mark.parametrize("address", ["amqp://127.0.0.1:1", "amqps://127.0.0.1:1", "pyamqp://127.0.0.1:1"])
@pytest.mark.parametrize("missing", [["read_timeout"], ["write_timeout", "max_retries"], [*AMQP_OPTIONS]])
def test_a_rabbitmq_that_may_hang_is_reported(address: str, missing: list[str], celery: Celery) -> None:
    """One that accepts and answers no more would keep a reader for ever; the example project's options are enough."""
    celery(
        broker_url=address,
        broker_transport_options={name: AMQP_OPTIONS[name] for name in AMQP_OPTIONS if name not in missing},
    )
    said = text(found(8))
    assert [name for name in AMQP_OPTIONS if f"no {name}" in said] == missing
    assert str({name: AMQP_OPTIONS[name] for name in missing}) in said
    celery(broker_transport_options=BROKER_TIMEOUTS["amqp"] | {"max_retries": 0})
    assert (found(6), found(8)) == (None, None)


def test_an_option_that_is_none_is_missing(celery: Celery) -> None:
    """None is what the transport takes for waiting for ever."""
    celery(broker_url=NOWHERE, broker_transport_options=OPTIONS | {"socket_timeout": None})
    assert "{'socket_timeout': 0.5}" in text(found(6))


@pytest.mark.parametrize("address", ["memory://", "filesystem://"])
def test_another_broker_is_not_judged_as_these(address: str, celery: Celery) -> None:
    """These options are of the two transports."""
    celery(broker_url=address, broker_transport_options={})
    assert (found(6), found(7), found(8)) == (None, None, None)


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("SECRET://:SECRET@127.0.0.1", ["knows no transport of its scheme", "CELERY_BROKER_URL"]),
        (
            "bare://:SECRET@127.0.0.1",
            ["no module 'tests.not_installed'", "pip install 'celery[bare]'"],
        ),
        (f"{NOWHERE};redis://:SECRET/SECRET@127.0.0.1", ["URL cannot be read", "pip install 'celery[redis]'"]),
    ],
)
def test_a_broker_without_a_transport_is_reported(
    address: str, parts: list[str], celery: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheme that Celery does not know, or whose packages are missing: with what to install, no part of the URL."""
    monkeypatch.setitem(TRANSPORT_ALIASES, "bare", "tests.not_installed:Transport")
    celery(broker_url=address)
    said = text(found(9))
    assert [part for part in parts if part not in said] == []
    assert "SECRET" not in said
    celery(broker_url=NOWHERE)
    assert found(9) is None
    celery(broker_url=address, task_always_eager=True)
    assert found(9) is None


@pytest.mark.parametrize("given", [["msgpack"], ("pickle", "yaml"), [], "json"])
def test_workers_that_take_no_json_are_reported(given: Any, celery: Celery) -> None:
    """CELERY_ACCEPT_CONTENT without json, with the line to write; a text is no list."""
    celery(broker_url=NOWHERE, broker_transport_options=OPTIONS, accept_content=given)
    assert "'json'" in text(found(18))
    assert f"CELERY_ACCEPT_CONTENT = {['json'] if given == 'json' else [*given, 'json']!r}" in text(found(18))


@pytest.mark.parametrize("given", [["json"], {"application/json", "pickle"}, None])
def test_workers_that_take_json_are_fine(given: Any, celery: Celery) -> None:
    """By either name, among others; None takes all."""
    celery(broker_url=NOWHERE, broker_transport_options=OPTIONS, accept_content=given)
    assert found(18) is None


def test_the_broker_that_is_published_to_counts(celery: Celery) -> None:
    """Where Celery has one broker for reading and one for writing, readers wait for the second."""
    celery(broker_url="amqp://127.0.0.1:1", broker_write_url=NOWHERE, broker_transport_options={})
    assert found(6) is not None
    celery(broker_url=NOWHERE, broker_write_url="amqp://127.0.0.1:1")
    assert found(6) is None


def test_no_broker_is_reported(celery: Celery) -> None:
    """Without one Celery tries amqp on localhost; the cure is named, for production and for trying out."""
    celery(broker_url=None, broker_transport_options={})
    said = text(found(7))
    assert "amqp on localhost" in said
    assert "CELERY_BROKER_URL" in said
    assert "CELERY_TASK_ALWAYS_EAGER" in said
    assert found(6) is None


def test_the_broker_of_the_environment_counts(celery: Celery) -> None:
    """Celery reads CELERY_BROKER_URL itself, before any setting."""
    celery(broker_url=None, broker_transport_options={})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CELERY_BROKER_URL", NOWHERE)
        assert found(7) is None
        assert found(6) is not None


def test_tasks_that_run_eagerly_need_no_broker(celery: Celery) -> None:
    """That is reported in production, and there alone."""
    celery(task_always_eager=True, broker_transport_options={})
    for address in (None, NOWHERE):
        celery(broker_url=address)
        assert (found(6), found(7), found(15)) == (None, None, None)
    assert "CELERY_TASK_ALWAYS_EAGER" in text(found(15, deploy=True))
    celery(task_always_eager=False)
    assert found(15, deploy=True) is None


# The tick


@pytest.mark.usefixtures("on_valkey")
def test_hydration_without_a_tick_is_reported_in_production(clock: Traveller, conf: Any) -> None:
    """Never seen, or not within three ticks: named with what is to be hydrated, and with what runs the tick."""
    assert found(16) is None
    said = text(found(16, deploy=True))
    for part in (
        "No tick was seen since the cache was last empty",
        "tests.stock",
        "celery -A … beat",
        "{**BEAT_SCHEDULE}",
    ):
        assert part in said
    conf(TICK=100)
    hot.note_tick(identity(), time())
    clock.shift(300)
    assert found(16, deploy=True) is None
    clock.shift(10)
    assert "310 s ago" in text(found(16, deploy=True))
    conf(TICK=110)
    assert found(16, deploy=True) is None


@pytest.mark.usefixtures("on_valkey")
@pytest.mark.parametrize("switch", ["HYDRATION_ENABLED", "ENABLED"])
def test_where_nothing_hydrates_no_tick_is_missed(switch: str, conf: Any) -> None:
    """Switched off, or declared by no statistic."""
    conf(**{switch: False})
    assert found(16, deploy=True) is None
    conf(**{switch: True})
    assert found(16, deploy=True) is not None
    registry.named = {name: found for name, found in registry.named.items() if not found.declaration.hydrate}
    assert found(16, deploy=True) is None


@pytest.mark.usefixtures("on_valkey")
@pytest.mark.django_db
def test_what_waits_for_a_worker_is_told(conf: Any, messages: Messages) -> None:
    """Where a worker listens to other queues: the queue by name, how many wait in it, and the line that starts one."""
    conf(HYDRATION_ENABLED=False)
    assert found(16, deploy=True) is None
    stock.answer(Color.RED, wait=False)
    stock.answer(Color.BLUE, wait=False)
    said = text(found(16, deploy=True))
    for part in ("2 messages wait in the queue 'statistics'", "worker --queues statistics"):
        assert part in said
    hot.note_tick(identity(), time())
    assert found(16, deploy=True) is None


@pytest.mark.parametrize("cache", [redis_cache(NOWHERE), None], ids=["out", "memory"])
def test_where_a_tick_could_not_be_seen_nothing_is_said(cache: dict[str, object] | None, settings: Settings) -> None:
    """A server that is out, and memory of this process alone, tell nothing of it; other checks say so."""
    if cache:
        settings.CACHES = settings.CACHES | {"statistics": cache}
    assert found(16, deploy=True) is None
    assert found(13 if cache else 11, deploy=True) is not None


@pytest.mark.parametrize("given", [{"TICKS": 1}, {"CACHE_ALIAS": "nowhere"}])
def test_wrong_settings_are_reported_once(given: object, settings: Settings) -> None:
    """No check of these fails over them; what declarations mean is told all the same."""
    settings.STATISTICS_CACHE = given
    said = [each for each in run_checks(tags=[TAG], include_deployment_checks=True) if each.level > INFO]
    assert [str(message.id) for message in said] == [f"statistics_cache.E00{1 if 'TICKS' in str(given) else 2}"]
