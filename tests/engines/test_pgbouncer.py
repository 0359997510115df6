"""PgBouncer in transaction mode: each statement outside a transaction meets another connection of the server's."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command, find_commands
from django.db import DatabaseError, connections

import statistics_cache
from statistics_cache import Source, management, statistic
from statistics_cache.cold import rows as cold
from statistics_cache.triggering import installing, listening
from statistics_cache.triggering.postgresql import CHANNEL
from tests.commanding import run
from tests.engines.pgbouncer import PROGRAM, SERVERS, open_all, pgbouncer
from tests.models import Item, Order, Paint, Region
from tests.outages.verbs import VERBS
from tests.outages.world import World, connected
from tests.routers import TestRouter
from tests.samples import Color, Sum, sum_up
from tests.test_outages import OURS, change, judged, outage, recovers, servers, world  # noqa: F401  (fixtures)

IN_CI = bool(os.environ.get("CI"))  # there nothing is skipped
pytestmark = [
    pytest.mark.skipif(PROGRAM is None and not IN_CI, reason="PgBouncer is missing: apt-get install pgbouncer"),
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"], available_apps=OURS),
]
# How Django keeps a connection: for each request one, for long, or in a pool of psycopg's own.
KEPT: dict[str, dict[str, Any]] = {
    "each": {"CONN_MAX_AGE": 0},
    "kept": {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True},
    "pool": {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 2, "max_size": 4}}},
}
COMMANDS = [
    "audit_statistics tests.told",
    'clear_statistics tests.told --params \'{"color": "red"}\' --no-input',
    "clear_statistics tests.told --tier hot --no-input",
    "clear_statistics tests.told --tier cold --older-than PT1S --no-input",
    "clear_statistics --orphaned --no-input",
    "discover_sources tests.told",
    'explain_statistic tests.told --params \'{"color": "red"}\'',
    "hydrate_statistics --missing-only",
    "invalidate_statistics --model tests.Paint --refresh",
    "refresh_statistics --due --jobs 2",
    "renew_statistics_identity --database postgres",
    "show_statistics --values",
    "statistics_triggers check",
]
RED = Color.RED
MOST = 6  # pots of a colour: each holds ten times as much as the last


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run one in transaction mode."""
    with pgbouncer(tmp_path_factory.mktemp("pgbouncer"), "transaction") as found:
        yield found


@contextmanager
def through(place: dict[str, Any], kept: str) -> Iterator[None]:
    """Let the database be reached through it."""
    connection = connections["postgres"]
    open_all(place, connection.settings_dict["NAME"])
    with connected("postgres", **place, **{"OPTIONS": {}} | KEPT[kept]):
        try:
            yield
        finally:
            connection.close()
            getattr(connection, "close_pool", bool)()  # Django 5.1 and newer


@pytest.fixture
def database() -> Iterator[str]:
    """Name the database of the test."""
    yield "postgres"
    TestRouter.database = "default"


