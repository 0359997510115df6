"""Checks of what tells databases on one Redis apart: tenants by search_path, other sites, the server's facts."""

from collections.abc import Iterator
from time import time
from typing import Any

from django.core.cache import caches
from django.core.checks import CheckMessage
from django.db import connections

from statistics_cache.cold import rows as cold
from statistics_cache.conf import settings
from statistics_cache.declaring.keys import tick_key
from statistics_cache.hot import entries as hot
from statistics_cache.identity import facts, known

from .alias import Alias, our_alias
from .declarations import declarations
from .messages import error, warning

LATELY = 600.0  # seconds since a tick of another site that is still at work


def homes() -> list[str]:
    """Give the databases that hold statistics."""
    found = {cold.alias_of(declaration) for declaration in declarations()}
    return sorted(alias for alias in found if alias in connections.databases)


def check_tenants(**_: Any) -> list[CheckMessage]:
    """Report a database whose connections change search_path with the tenant, without a KEY_FUNCTION."""
    alias = our_alias()
    if alias is None or alias.config.get("KEY_FUNCTION"):
        return []
    return [
        error(
            10,
            f"Connections to {home!r} change search_path with the tenant, and CACHES[{alias.name!r}] has no "
            "KEY_FUNCTION: nothing tells one tenant's hot entries from another's, so none are kept.",
            f"Set CACHES[{alias.name!r}]['KEY_FUNCTION'] (and REVERSE_KEY_FUNCTION) to a function that puts the "
            "tenant's name before the key.",
        )
        for home in homes()
        if known.has_tenants(connections[home])
    ]


def check_other_sites(**_: Any) -> list[CheckMessage]:
    """Report other databases whose sites are at work under the same prefix: they tell each other nothing, but one
    site's `clear` by pattern, and a person who looks at keys, meet both."""
    alias = our_alias()
    if alias is None or not alias.is_django_redis or alias.config.get("KEY_FUNCTION") or hot.is_shards(hot.cache()):
        return []
    try:
        return list(other_sites(alias))
    except (*hot.SUSPECTS, *known.ERRORS):  # W013, and Django itself, say so
        return []


def other_sites(alias: Alias) -> Iterator[CheckMessage]:
    """Find ticks of other identities than ours."""
    cache: Any = caches[alias.name]
    prefix, own = settings().KEY_PREFIX, {known.find(home) for home in homes()}
    for name in cache.iter_keys(tick_key(hot.own_space("*"))):
        identity, at = name.split(":")[-2], cache.get(name)
        if identity not in own and isinstance(at, int) and time() - at < LATELY:
            yield warning(
                20,
                f"Another database, of identity {identity}, has its statistics under KEY_PREFIX {prefix!r} on the "
                f"server of CACHES[{alias.name!r}].",
                "Give each site a KEY_PREFIX, or a database number, of its own. If it is this site's before a restore, "
                "this ends by itself in ten minutes.",
            )


def check_server_facts(**_: Any) -> list[CheckMessage]:
    """Report a role that may not read what tells a server from its copies."""
    try:
        return [fault for home in homes() for fault in hidden_facts(home)]
    except known.ERRORS:  # Django says so
        return []


def hidden_facts(alias: str) -> Iterator[CheckMessage]:
    """Name the functions that are not permitted."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        return
    permitted = facts.permitted(connection)
    for function in [name for name, sql in facts.SERVER_FACTS.items() if sql not in permitted]:
        yield warning(
            21,
            f"The role of {alias!r} may not call {function}: a copy of the database may look like this one.",
            f"GRANT EXECUTE ON FUNCTION {function} TO that role, or run `manage.py renew_statistics_identity` on "
            "every copy that shares its Redis.",
        )
