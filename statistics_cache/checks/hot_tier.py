"""Checks of the settings and of the cache alias that is the hot tier."""

from collections.abc import Iterator
from typing import Any

import redis
from django.conf import settings as django_settings
from django.core.cache.backends.dummy import DummyCache
from django.core.checks import CheckMessage
from django_redis.client import DefaultClient, HerdClient

from statistics_cache.conf import NOTHING, read_settings, settings
from statistics_cache.exceptions import SettingsError
from statistics_cache.serializer import TextSerializer

from .alias import HAS_RETRIES, Alias, AliasError, class_of, other_aliases, our_alias, read_alias
from .messages import error, warning

TEXT_SERIALIZER = "statistics_cache.serializer.TextSerializer"
PICKLE_SERIALIZER = "django_redis.serializers.pickle.PickleSerializer"  # django-redis' own default
BY_SENTINEL = (
    "Write LOCATION = 'redis://NAME/1?is_master=1', OPTIONS['CLIENT_CLASS'] = 'django_redis.client.DefaultClient' and "
    "OPTIONS['CONNECTION_FACTORY'] = 'django_redis.pool.SentinelConnectionFactory'."
)
TIMEOUTS = ("socket_timeout", "socket_connect_timeout")


def check_settings(**_: Any) -> list[CheckMessage]:
    """Report everything wrong in STATISTICS_CACHE."""
    try:
        read_settings(getattr(django_settings, "STATISTICS_CACHE", NOTHING))
    except SettingsError as wrong:
        return [error(1, str(wrong), "Correct settings.STATISTICS_CACHE.")]
    return []


def check_alias(**_: Any) -> list[CheckMessage]:
    """Report a CACHE_ALIAS that names nothing usable."""
    try:
        read_alias(settings().CACHE_ALIAS)
    except SettingsError:  # E001 says so
        return []
    except AliasError as wrong:
        return [error(2, str(wrong), "Let STATISTICS_CACHE['CACHE_ALIAS'] name a working entry of CACHES.")]
    return []


def check_contract(**_: Any) -> list[CheckMessage]:
    """Report an alias on which fresh would not mean fresh."""
    alias = our_alias()
    return list(contract_faults(alias)) if alias else []


def contract_faults(alias: Alias) -> Iterator[CheckMessage]:
    """Give what breaks the contract on an alias."""
    place = f"CACHES[{alias.name!r}]"
    if issubclass(alias.backend, DummyCache):
        yield error(
            3, f"{place} is a DummyCache, which keeps nothing.", "Use django-redis, or ENABLED=False to do without."
        )
    if alias.ignores_exceptions:
        yield error(
            4,
            f"{place} ignores exceptions, so a failed delivery looks delivered and old values stay fresh.",
            "Set OPTIONS['IGNORE_EXCEPTIONS'] = False on this alias; statistics cope with a server that is down.",
        )
    if alias.is_redis and (why := serializer_fault(alias)):
        yield error(
            5, f"{place} {why}", f"Use django_redis.cache.RedisCache with OPTIONS['SERIALIZER'] = {TEXT_SERIALIZER!r}."
        )
    if alias.reads_replicas:
        own = "Give it one LOCATION, the primary's, and django_redis.client.DefaultClient."
        yield error(
            6,
            f"{place} reads from replicas, which run behind the changes that were delivered.",
            BY_SENTINEL if alias.asks_sentinel else own,
        )
    yield from client_faults(alias, place) if alias.is_django_redis else ()


def client_faults(alias: Alias, place: str) -> Iterator[CheckMessage]:
    """Give what keeps a client of Redis from doing what statistics ask of it."""
    if not HAS_RETRIES:
        yield error(
            7,
            f"redis-py {redis.__version__} is installed; statistics need 6 or newer.",
            "Run `pip install 'redis>=6'`, with a celery[redis] that takes it: 5.6 or newer.",
        )
    if alias.decodes:
        yield error(
            8,
            f"{place} sets decode_responses: one value that is no UTF-8 would fail a whole read.",
            "Remove decode_responses from CONNECTION_POOL_KWARGS and LOCATION; give others an alias of their own.",
        )
    if not issubclass(alias.client, DefaultClient) or issubclass(alias.client, HerdClient):
        yield error(
            9,
            f"{place} has the CLIENT_CLASS {alias.client.__name__}, which changes what is stored, or cannot count.",
            "Write OPTIONS['CLIENT_CLASS'] = 'django_redis.client.DefaultClient', or leave it out.",
        )


def serializer_fault(alias: Alias) -> str | None:
    """Say why values of an alias are not our text; None where they are."""
    if not alias.is_django_redis:
        return "is served by Django's own Redis backend, which stores pickles: a writer to Redis could run code."
    path = alias.options.get("SERIALIZER", PICKLE_SERIALIZER)
    try:
        serializer = class_of(path, "SERIALIZER")
    except (ImportError, AliasError) as wrong:
        return f"has the SERIALIZER {path!r}, which cannot be imported: {wrong}."
    if isinstance(serializer, type) and issubclass(serializer, TextSerializer):
        return None
    return f"has the SERIALIZER {path!r}, which is not the statistics' text: one odd value would fail a whole read."


def check_connections(**_: Any) -> list[CheckMessage]:
    """Report an alias on which a server that is out costs more than it must."""
    alias = our_alias()
    return list(connection_faults(alias)) if alias and alias.is_django_redis else []


def connection_faults(alias: Alias) -> Iterator[CheckMessage]:
    """Give what makes an outage of a django-redis alias slow."""
    place = f"CACHES[{alias.name!r}]"
    for twin in other_aliases(alias):
        if twin.is_django_redis and set(twin.servers) & set(alias.servers):
            yield warning(
                1,
                f"{place} and CACHES[{twin.name!r}] have one LOCATION: both get the timeouts of the one used first.",
                "Give this alias a database number of its own, or end its LOCATION in '?client_name=statistics'.",
            )
    if missing := [name.upper() for name in TIMEOUTS if name not in alias.connection_options]:
        yield warning(
            2,
            f"{place} has no {' and no '.join(missing)}: a hung server costs seconds per call.",
            f"Set {' and '.join(f'OPTIONS[{name!r}] = 0.5' for name in missing)}.",
        )
    if HAS_RETRIES and alias.retries:
        yield warning(
            3,
            f"{place} lets its client try again (retries: {alias.retries}), so an outage costs that much more.",
            "Set OPTIONS['CONNECTION_POOL_KWARGS'] = {'retry': Retry(NoBackoff(), 0)} and no retry_on_… option.",
        )