def server() -> int:
    """Name the server process that takes a statement."""
    with connections["postgres"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_what_a_session_keeps_is_lost(place: dict[str, Any], database: str) -> None:
    """Each statement meets another server, and what the last one opened is not there: these tests are for that."""
    TestRouter.database = database
    Paint.objects.create(color="red")
    with through(place, "kept"):
        assert len({server() for _ in range(SERVERS)}) == SERVERS
        with pytest.raises(DatabaseError, match="_django_curs"):
            list(Paint.objects.iterator())


def test_nothing_of_ours_opens_a_cursor_of_the_server_s() -> None:
    """Many rows are read in pages (`cold.rows.in_pages`): no user needs DISABLE_SERVER_SIDE_CURSORS for us."""
    modules = Path(statistics_cache.__file__).parent.rglob("*.py")
    assert [path.name for path in modules if ".iterator(" in path.read_text()] == []


@pytest.mark.parametrize("kept", KEPT)
def test_every_verb(kept: str, place: dict[str, Any], world: World) -> None:  # noqa: F811
    """What each verb, command, task and page gives is right, before a change and after it."""
    with through(place, kept):
        for name, verb in VERBS.items():
            try:
                refreshed(world)
                judged(world, verb)
                change(world)
                judged(world, verb)
            except Exception as error:
                error.add_note(name)
                raise
        recovers(world)


def refreshed(world: World) -> None:  # noqa: F811
    """Let all be hot, of numbers that a column holds."""
    if len(world.pots[RED]) < MOST:
        world.warm()
    else:
        Paint.objects.all().delete()
        world.begin()


@pytest.mark.parametrize("kept", KEPT)
def test_every_command(kept: str, place: dict[str, Any], world: World) -> None:  # noqa: F811
    """Each ends well; `statistics_listen` is told apart."""
    ours = set(find_commands(str(Path(management.__file__).parent)))
    assert {line.split()[0] for line in COMMANDS} == ours - {"statistics_listen"}
    with through(place, kept):
        for line in COMMANDS:
            name, *arguments = shlex.split(line)
            call_command(name, *arguments, stdout=StringIO())
        recovers(world)


def test_what_looks_through_rows_finds_them_all(
    place: dict[str, Any],
    world: World,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Page by page, each a statement of its own: those of a part, and those that no call means any more."""
    monkeypatch.setattr(cold, "PAGE", 1)
    monkeypatch.setattr(cold, "READ_AT_ONCE", 1)
    told = world.statistic
    with through(place, "kept"):
        told.hydrate()
        assert told.clear(tier="cold", doubled=True) == len(Color)
        cold.rows_of("postgres", told.name).update(params="{}")
        assert len(cold.unreadable(told.declaration)) == len(Color)
        assert run("clear", orphaned=True, interactive=False).code == 0
        assert not cold.rows_of("postgres", told.name).exists()


@pytest.mark.parametrize("kept", KEPT)
def test_triggers_capture(kept: str, place: dict[str, Any], database: str, on_valkey: None) -> None:
    """What another program writes through it is noticed, also where the scope lies on other rows."""
    TestRouter.database = database
    name = connections[database].settings_dict["NAME"]
    sources = [Source(Item, {"region": "order__region__name"})]
    with (
        through(place, kept),
        psycopg.connect(
            host=place["HOST"],
            port=place["PORT"],
            user="postgres",
            dbname=name,
            autocommit=True,
            prepare_threshold=None,
        ) as other,
    ):
        told = statistic(name="tests.regions", depends_on=sources, capture="triggers")(amounts)
        try:
            assert installing.install(database) == []
            here, there = (Region.objects.create(name=name) for name in ("here", "there"))
            order = Order.objects.create(region=here)
            Item.objects.bulk_create([Item(order=order, color="red", amount=2)])
            assert [told.answer("here").tier for _ in range(2)] == ["computed", "hot"]
            other.execute("UPDATE tests_item SET amount = 3")
            assert told.answer("here", consistency="committed").value.amount == 3
            other.execute("UPDATE tests_order SET region_id = %s", [there.pk])
            assert told.answer("here", consistency="committed").value.amount == 0
            Order.objects.update(region=here)
            assert told("here") == Sum(count=1, amount=3)
        finally:
            installing.remove(database)
            installing._ready.clear()


def amounts(region: str) -> Sum:
    """What there is in a region."""
    return sum_up(order__region__name=region)


def test_listening_is_refused(place: dict[str, Any], database: str, conf: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notice would be lost without an error: `statistics_listen` ends with 1, and says what to set."""
    TestRouter.database = database
    conf(NOTIFY=True)
    monkeypatch.setattr(listening, "PROBED", 0.5)
    statistic(name="tests.regions", depends_on=[Source(Item)], capture="triggers")(amounts)
    with (
        through(place, "kept"),
        pytest.raises(CommandError, match=r"pool_mode=transaction.* has PostgreSQL's own HOST and PORT") as refused,
    ):
        call_command("statistics_listen", stdout=StringIO())
    assert refused.value.returncode == 1


def test_listening_works_in_a_session(tmp_path: Path, database: str) -> None:
    """A pooler that leaves a connection to its client loses nothing."""
    with pgbouncer(tmp_path, "session") as place, through(place, "kept"):
        ear = listening.Ear(database)
        ear.begin()
        try:
            with connections[database].cursor() as cursor:
                cursor.execute(f"NOTIFY {CHANNEL}, 'tests.regions'")
            assert ear.wait(60) == {"tests.regions"}
        finally:
            ear.connection.close()
