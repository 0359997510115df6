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
from statistics_cache.hot import asking, naming
from statistics_cache.identity import facts, known

from .alias import our_alias
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
    """Report that several databases' sites are at work under one prefix: they tell each other nothing, but who clears
    keys by their prefix, or looks at them, meets both."""
    alias = our_alias()
    if (
        alias is None
        or not alias.is_django_redis
        or alias.config.get("KEY_FUNCTION")
        or asking.is_shards(asking.cache())
    ):
        return []
    try:
        found = ticking(caches[alias.name])
    except asking.SUSPECTS:  # W013 says so
        return []
    if len(found) < 2:
        return []
    message = (
        f"{len(found)} databases, of the identities {', '.join(found)}, have their statistics under KEY_PREFIX "
        f"{settings().KEY_PREFIX!r} on the server of CACHES[{alias.name!r}]."
    )
    hint = (
        "Give each site a KEY_PREFIX, or a database number, of its own. If one is this site's from before a restore, "
        "this ends by itself in ten minutes."
    )
    return [warning(20, message, hint)]


def ticking(cache: Any) -> list[str]:
    """Give the identities whose tick was seen in the last ten minutes."""
    names = list(cache.iter_keys(tick_key(naming.own_space("*"))))
    ticks = cache.get_many(names)
    return sorted(name.split(":")[-2] for name, at in ticks.items() if isinstance(at, int) and time() - at < LATELY)


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
