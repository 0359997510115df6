"""PgBouncer from Debian, in front of the tests' own PostgreSQL: it lends a client a connection of the server's."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import psycopg
from psycopg.conninfo import conninfo_to_dict

from project.valkey import HOST, free_port
from tests.servers import URL
from tests.waiting import until

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVERS = 3  # connections of each database: as many clients at once, and each statement meets the next one
Mode = Literal["transaction", "session"]


@contextmanager
def pgbouncer(folder: Path, mode: Mode) -> Iterator[dict[str, Any]]:
    """Run one, and give what an entry of DATABASES says of it."""
    assert PROGRAM, "PgBouncer is missing: apt-get install pgbouncer"
    behind, port = conninfo_to_dict(os.environ[URL]), free_port()
    lines = [
        "[databases]",
        f"* = host={behind['host']} port={behind.get('port', 5432)} user={behind['user']}",
        "[pgbouncer]",
        f"listen_addr = {HOST}",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = any",
        f"pool_mode = {mode}",
        f"default_pool_size = {SERVERS}",
        "server_round_robin = 1",
        *[f"user = {who_may_connect(str(behind['host']))}"] * (os.geteuid() == 0),  # it refuses to run as root
    ]
    file = folder / f"{mode}.ini"
    file.write_text("\n".join(lines) + "\n")
    with (folder / "log").open("a") as log, subprocess.Popen([PROGRAM, file], stdout=log, stderr=log) as process:
        try:
            until(lambda: answers(port), "PgBouncer")
            yield {"HOST": HOST, "PORT": port}
        finally:
            process.terminate()


def who_may_connect(host: str) -> str:
    """Name a user who can open the server's socket."""
    return Path(host).owner() if host.startswith("/") else "nobody"


def answers(port: int) -> bool:
    """Tell whether a client can connect."""
    try:
        psycopg.connect(host=HOST, port=port, user="postgres", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def open_all(place: dict[str, Any], database: str) -> None:
    """Have it open all connections that a database may have: so many clients are in a transaction at once."""
    with ExitStack() as stack:
        for _ in range(SERVERS):
            client = psycopg.connect(host=place["HOST"], port=place["PORT"], user="postgres", dbname=database)
            stack.enter_context(client).execute("SELECT")
