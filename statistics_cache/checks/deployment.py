"""Checks of what is fine on one's own machine and not in production: `manage.py check --deploy`."""

from collections.abc import Mapping
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage

from statistics_cache.cluster import ClusterClient
from statistics_cache.conf import settings
from statistics_cache.exceptions import SettingsError
from statistics_cache.hot import asking

from .alias import Alias, our_alias
from .messages import warning

KEEPS_GENERATIONS = ("noeviction", "volatile-")  # that of `*` has no timeout, those of scopes outlast all entries


def check_processes(**_: Any) -> list[CheckMessage]:
    """Report a hot tier that each process has for itself."""
    alias = our_alias()
    if alias is None or not issubclass(alias.backend, LocMemCache):
        return []
    message = f"CACHES[{alias.name!r}] is in-process memory: other processes learn of a change only by PROOF_INTERVAL."
    return [warning(11, message, "Use django_redis.cache.RedisCache wherever more than one process serves.")]


def check_eviction(**_: Any) -> list[CheckMessage]:
    """Report a server that evicts generations: each one lost makes its readers ask the database."""
    alias = our_alias()
    if alias is None or not alias.is_django_redis:
        return []
    try:
        return [
            fault
            for told in what_servers_tell(alias)
            for fault in (*eviction_faults(alias, told), *mode_faults(alias, told))
        ]
    except asking.SUSPECTS as wrong:
        return [unasked(alias, f"{type(wrong).__name__}: {wrong}")]


def what_servers_tell(alias: Alias) -> list[Mapping[str, Any]]:
    """Ask each server what it does with its memory, and whether it is a cluster: INFO, which managed services allow
    where CONFIG is forbidden."""
    cache: Any = caches[alias.name]
    client = cache.client
    if asking.is_cluster(cache):
        servers = client.servers()
    else:
        servers = client.connect().values() if asking.is_shards(cache) else [client.get_client(write=True)]
    return [server.info("memory") | server.info("server") for server in servers]


def mode_faults(alias: Alias, told: Mapping[str, Any]) -> list[CheckMessage]:
    """Report a server that refuses commands over several keys, for ever."""
    is_mode = told.get("redis_mode") == "cluster" or told.get("server_mode") == "cluster"
    if not is_mode or issubclass(alias.client, ClusterClient):
        return []
    message = (
        f"The server of CACHES[{alias.name!r}] is in cluster mode, where it refuses keys of several statistics at once."
    )
    return [
        warning(
            17,
            message,
            "Set OPTIONS['CLIENT_CLASS'] to 'statistics_cache.cluster.ClusterClient'; until then the table answers.",
        )
    ]


def eviction_faults(alias: Alias, memory: Mapping[str, Any]) -> list[CheckMessage]:
    """Judge what the server said; without a limit it evicts nothing, whatever its policy is."""
    policy = memory.get("maxmemory_policy")
    if not isinstance(policy, str):
        return [unasked(alias, "it does not tell its maxmemory_policy")]
    if policy.startswith(KEEPS_GENERATIONS) or memory.get("maxmemory") == 0:
        return []
    message = (
        f"The server of CACHES[{alias.name!r}] evicts by {policy!r}: generations go, and readers ask the database."
    )
    return [warning(12, message, "Set its maxmemory-policy to 'volatile-ttl', 'volatile-lru' or 'noeviction'.")]


def unasked(alias: Alias, why: str) -> CheckMessage:
    """Say that nothing could be learned."""
    message = f"The server of CACHES[{alias.name!r}] could not be asked what it evicts: {why}."
    return warning(13, message, "See that it can be reached, and that its maxmemory-policy is not an 'allkeys' one.")


def check_enabled(**_: Any) -> list[CheckMessage]:
    """Report the kill switch, lest it be forgotten."""
    try:
        enabled = settings().ENABLED
    except SettingsError:  # E001 says so
        return []
    message = "STATISTICS_CACHE['ENABLED'] is False: every call computes, nothing is stored, and no change is logged."
    hint = "Remove ENABLED, or set it to True; once every process has, run `manage.py invalidate_statistics --all`."
    return [] if enabled else [warning(14, message, hint)]
