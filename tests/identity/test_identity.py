"""Which database a hot entry is of: no other one is told it, whatever they have in common."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from io import StringIO
from pathlib import Path
from time import monotonic, time
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from statistics_cache import statistic
from statistics_cache.apps import fixed_home
from statistics_cache.checks.identities import check_other_sites, check_server_facts
from statistics_cache.cold import tables
from statistics_cache.hot import entries as hot
from statistics_cache.identity import facts, known
from statistics_cache.models import StatisticEntry, StatisticIdentity
from tests import spaces
from tests.conftest import BACKENDS, Backend
from tests.models import Paint
from tests.routers import TestRouter
from tests.samples import Color, Stock, stock

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
ON_SQLITE = pytest.mark.parametrize("backend", BACKENDS[:1], indirect=True, ids="-".join)


@contextmanager
def routed_to(alias: str) -> Iterator[None]:
    """Be the tenant whose database an alias is."""
    before, TestRouter.database = TestRouter.database, alias
    try:
        yield
    finally:
        TestRouter.database = before


def fill(alias: str, pots: int) -> None:
    """Give a tenant so many red pots."""
    with routed_to(alias):
        Paint.objects.bulk_create(Paint(color="red") for _ in range(pots))


@pytest.mark.parametrize("backend", BACKENDS[:2], indirect=True, ids="-".join)
def test_two_databases_on_one_cache_share_nothing() -> None:
    """Though both begin at generation 0, each is told its own number, hot and proved, and an invalidation of one
    leaves the other hot."""
    for alias, pots in (("default", 5), ("postgres", 1)):
        fill(alias, pots)
    for _ in range(2):
        for alias, pots in (("default", 5), ("postgres", 1)):
            with routed_to(alias):
                assert stock(Color.RED).pots == pots
    with routed_to("postgres"):
        assert stock.answer(Color.RED).tier == "hot"
        stock.invalidate()
    with routed_to("default"):
        assert stock.answer(Color.RED).tier == "hot"


def test_another_identity_makes_nothing_of_before_fresh(backend: Backend) -> None:
    """After a renewal (a restore, a failover) the first proof tells, and what is hot is proved under the new name."""
    stock(Color.RED)
    before = spaces.hot_keys(stock, Color.RED)
    facts.renew(backend.database)
    connections[backend.database].close()
    with CaptureQueriesContext(connections[backend.database]):  # which connects
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
    assert not set(before) & set(spaces.hot_keys(stock, Color.RED))


def test_a_proof_tells_a_process_that_its_database_is_another(backend: Backend) -> None:
    """Without a new connection the proof does: the read begins anew, and what it gives is hot under the new name."""
    stock(Color.RED)
    facts.renew(backend.database)
    caches["statistics"].clear()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
    held = known.in_force(backend.database)
    assert held == facts.ask(connections[backend.database])


def test_what_was_captured_on_another_database_is_stored_nowhere(backend: Backend) -> None:
    """I4: a token of before the renewal stores nothing, and says so."""
    token = stock.token(Color.RED)
    facts.renew(backend.database)
    connections[backend.database].close()
    connections[backend.database].ensure_connection()
    assert stock.set(Color.RED, result=Stock(pots=666, litres=0), token=token) is False
    assert stock.get(Color.RED) is None


def test_a_value_whose_database_changed_meanwhile_is_stored_nowhere(backend: Backend) -> None:
    """I4: nor does a compute during which its database became another."""
    assert statistic(name="tests.swapped")(swapped)() == 1
    assert not StatisticEntry.objects.exclude(payload=None).exists()


def swapped() -> int:
    """Find another database where there was one, over a new connection."""
    facts.renew(TestRouter.database)
    connections[TestRouter.database].close()
    connections[TestRouter.database].ensure_connection()
    return 1


def test_the_fence_passes_over_what_the_database_cannot_have_said(backend: Backend) -> None:
    """I5: a row whose generation lies above the sum (transactions were lost) is replaced, and then hot."""
    stock(Color.RED)
    StatisticEntry.objects.update(generation=10**15)
    caches["statistics"].clear()
    assert [stock.answer(Color.RED).tier for _ in range(3)] == ["computed", "hot", "hot"]


def test_the_fence_passes_over_that_very_number_alone(backend: Backend) -> None:
    """I5: another impossible row, stored since the proof, is left to the proof that finds it."""
    stock(Color.RED)
    StatisticEntry.objects.update(generation=10**15)
    token = stock.token(Color.RED)
    StatisticEntry.objects.update(generation=10**15 + 1)
    assert stock.set(Color.RED, result=Stock(pots=1, litres=1), token=token) is False
    assert stock.set(Color.RED, result=Stock(pots=1, litres=1)) is True


def test_every_hot_key_begins_with_it(backend: Backend) -> None:
    """Entries, generations and leases of a statistic lie under the identity and in one slot of a cluster."""
    names = [*spaces.hot_keys(stock, Color.RED), spaces.lease_of(stock, Color.RED)]
    begin = f"statistics:{spaces.identity(backend.database)}:{{tests.stock}}:"
    assert [name for name in names if not name.startswith(begin)] == []
    assert all(len(name) <= 240 for name in spaces.hot_keys(stock, Color.RED))


def test_no_hot_hit_asks(backend: Backend) -> None:
    """It is known before: a hot read sends no statement, and opens no connection."""
    stock(Color.RED)
    connections[backend.database].close()
    assert stock.answer(Color.RED).tier == "hot"
    assert connections[backend.database].connection is None


def test_a_new_connection_is_asked_once(backend: Backend) -> None:
    """One statement, and no more while it lasts."""
    connection = connections[backend.database]
    stock(Color.RED)
    connection.close()
    connection.force_debug_cursor = True
    connection.queries_log.clear()
    connection.ensure_connection()
    stock(Color.RED)
    asked = [query["sql"] for query in connection.queries_log if StatisticIdentity._meta.db_table in query["sql"]]
    connection.force_debug_cursor = False
    assert len(asked) == 1


def test_manual_transactions_are_not_opened_by_it(backend: Backend) -> None:
    """With AUTOCOMMIT False a SELECT at a connection's beginning would open the user's transaction: a proof tells."""
    stock(Color.RED)
    connection = connections[backend.database].copy("manual")
    connection.settings_dict = connection.settings_dict | {"AUTOCOMMIT": False}
    connection.ensure_connection()
    try:
        assert known.KEY not in vars(connection)
    finally:
        connection.close()


def test_without_one_there_is_no_hot_tier(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that has no identity and cannot be given one: the table answers, and nothing is hot."""
    StatisticIdentity.objects.all().delete()
    known.forget(backend.database)
    monkeypatch.setattr(known, "make", lambda _: False)
    assert [stock.answer(Color.RED).tier for _ in range(3)] == ["computed", "cold", "cold"]
    Paint.objects.create(color="red")
    assert stock(Color.RED).pots == 1


