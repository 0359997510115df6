"""Reads inside transactions: what is given, what is stored when, and what an old snapshot may never do."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from pytest_django import Settings
from time_machine import Traveller

from statistics_cache import computing, reading
from statistics_cache.models import StatisticEntry
from tests import samples
from tests.conftest import BACKENDS, Backend
from tests.models import Paint
from tests.samples import Color, Computed, stock

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

TIERS: list[str] = []


def view(request: HttpRequest) -> HttpResponse:
    """Answer with a statistic, as an endpoint does."""
    TIERS.append(stock.answer(Color.RED).tier)
    return HttpResponse()


urlpatterns = [path("stock/", view)]


@pytest.fixture
def atomic_requests(settings: Settings, backend: Backend) -> Iterator[Client]:
    """Run every view in a transaction."""
    settings.ROOT_URLCONF = __name__
    connections[backend.database].settings_dict["ATOMIC_REQUESTS"] = True
    TIERS.clear()
    yield Client()
    connections[backend.database].settings_dict["ATOMIC_REQUESTS"] = False


def test_reads_under_atomic_requests_are_hot(atomic_requests: Client, backend: Backend, clock: Traveller) -> None:
    """1,000 reads through a view: all but the first are hot hits, and so again after PROOF_INTERVAL."""
    for _ in range(1_000):
        atomic_requests.get("/stock/")
    assert TIERS == ["computed"] + ["hot"] * 999
    clock.shift(31)
    TIERS.clear()
    with CaptureQueriesContext(connections[backend.database]) as queries:
        for _ in range(100):
            atomic_requests.get("/stock/")
    assert TIERS == ["hot"] * 100
    proofs = [query for query in queries if "UNION ALL" in query["sql"]]
    assert len(proofs) == 2, "one by the read, one by the look after its commit"


def test_a_rolled_back_request_leaves_no_trace(backend: Backend) -> None:
    """What was computed in a transaction that is rolled back is stored in neither tier."""
    with transaction.atomic(using=backend.database):
        stock(Color.RED)
        transaction.set_rollback(True, using=backend.database)
    assert not StatisticEntry.objects.exists()
    assert stock.get(Color.RED) is None


def test_without_autocommit_nothing_is_stored(backend: Backend) -> None:
    """Where the commit cannot be told, a value is computed and given, and not stored."""
    connection = connections[backend.database]
    connection.set_autocommit(False)
    try:
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed"] * 2
    finally:
        connection.rollback()
        connection.set_autocommit(True)
    assert not StatisticEntry.objects.exists()


@contextmanager
def old_snapshot(backend: Backend) -> Iterator[None]:
    """Begin a transaction whose snapshot stays as it is now, whatever others commit."""
    connection = connections[backend.database]
    with transaction.atomic(using=backend.database):
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        Paint.objects.count()  # the first statement takes the snapshot
        yield


def elsewhere(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call a function in another thread, on a connection of its own."""

    def call() -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(call).result()


def change(color: Color) -> None:
    """Commit and deliver a change of the source."""
    Paint.objects.create(color=color, litres=1)
    stock.invalidate(color)


def read_in_an_old_snapshot_after_a_change(backend: Backend) -> int:
    """Prove a row in a snapshot older than a change; give what a reader outside, afterwards, is told as fresh."""
    stock(Color.RED)
    caches["statistics"].clear()
    with old_snapshot(backend):
        elsewhere(change, Color.RED)
        assert stock(Color.RED).pots == 0, "fresh as of the snapshot"
    return stock(Color.RED).pots


@pytest.fixture
def deferred(backend: Backend) -> Iterator[None]:
    """On SQLite, let transactions begin as readers: one that begins as a writer would keep other writers out."""
    connection = connections[backend.database]
    options = connection.settings_dict["OPTIONS"]
    connection.close()
    mode = options.pop("transaction_mode", None)
    yield
    connection.close()
    if mode:
        options["transaction_mode"] = mode


@pytest.mark.usefixtures("deferred")
def test_nothing_is_promoted_from_an_old_snapshot(backend: Backend) -> None:
    """A snapshot proves what has since changed: given inside as of the snapshot, promoted nowhere."""
    assert read_in_an_old_snapshot_after_a_change(backend) == 1


@pytest.mark.usefixtures("deferred")
def test_promotion_from_an_old_snapshot_breaks_the_promise(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken version: promoted at once from the snapshot, the old value is fresh for all."""
    monkeypatch.setattr(reading, "in_transaction", lambda _: False)
    assert read_in_an_old_snapshot_after_a_change(backend) == 0


def set_by_the_token_of_an_old_snapshot(backend: Backend) -> int:
    """Compute in a snapshot older than a change, under a token taken there; give what a reader is told afterwards."""
    stock(Color.RED)
    with old_snapshot(backend):
        elsewhere(change, Color.RED)
        token, value = stock.token(Color.RED), stock.compute(Color.RED)
    stock.set(Color.RED, result=value, token=token)
    return stock(Color.RED).pots


@pytest.mark.usefixtures("deferred")
def test_a_token_of_an_old_snapshot_makes_nothing_fresh(backend: Backend) -> None:
    """What was computed as of a snapshot is nobody's to believe afterwards, though its token was taken after the change
    was delivered."""
    assert set_by_the_token_of_an_old_snapshot(backend) == 1


@pytest.mark.usefixtures("deferred")
def test_a_token_with_a_hot_part_breaks_the_promise(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken version: today's hot generations beside the snapshot's old one make the old value fresh for all."""
    monkeypatch.setattr(computing, "in_transaction", lambda _: False)
    assert set_by_the_token_of_an_old_snapshot(backend) == 0


def test_what_a_transaction_computes_under_a_token_of_its_own_is_stored(backend: Backend) -> None:
    """A token of a transaction is one: the table takes the value after the commit, and the next reader promotes it."""
    with transaction.atomic(using=backend.database):
        token = stock.token(Color.RED)
        assert stock.set(Color.RED, result=stock.compute(Color.RED), token=token) is True
    assert stock.answer(Color.RED).tier == "cold"
    assert stock.answer(Color.RED).tier == "hot"


class Counted(list[Any]):
    """A list that counts how often all of it is looked through."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        """Count a look."""
        self.looks += 1
        return super().__iter__()


def test_what_waits_for_a_commit_is_not_looked_through_again_and_again(backend: Backend) -> None:
    """However many reads, computes, tokens, values and changes a transaction has, its hooks are looked through once."""
    shades = [f"shade {number}" for number in range(20)]
    with transaction.atomic(using=backend.database):
        hooks: Any = Counted()
        connections[backend.database].run_on_commit = hooks
        for name in shades:
            samples.shades(name)
            samples.tints.set(name, result=1, token=samples.tints.token(name))
        for name in shades:
            samples.shades.answer(name)
            Paint.objects.create(color=name)
        assert len(hooks) > len(shades)
        assert hooks.looks <= 1
        connections[backend.database].run_on_commit = list(hooks)


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_a_hit_in_a_transaction_costs_no_query(backend: Backend, queries: Any) -> None:
    """A hot hit is one inside a transaction, too."""
    stock(Color.RED)
    with transaction.atomic(using=backend.database), queries(0):
        assert stock.answer(Color.RED).tier == "hot"
    assert Computed.of("stock") == 1
