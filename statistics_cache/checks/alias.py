"""The entry of `CACHES` that is the hot tier, as it is written in the settings; asks no server."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import BaseCache
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.client import SentinelClient, ShardClient
from redis.connection import Connection, parse_url

from statistics_cache.conf import settings
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.exceptions import SettingsError

DEFAULT_CLIENT = "django_redis.client.DefaultClient"
parse_address: Callable[[str], dict[str, Any]] = parse_url
connection_with: Callable[..., Any] = Connection
RETRY_OPTIONS = ("retry", "retry_on_timeout", "retry_on_error")


class AliasError(ValueError):
    """An alias that cannot be used; the text says why."""


@dataclass(frozen=True)
class Alias:
    """One entry of `CACHES` with the classes it names; `client` is django-redis' own where there is no other."""

    name: str
    backend: type[BaseCache]
    client: type
    config: Mapping[str, Any]

    @property
    def options(self) -> Mapping[str, Any]:
        """Give its OPTIONS."""
        return self.config.get("OPTIONS") or {}

    @property
    def is_django_redis(self) -> bool:
        """Tell whether django-redis serves it."""
        return issubclass(self.backend, RedisCache)

    @property
    def is_redis(self) -> bool:
        """Tell whether django-redis or Django itself serves it from Redis."""
        return issubclass(self.backend, RedisCache | DjangoRedisCache)

    @property
    def servers(self) -> list[str]:
        """Give the addresses in LOCATION."""
        location = self.config.get("LOCATION") or ()
        parts: Iterable[str] = location.split(",") if isinstance(location, str) else location
        return [part.strip() for part in parts if part.strip()]

    @property
    def reads_replicas(self) -> bool:
        """Tell whether reads may go to a replica: of several servers but the first, or those that Sentinel names."""
        if self.is_django_redis and issubclass(self.client, ShardClient):
            return False
        several = self.is_redis and len(self.servers) > 1
        return several or (self.is_django_redis and issubclass(self.client, SentinelClient))

    @property
    def ignores_exceptions(self) -> bool:
        """Tell whether django-redis gives a default where the server failed."""
        everywhere = getattr(django_settings, "DJANGO_REDIS_IGNORE_EXCEPTIONS", False)
        return self.is_django_redis and bool(self.options.get("IGNORE_EXCEPTIONS", everywhere))

    @property
    def connection_options(self) -> dict[str, Any]:
        """Give what its connections are made with: the address wins over the pool's options, these over the rest."""
        timeouts = {name: self.options.get(name.upper()) for name in ("socket_timeout", "socket_connect_timeout")}
        pool = self.options.get("CONNECTION_POOL_KWARGS") or {}
        address = parse_address(self.servers[0]) if self.servers else {}
        return {name: value for name, value in timeouts.items() if value} | dict(pool) | address

    @property
    def retries(self) -> int:
        """Give how often its client tries again, by the installed client's own reckoning; connects to nothing."""
        options = self.connection_options
        given = {name: options[name] for name in RETRY_OPTIONS if name in options}
        count: int = connection_with(**given).retry.get_retries()
        return count


def read_alias(name: str) -> Alias:
    """Read one entry of `CACHES`. Raises AliasError where it cannot be used."""
    config: Mapping[str, Any] | None = django_settings.CACHES.get(name)
    if config is None:
        raise AliasError(f"CACHES has no entry {name!r}.{did_you_mean(name, django_settings.CACHES)}")
    try:
        client = import_string(config.get("OPTIONS", {}).get("CLIENT_CLASS", DEFAULT_CLIENT))
        alias = Alias(name, import_string(str(config["BACKEND"])), client, config)
        if alias.is_django_redis:
            parse_servers(alias)
    except (ImportError, KeyError, ValueError) as error:
        raise AliasError(f"CACHES[{name!r}] cannot be used: {error}") from error
    return alias


def parse_servers(alias: Alias) -> None:
    """Raise ValueError for an alias without an address, or with one that is none."""
    if not alias.servers:
        raise ValueError("it has no LOCATION.")
    for server in alias.servers:
        parse_address(server)


def our_alias() -> Alias | None:
    """Give the hot tier's alias; None where E001 or E002 already says what is wrong."""
    try:
        return read_alias(settings().CACHE_ALIAS)
    except (SettingsError, AliasError):
        return None


def other_aliases(ours: Alias) -> list[Alias]:
    """Give the other entries of `CACHES` that can be read."""
    found = []
    for name in django_settings.CACHES:
        try:
            found.append(read_alias(name))
        except AliasError:  # not the statistics' business
            continue
    return [alias for alias in found if alias.name != ours.name]