def test_it_is_made_where_there_is_none(backend: Backend) -> None:
    """Whoever asks first outside a transaction gives it; two at once give one."""
    StatisticIdentity.objects.all().delete()
    known.forget(backend.database)
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
    for _ in range(2):
        facts.make(backend.database)
    assert StatisticIdentity.objects.count() == 1


@ON_POSTGRES
def test_a_lock_keeps_it_from_being_made_for_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not write it now tries again, and not at each read."""
    StatisticIdentity.objects.all().delete()
    known.forget("postgres")
    with connections["postgres"].cursor() as cursor:
        cursor.execute("SET lock_timeout = '10ms'")
    with elsewhere("LOCK TABLE statistics_cache_statisticidentity IN SHARE MODE"):
        assert stock.answer(Color.RED).tier == "computed"
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "cold"]
    monkeypatch.setattr(known, "monotonic", lambda: monotonic() + known.AGAIN)
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]


@contextmanager
def elsewhere(sql: str) -> Iterator[None]:
    """Keep open a transaction that has run a statement on a connection of its own."""
    other = connections["postgres"].copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute(sql)
        yield
    finally:
        other.rollback()
        other.close()


def test_a_reader_in_a_transaction_makes_none(backend: Backend) -> None:
    """In a block nothing of ours is written by a read."""
    StatisticIdentity.objects.all().delete()
    known.forget(backend.database)
    with transaction.atomic(using=backend.database):
        stock.answer(Color.RED)
        assert not StatisticIdentity.objects.exists()


def test_a_migration_that_has_not_run_is_no_error(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is newer than the tables proves nothing, and still logs every change for the code that does."""
    stock(Color.RED)
    tables.forget(backend.database)
    monkeypatch.setattr(StatisticIdentity._meta, "db_table", "statistics_cache_not_there")
    known.forget(backend.database)
    Paint.objects.create(color="red")
    assert stock.answer(Color.RED).tier == "computed"
    monkeypatch.undo()
    tables.forget(backend.database)
    known.forget(backend.database)
    caches["statistics"].clear()
    assert stock(Color.RED).pots == 1


