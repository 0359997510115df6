"""A streaming replica of the tests' own PostgreSQL, made by the server's own tools."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.engines.pgbouncer import who_may_connect
from tests.servers import URL

TOOLS = "SELECT setting FROM pg_config WHERE name = 'BINDIR'"  # of the server's own version


@contextmanager
def replica() -> Iterator[dict[str, Any]]:
    """Copy the server, have the copy follow it, and give what an entry of DATABASES says of that."""
    primary = conninfo_to_dict(os.environ[URL])
    folder = Path(tempfile.mkdtemp(prefix="replica-"))
    host = str(primary["host"])
    owner = who_may_connect(host) if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    if owner:
        shutil.chown(folder, owner)
    data, options = folder / "data", f"-c listen_addresses='' -c unix_socket_directories={folder}"
    with psycopg.connect(os.environ[URL]) as connection:
        [tools] = connection.execute(TOOLS).fetchone() or ()
    copy = ["-h", host, "-p", primary.get("port", 5432), "-U", primary["user"], "-D", data, "-R", "--checkpoint=fast"]

    def tool(name: str, *arguments: object) -> None:
        command = [f"{tools}/{name}", *map(str, arguments)]
        subprocess.run(command, check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL)

    try:
        tool("pg_basebackup", *copy, "--no-sync")
        tool("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield {"HOST": str(folder)}
        finally:
            tool("pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
