"""What tests call a database's own in the hot tier."""

from typing import Any

from django.db import router

from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Variant
from statistics_cache.declaring.keys import generation_key
from statistics_cache.hot import entries as hot
from statistics_cache.hot import lease, naming
from statistics_cache.identity import known
from statistics_cache.models import StatisticEntry


def identity(alias: str | None = None) -> str:
    """Give the identity of a database, of the one that entries are routed to by default; that of the test included."""
    found = known.find(alias or router.db_for_write(StatisticEntry))
    assert found is not None
    return found


def identity_of(statistic: Any) -> str:
    """Give the identity of a statistic's database."""
    return identity(cold.alias_of(statistic.declaration))


def read(statistic: Any, variant: Variant) -> hot.Read:
    """Read one variant's hot keys."""
    return hot.read(statistic.declaration, variant, identity_of(statistic))


def hot_keys(statistic: Any, *args: Any, **kwargs: Any) -> tuple[str, ...]:
    """Give a variant's hot keys: its entry, the generation of `*`, then that of each scope."""
    variant = statistic.declaration.variant(args, kwargs)
    return naming.hot_keys(statistic.declaration, variant, naming.own_space(identity_of(statistic)))


def lease_of(statistic: Any, *args: Any, **kwargs: Any) -> str:
    """Name the lease of one entry."""
    return lease.name_of(statistic.declaration, statistic.declaration.variant(args, kwargs), identity_of(statistic))


def generation(statistic: Any, scope: str) -> str:
    """Name the generation of one scope."""
    return generation_key(naming.own_space(identity_of(statistic)), statistic.name, scope)
