"""The entry of `CACHES` that is the hot tier, as it is written in the settings; asks no server."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.conf import settings as django_settings
from django.core.cache import BaseCache
from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from django_redis.client import SentinelClient, ShardClient
from redis.connection import Connection, parse_url
from redis.retry import Retry

from statistics_cache.cluster import ClusterClient
from statistics_cache.conf import settings
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.exceptions import SettingsError

DEFAULT_CLIENT = "django_redis.client.DefaultClient"
parse_address: Callable[[str], dict[str, Any]] = parse_url
connection_with: Callable[..., Any] = Connection
HAS_RETRIES = hasattr(Retry, "get_retries")  # since redis-py 6
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
        return options_of(self.config)

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
        several = isinstance(location, list | tuple)
        parts: Iterable[Any] = location if several else str(location).split(",")  # a Path, say
        return [part for each in parts if (part := str(each).strip())] if location else []

    @property
    def reads_replicas(self) -> bool:
        """Tell whether reads may go to a replica: of several servers but the first, or those that Sentinel names."""
        if self.is_django_redis and issubclass(self.client, ShardClient | ClusterClient):
            return False
        if self.is_sentinel:  # which makes a text one address of the primary and one of the replicas
            is_text, several = isinstance(self.config.get("LOCATION"), str), len(self.servers) > 1
            return is_text or any(not leads_to_primary(server, unless_said=not several) for server in self.servers)
        if self.asks_sentinel and any(not leads_to_primary(server, unless_said=True) for server in self.servers):
            return True
        return self.is_redis and len(self.servers) > 1

    @property
    def is_sentinel(self) -> bool:
        """Tell whether its client asks Sentinel for a primary and a replica, and reads from that."""
        return self.is_django_redis and issubclass(self.client, SentinelClient)

    @property
    def asks_sentinel(self) -> bool:
        """Tell whether Sentinel names its servers."""
        everywhere = getattr(django_settings, "DJANGO_REDIS_CONNECTION_FACTORY", "")
        factory = str(self.options.get("CONNECTION_FACTORY", everywhere))
        return self.is_django_redis and (self.is_sentinel or factory.endswith("SentinelConnectionFactory"))

    @property
    def decodes(self) -> bool:
        """Tell whether the client gives texts where django-redis wants bytes."""
        return bool(self.connection_options.get("decode_responses"))

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


def leads_to_primary(server: str, *, unless_said: bool) -> bool:
    """Tell whether an address that Sentinel is asked about is the primary's."""
    said = parse_qs(urlsplit(server).query).get("is_master")
    return unless_said if said is None else said[-1].lower() in ("1", "true", "yes", "on", "t", "y")


def options_of(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the OPTIONS of an entry. Raises AliasError for what are none."""
    options = config.get("OPTIONS") or {}
    if not isinstance(options, Mapping):
        raise AliasError(f"its OPTIONS are {type(options).__name__}, not a dict.")
    return options


def class_of(path: object, what: str) -> Any:
    """Import what a dotted path names. Raises AliasError for what is no text."""
    if not isinstance(path, str):
        raise AliasError(f"its {what} is {path!r}. Write it as text: 'module.Class'.")
    return import_string(path)


def read_alias(name: str) -> Alias:
    """Read one entry of `CACHES`. Raises AliasError where it cannot be used."""
    config: Mapping[str, Any] | None = django_settings.CACHES.get(name)
    if config is None:
        raise AliasError(f"CACHES has no entry {name!r}.{did_you_mean(name, django_settings.CACHES)}")
    try:
        backend = class_of(config["BACKEND"], "BACKEND")
        is_ours = isinstance(backend, type) and issubclass(backend, RedisCache)
        client = options_of(config).get("CLIENT_CLASS", DEFAULT_CLIENT) if is_ours else DEFAULT_CLIENT
        alias = Alias(name, backend, class_of(client, "OPTIONS['CLIENT_CLASS']"), config)
        if alias.is_django_redis:
            parse_servers(alias)
            try_options(alias)
    except (ImportError, KeyError, AliasError) as error:
        raise AliasError(f"CACHES[{name!r}] cannot be used: {error}") from error
    except (AttributeError, TypeError, ValueError) as error:
        raise AliasError(f"CACHES[{name!r}] cannot be used ({type(error).__name__}).") from error
    return alias


def parse_servers(alias: Alias) -> None:
    """Raise AliasError for an alias without an address, or with one that is none: which it is may hold a password."""
    if not alias.servers:
        raise AliasError("it has no LOCATION.")
    for server in alias.servers:
        try:
            parse_address(server)
        except ValueError as error:
            raise AliasError("its LOCATION is no address of Redis: redis://…, rediss://… or unix://….") from error


def try_options(alias: Alias) -> None:
    """Raise AliasError for OPTIONS of which no connection can be made; connects to nothing."""
    try:
        alias.retries if HAS_RETRIES else alias.connection_options  # noqa: B018  (for what they raise)
    except (AttributeError, TypeError, ValueError) as error:
        raise AliasError(f"no connection can be made of its OPTIONS ({type(error).__name__}: {error}).") from error


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
