"""Tenants by `search_path`: one alias, one connection, and a schema for each."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from pytest_django import Settings

from statistics_cache import models
from statistics_cache.checks.identities import check_tenants
from statistics_cache.identity import known
from statistics_cache.signals import tenants_mixed
from tests.conftest import BACKENDS, Backend
from tests.models import Paint
from tests.samples import Color, stock

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend", "schemas"),
    pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join),
]
TENANTS = ("anna", "bert")
TABLES = [
    model._meta.db_table
    for model in (
        Paint,
        models.StatisticChange,
        models.StatisticEntry,
        models.StatisticIdentity,
        models.StatisticInvalidation,
        models.StatisticScope,
    )
]


class Now:
    """Whose request it is."""

    tenant = ""


def make_key(key: str, prefix: str, version: int) -> str:
    """Put the tenant before a key."""
    return f"{Now.tenant}:{prefix}:{version}:{key}"


def reverse_key(key: str) -> str:
    """Take the tenant away."""
    return key.split(":", 3)[3]


@pytest.fixture
def schemas() -> Iterator[None]:
    """Give each tenant a schema with the tables."""
    ask(*(f"CREATE SCHEMA {tenant}" for tenant in TENANTS))
    ask(*(f"CREATE TABLE {tenant}.{name} (LIKE public.{name} INCLUDING ALL)" for tenant in TENANTS for name in TABLES))
    yield
    ask("RESET search_path", *(f"DROP SCHEMA {tenant} CASCADE" for tenant in TENANTS))
    known._mixed.clear()
    known.forget("postgres")
    Now.tenant = ""


def ask(*statements: str) -> None:
    """Send statements."""
    with connections["postgres"].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def be(tenant: str) -> None:
    """Begin a tenant's request."""
    Now.tenant = tenant
    ask(f"SET search_path = {tenant}")


def tiers(tenant: str, times: int = 2) -> list[tuple[str, int]]:
    """Read as a tenant, and tell where each answer was and what it said."""
    be(tenant)
    given = [stock.answer(Color.RED) for _ in range(times)]
    return [(answer.tier, answer.value.pots) for answer in given]


def fill() -> None:
    """Give the tenants two pots, and one."""
    for tenant, pots in zip(TENANTS, (2, 1), strict=True):
        be(tenant)
        Paint.objects.bulk_create(Paint(color="red") for _ in range(pots))


def test_without_a_key_function_nothing_is_hot(backend: Backend) -> None:
    """Nothing would tell one tenant's hot entries from another's: the table answers, which is each tenant's own, and
    one signal says what to write."""
    told: list[Any] = []

    def hear(database: str, **_: Any) -> None:
        told.append(database)

    tenants_mixed.connect(hear)
    known._mixed.clear()
    fill()
    assert tiers("anna") == [("computed", 2), ("cold", 2)]
    assert tiers("bert") == [("computed", 1), ("cold", 1)]
    assert tiers("anna", 1) == [("cold", 2)]
    assert told == [backend.database]


def test_with_a_key_function_each_tenant_has_a_hot_tier(settings: Settings) -> None:
    """The identity is kept for each tenant's keys: what one has changed leaves the other's hot."""
    names = {"KEY_FUNCTION": f"{__name__}.make_key", "REVERSE_KEY_FUNCTION": f"{__name__}.reverse_key"}
    settings.CACHES = settings.CACHES | {"statistics": settings.CACHES["statistics"] | names}
    fill()
    assert tiers("anna") == [("computed", 2), ("hot", 2)]
    assert tiers("bert") == [("computed", 1), ("hot", 1)]
    assert tiers("anna") == [("hot", 2)] * 2
    be("bert")
    Paint.objects.create(color="red")
    assert tiers("anna") == [("hot", 2)] * 2
    assert tiers("bert") == [("computed", 2), ("hot", 2)]
    assert {name.split(":")[0] for name in keys()} >= set(TENANTS)


def keys() -> list[str]:
    """Give all keys that the server has."""
    client = caches["statistics"].client.get_client()  # type: ignore[attr-defined]
    return [name.decode() for name in client.keys("*")]


def test_a_backend_of_tenants_wants_a_key_function(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """A connection that can set the tenant (django-tenants) is an error of `check`, with the line to write."""
    assert check_tenants() == []
    monkeypatch.setattr(type(connections["postgres"]), "set_tenant", print, raising=False)
    (told,) = check_tenants()
    assert (told.id, "KEY_FUNCTION" in str(told.hint)) == ("statistics_cache.E010", True)
    settings.CACHES = settings.CACHES | {
        "statistics": settings.CACHES["statistics"] | {"KEY_FUNCTION": f"{__name__}.make_key"}
    }
    assert check_tenants() == []