# Copies


@contextmanager
def clone(connection: BaseDatabaseWrapper, **settings: Any) -> Iterator[BaseDatabaseWrapper]:
    """Open a connection to another database as if it were this one's alias."""
    other = type(connection)(connection.settings_dict | settings, connection.alias)
    try:
        yield other
    finally:
        other.close()


@ON_SQLITE
def test_a_copied_file_is_another_database(tmp_path: Path) -> None:
    """A copy has the number of the original, and another identity."""
    connection = connections["default"]
    connection.ensure_connection()
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(copy)) as there:
        connection.connection.backup(there)
    with clone(connection, NAME=str(copy)) as other:
        assert facts.ask(other) not in (None, facts.ask(connection))
    moved = tmp_path / "moved.sqlite3"
    shutil.move(copy, moved)
    with clone(connection, NAME=str(moved)) as other, clone(connection, NAME=str(moved)) as again:
        assert facts.ask(other) == facts.ask(again)


@ON_POSTGRES
def test_a_database_made_of_another_is_another() -> None:
    """`CREATE DATABASE … TEMPLATE` copies the number, and the server tells the two apart."""
    connection = connections["postgres"]
    stock(Color.RED)
    mine, name = facts.ask(connection), connection.settings_dict["NAME"]
    connections.close_all()
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}"')
    try:
        with clone(connection, NAME=f"{name}_copy") as other:
            assert facts.ask(other) not in (None, mine)
    finally:
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{name}_copy"')


@ON_POSTGRES
def test_a_role_that_may_not_ask_the_server_has_one_all_the_same() -> None:
    """Where a function is not permitted the rest alone is hashed, and `check --deploy` says which."""
    connection = connections["postgres"]
    whole = facts.ask(connection)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "CREATE ROLE unprivileged NOLOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO unprivileged"
            )
            cursor.execute("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; SET ROLE unprivileged")
        facts.forget("postgres")
        assert facts.ask(connection) not in (None, whole)
        (told,) = check_server_facts()
        assert "pg_control_system()" in told.msg
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET ROLE; GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC")
            cursor.execute("DROP OWNED BY unprivileged; DROP ROLE unprivileged")
        facts.forget("postgres")
    assert facts.ask(connection) == whole
    assert check_server_facts() == []


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_the_command_renews_it(backend: Backend) -> None:
    """It says the new one, takes it at once, and names a database that there is not."""
    stock(Color.RED)
    before = known.in_force(backend.database)
    out = StringIO()
    call_command("renew_statistics_identity", "--database", backend.database, stdout=out)
    assert out.getvalue() == f"{backend.database}: its identity is {known.find(backend.database)} now.\n"
    assert known.find(backend.database) != before
    assert stock.answer(Color.RED).tier == "cold"
    with pytest.raises(CommandError, match="Did you mean 'default'") as ended:
        call_command("renew_statistics_identity", "--database", "defualt")
    assert ended.value.returncode == 2


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_another_site_under_the_same_prefix_is_told_of(backend: Backend) -> None:
    """`check --deploy` finds the ticks of both, for ten minutes."""
    hot.note_tick(known.find(backend.database), time())
    assert check_other_sites() == []
    hot.note_tick("0123456789ab", time() - 700)
    assert check_other_sites() == []
    hot.note_tick("0123456789ab", time())
    (told,) = check_other_sites()
    assert (told.id, "0123456789ab" in told.msg) == ("statistics_cache.W020", True)


def test_no_router_is_asked_at_start(settings: Settings) -> None:
    """A router of tenants may have no tenant yet: only where there is none are the databases known before."""
    assert [fixed_home(None), fixed_home("archive")] == [None, "archive"]
    settings.DATABASE_ROUTERS = []
    assert fixed_home(None) == "default"
