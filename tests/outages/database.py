"""Outages of the database: it is gone, takes no writes, is locked or full."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from functools import partial

import psycopg
import psycopg.sql
from django.db import connections
from django.db.backends.utils import CursorWrapper

from statistics_cache.identity import facts, known
from tests.outages.world import PROOF_INTERVAL, REFUSALS, Needs, World, connected

LOCK_TIMEOUT = 0.05  # seconds that SQLite waits for a lock
LARGE = 100_000  # bytes: what fills a database fast

Hurt = Callable[[World], AbstractContextManager[None]]


def cursor(world: World) -> CursorWrapper:
    """Give a cursor of the connection under test."""
    return connections[world.database].cursor()


def is_refused(world: World, statement: str, *arguments: int) -> bool:
    """Tell whether the database refuses a statement now."""
    try:
        with cursor(world) as asking:
            asking.execute(statement, arguments or None)
    except REFUSALS:
        return True
    return False


READ = "SELECT count(*) FROM tests_paint"
WRITE = "DELETE FROM tests_paint WHERE color = 'no colour'"


@contextmanager
def telling(world: World, refuses: Needs) -> Iterator[None]:
    """Let the oracle know."""
    world.refuses, world.may_be_stale = refuses, True
    yield


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Another program is writing, and does not end."""
    name = connections[world.database].settings_dict["NAME"]
    with closing(sqlite3.connect(name, isolation_level=None)) as other, telling(world, "writes"):
        other.execute("BEGIN IMMEDIATE")
        assert is_refused(world, WRITE)
        yield
        other.execute("ROLLBACK")


@contextmanager
def gone(world: World) -> Iterator[None]:
    """The file cannot be opened."""
    name, identity = connections[world.database].settings_dict["NAME"], facts.ask(connections[world.database])
    with connected(world.database, NAME=f"{name}/no/such/file"), telling(world, "reads"):
        known.note(connections[world.database], identity)  # it is the same one to this process, by another name
        assert is_refused(world, READ)
        yield


@contextmanager
def for_long(hurt: Hurt, world: World) -> Iterator[None]:
    """It is out for so long that no proof is young any more."""
    with hurt(world):
        world.clock.shift(timedelta(seconds=PROOF_INTERVAL + 1))
        yield


@contextmanager
def pragma(world: World, during: str, after: str) -> Iterator[None]:
    """Something is done by the connection under test, and undone at the end."""
    with cursor(world) as asking:
        asking.execute(during)
    try:
        yield
    finally:
        with cursor(world) as asking:
            asking.execute(after)


@contextmanager
def query_only(world: World) -> Iterator[None]:
    """The connection takes no writes."""
    with pragma(world, "PRAGMA query_only=1", "PRAGMA query_only=0"), telling(world, "writes"):
        assert is_refused(world, WRITE)
        yield


@contextmanager
def full(world: World) -> Iterator[None]:
    """The file must not grow, and has no page left."""
    with (
        pragma(world, "CREATE TABLE filler (x BLOB)", "DROP TABLE filler"),
        pragma(world, "PRAGMA max_page_count=1", "PRAGMA max_page_count=4294967294"),
        telling(world, "writes"),
    ):
        fill(world)
        yield


def fill(world: World) -> None:
    """Use up what pages there are."""
    for size in (LARGE, 4_000, 400, 40):
        while not is_refused(world, "INSERT INTO filler VALUES (zeroblob(%s))", size):
            pass


@contextmanager
def down(world: World) -> Iterator[None]:
    """Nobody listens any more, and who was connected is not."""
    with world.postgres.refusing(), telling(world, "reads"):
        assert is_refused(world, READ)
        yield


@contextmanager
def terminated(world: World) -> Iterator[None]:
    """An administrator has ended the connection."""
    pid = backend_pid(world)
    with telling(world, "reads"), psycopg.connect(world.postgres_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [pid])
        yield


@contextmanager
def read_only(world: World) -> Iterator[None]:
    """Every transaction is read-only."""
    name = psycopg.sql.Identifier(str(connections[world.database].settings_dict["NAME"]))
    option = psycopg.sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = {}")
    connections[world.database].close()
    with psycopg.connect(world.postgres_url, autocommit=True) as other:
        other.execute(option.format(name, psycopg.sql.SQL("on")))
        try:
            with telling(world, "writes"):
                assert is_refused(world, WRITE)
                yield
        finally:
            other.execute(option.format(name, psycopg.sql.SQL("off")))
            connections[world.database].close()


def backend_pid(world: World) -> int:
    """Give the server's process of the connection under test."""
    with cursor(world) as asking:
        asking.execute("SELECT pg_backend_pid()")
        pid: int = asking.fetchone()[0]
    return pid


SQLITE: dict[str, Hurt] = {
    "database locked": locked,
    "database gone": gone,
    "database gone for long": partial(for_long, gone),
    "database read-only": query_only,
    "database full": full,
}
POSTGRES: dict[str, Hurt] = {
    "database down": down,
    "database down for long": partial(for_long, down),
    "database connection ended": terminated,
    "database read-only": read_only,
}
