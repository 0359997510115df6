"""A real MariaDB in a folder of its own, with the collation that Debian gives it, and an alias that leads there."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from getpass import getuser
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db import connections

from tests.waiting import until

ALIAS = "mysql"
COLLATION = "utf8mb4_general_ci"
USER, NAME = "root", "statistics"


def lacking() -> str:
    """Say what this machine lacks to run MariaDB; nothing if it has all."""
    programs = [name for name in ("mariadbd", "mariadb-install-db") if shutil.which(name, path=search_path()) is None]
    return ", ".join([*programs, *["mysqlclient"] * (find_spec("MySQLdb") is None)])


def search_path() -> str:
    """Give the folders of programs: a daemon lies where not every user looks."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str:
    """Give the path of a program."""
    found = shutil.which(name, path=search_path())
    assert found is not None, name
    return found


@contextmanager
def mariadb(folder: Path) -> Iterator[dict[str, Any]]:
    """Start MariaDB, give the entry of DATABASES for it, and stop it."""
    data, socket, log, first = (folder / name for name in ("data", "socket", "log", "first.sql"))
    first.write_text(f"CREATE DATABASE {NAME};")
    common = ["--no-defaults", f"--user={getuser()}", f"--datadir={data}", "--innodb-log-file-size=4M"]
    install = [program("mariadb-install-db"), *common, "--skip-test-db", "--auth-root-authentication-method=normal"]
    subprocess.run(install, check=True, capture_output=True)
    serve = [program("mariadbd"), *common, "--skip-networking", f"--socket={socket}", "--character-set-server=utf8mb4"]
    serve += [f"--collation-server={COLLATION}", "--innodb-flush-log-at-trx-commit=0", "--skip-grant-tables"]
    serve.append(f"--init-file={first}")
    with log.open("wb") as output:
        server = subprocess.Popen(serve, stdout=output, stderr=output)
    try:
        until(lambda: has_started(server, socket, log), "MariaDB")
        yield {"ENGINE": "django.db.backends.mysql", "HOST": str(socket), "USER": USER, "NAME": NAME}
    finally:
        server.terminate()
        server.wait()


def has_started(server: "subprocess.Popen[bytes]", socket: Path, log: Path) -> bool:
    """Tell whether it listens. Raises AssertionError with what it says where it has ended."""
    assert server.poll() is None, log.read_text()
    return socket.exists()


@contextmanager
def alias_to(given: dict[str, Any], name: str = ALIAS) -> Iterator[None]:
    """Add an alias with a database of its own, in which all tables are made; both go again."""
    connections.settings[name] = connections.configure_settings({"default": given})["default"]
    creation: Any = connections[name].creation
    creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        yield
    finally:
        creation.destroy_test_db(given["NAME"], verbosity=0)
        connections[name].close()
        del connections[name]
        del connections.settings[name]
