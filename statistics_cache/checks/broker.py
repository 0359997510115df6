"""Checks of the broker and of the tick, as Celery's app is configured; only the deploy checks ask a server."""

from collections.abc import Iterable, Iterator, Mapping
from time import time
from typing import Any

from celery import current_app
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage
from kombu.transport import TRANSPORT_ALIASES

from statistics_cache.broker.queue import NoTransport, load_transport, outages
from statistics_cache.broker.schedule import REFRESH, TICK, is_late
from statistics_cache.conf import settings
from statistics_cache.exceptions import SettingsError
from statistics_cache.hot import asking
from statistics_cache.hot import entries as hot
from statistics_cache.identity import known

from .alias import our_alias
from .declarations import declarations
from .messages import warning

REDIS = ("redis", "sentinel", "valkey")  # what addresses begin with whose transport is a client of Redis; rediss too
REDIS_OPTIONS = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "max_retries": 0}
AMQP = ("amqp", "pyamqp")  # amqps too
AMQP_OPTIONS = {"read_timeout": 0.2, "write_timeout": 0.2, "max_retries": 0}  # one publish may wait three times
JSON_CONTENT = {"json", "application/json"}
OF_ONE_PROCESS = (LocMemCache, DummyCache)  # what another process notes there is not seen here


def check_broker(**_: Any) -> list[CheckMessage]:
    """Report that there is no broker; where tasks run eagerly none is needed."""
    if current_app.conf.task_always_eager or servers():
        return []
    message = "Celery has no broker: it tries amqp on localhost, and the reader of a stale entry waits for that."
    hint = (
        "Set CELERY_BROKER_URL in the settings that the Celery app reads, and import that app in the project's "
        "__init__.py; or, to try things out, CELERY_TASK_ALWAYS_EAGER = True."
    )
    return [warning(7, message, hint)]


def check_broker_options(**_: Any) -> list[CheckMessage]:
    """Report a broker that makes a reader wait when it hangs, or tries again when it is out."""
    if current_app.conf.task_always_eager:
        return []
    return [*without(6, "Redis", REDIS, REDIS_OPTIONS), *without(8, "RabbitMQ", AMQP, AMQP_OPTIONS)]


def without(number: int, kind: str, schemes: tuple[str, ...], options: Mapping[str, float]) -> list[CheckMessage]:
    """Report which of these options a broker of a kind lacks, if there is one of it."""
    given = current_app.conf.broker_transport_options or {}
    missing = {name: value for name, value in options.items() if given.get(name) is None}
    if not missing or not any(server.startswith(schemes) for server in servers()):
        return []
    message = f"The broker is {kind}, with no {' and no '.join(missing)}: while it hangs or is down, readers wait."
    return [warning(number, message, f"Add {missing} to CELERY_BROKER_TRANSPORT_OPTIONS.")]


def check_transport(**_: Any) -> list[CheckMessage]:
    """Report a broker that Celery has no way to talk to; where tasks run eagerly none is needed."""
    return [] if current_app.conf.task_always_eager else [said for url in servers() for said in unreachable(url)]


def unreachable(url: str) -> Iterator[CheckMessage]:
    """Report that one broker's transport cannot be loaded."""
    try:
        load_transport(url)
    except NoTransport as error:
        message = f"The transport of the broker cannot be loaded ({error}): nothing is queued."
        hint = f"Correct CELERY_BROKER_URL, or install what it needs: pip install 'celery[{extra_of(url)}]'."
        yield warning(9, message, hint)


def extra_of(url: str) -> str:
    """Give the extra of Celery that the transport of a URL is in, if Celery knows its scheme."""
    scheme = url.partition(":")[0]
    return "redis" if url.startswith(REDIS) else scheme if scheme in TRANSPORT_ALIASES else "redis"


def servers() -> list[str]:
    """Give the addresses to which messages are sent: a text, several with semicolons between, or a list."""
    given: str | Iterable[str] = current_app.conf.broker_write_url or ()
    return [str(part).strip() for part in (given.split(";") if isinstance(given, str) else given)]


def check_content(**_: Any) -> list[CheckMessage]:
    """Report workers that refuse what the app sends, which is JSON whatever CELERY_TASK_SERIALIZER is."""
    given = current_app.conf.accept_content
    if current_app.conf.task_always_eager or given is None or JSON_CONTENT & set(given):
        return []
    message = f"CELERY_ACCEPT_CONTENT is {given!r}, without 'json': workers refuse every refresh and every tick."
    return [warning(18, message, f"Write CELERY_ACCEPT_CONTENT = {wanted(given)!r}.")]


def wanted(given: Any) -> list[str]:
    """Give what to write instead: a text was meant as one name."""
    return list(dict.fromkeys([*([given] if isinstance(given, str) else map(str, given)), "json"]))


def check_eager(**_: Any) -> list[CheckMessage]:
    """Report that readers do the work of workers."""
    if not current_app.conf.task_always_eager:
        return []
    message = "Tasks run eagerly: the reader that finds an entry stale computes it before it has its answer."
    return [warning(15, message, "Set CELERY_BROKER_URL, remove CELERY_TASK_ALWAYS_EAGER, and run a worker.")]


def check_tick(**_: Any) -> list[CheckMessage]:
    """Report that no tick was seen lately, though statistics are to be hydrated or messages wait for a worker."""
    alias, names = our_alias(), hydrated()
    if alias is None or issubclass(alias.backend, OF_ONE_PROCESS):
        return []
    try:
        last = hot.last_tick(known.find(known.home()))
    except known.ERRORS:  # Django says so
        return []
    if asking.breaker.is_open:  # W013 says so
        return []
    if last is not None and not is_late(last):
        return []
    waiting = waiting_messages()
    if not names and not sum(waiting.values()):
        return []
    seen = (
        "No tick was seen since the cache was last empty"
        if last is None
        else f"The last tick was seen {time() - last:,.0f} s ago"
    )
    kept = (
        f", though {', '.join(names)} are to be hydrated: nothing is refreshed before it is asked for" if names else ""
    )
    left = "".join(f" {number:,} messages wait in the queue {queue!r}." for queue, number in waiting.items())
    hint = (
        f"Run `celery -A … worker --queues {','.join(waiting) or 'celery'}` and `celery -A … beat`, with "
        "CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE} in the settings (from statistics_cache import BEAT_SCHEDULE)."
    )
    return [warning(16, f"{seen}{kept}.{left}", hint)]


def waiting_messages() -> dict[str, int]:
    """Count what waits in the queues that our messages go to, as far as the broker tells."""
    if current_app.conf.task_always_eager or not servers():
        return {}
    try:
        is_out = outages()
    except NoTransport:  # W009 says so
        return {}
    try:
        with current_app.connection_for_write() as connection:
            return {name: waiting_in(connection, name) for name in sorted(queues())}
    except is_out:
        return {}


def queues() -> set[str]:
    """Name the queues of ticks and refreshes: as declared, as set, or as Celery routes them."""
    own = {declaration.queue or queue_of_settings() for declaration in declarations()}
    return {*filter(None, own), routed(TICK), *({routed(REFRESH)} if None in own else ())}


def queue_of_settings() -> str | None:
    """Give the setting QUEUE."""
    try:
        return settings().QUEUE
    except SettingsError:  # E001 says so
        return None


def routed(task: str) -> str:
    """Name the queue that Celery sends a task to."""
    options = current_app.amqp.router.route({}, task)
    return str(getattr(options.get("queue"), "name", options.get("queue")) or current_app.conf.task_default_queue)


def waiting_in(connection: Any, name: str) -> int:
    """Count the messages in a queue; there are none in one that is not there."""
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue=name, passive=True).message_count)
        except connection.channel_errors:
            return 0


def hydrated() -> list[str]:
    """Name the statistics that the tick is to refresh, as the settings are."""
    try:
        conf = settings()
    except SettingsError:  # E001 says so
        return []
    is_on = conf.ENABLED and conf.HYDRATION_ENABLED
    return sorted(declaration.name for declaration in declarations() if declaration.is_hydrated) if is_on else []
