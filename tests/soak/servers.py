"""A PostgreSQL database and a Valkey that nobody else uses, for as long as a command runs."""

import os
import secrets
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit

import django
import psycopg

from tests.engines.mariadb import mariadb
from tests.servers import own_valkey, postgres
from tests.soak.hurting import DIRECT, Hosts, hosts

ENGINE, ISOLATION = "SOAK_DATABASE", "SOAK_ISOLATION"  # of a MariaDB of our own: what its transactions see
CACHE = "SOAK_CACHE_URL"  # the environment's name for the address of a Valkey that several sites share


@contextmanager
def servers(settings: str = "tests.soak.settings") -> Iterator[None]:
    """Set Django up on servers of our own, with all tables made; leave nothing behind, also when terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with (
        tempfile.TemporaryDirectory() as folder,
        cache() as address,
        database(Path(folder)) as url,
        project(settings, folder, url, f"{address}/1", f"{address}/0"),
    ):
        yield


@contextmanager
def cache() -> Iterator[str]:
    """Give the address of a Valkey: the neighbours' if we are to share theirs, else one of our own."""
    if theirs := os.environ.get(CACHE):
        yield theirs
        return
    with own_valkey() as valkey:
        yield valkey.connection_url


@contextmanager
def servers_to_hurt(seed: int) -> Iterator[Hosts]:
    """Do so on servers that can be hurt, each behind a proxy in a process of its own; give what hurts them."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with (
        tempfile.TemporaryDirectory() as folder,
        database(Path(folder)) as url,
        hosts(Path(folder), url, seed) as hurt,
        project("tests.soak.chaos_settings", folder, hurt["database"].url, hurt["cache"].url, hurt["broker"].url),
    ):
        os.environ[DIRECT] = url
        yield hurt


@contextmanager
def project(settings: str, folder: str, database: str, cache: str, broker: str) -> Iterator[None]:
    """Set Django up and make all tables."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": settings,
        "RUN_DIR": folder,
        "DATABASE_URL": database,
        "REDIS_URL": cache,
        "CELERY_BROKER_URL": broker,
    }
    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from statistics_cache.hot import counters

    call_command("migrate", verbosity=0)  # models without migrations refer to others, and would come first
    call_command("migrate", run_syncdb=True, verbosity=0)
    try:
        yield
    finally:
        counters.flush()  # while there is a server to count in
        connections.close_all()


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """Make a database on a server of our own, or on that of the test that runs us, and give its URL."""
    with mysql(folder) if os.environ.get(ENGINE) == "mysql" else postgresql(folder) as url:
        yield url


@contextmanager
def mysql(folder: Path) -> Iterator[str]:
    """Make one on a MariaDB."""
    with mariadb(folder) as given:
        level = quote(os.environ.get(ISOLATION, ""))
        yield f"mysql://{given['USER']}@{quote(given['HOST'], safe='')}/{given['NAME']}?isolation_level={level}"


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Make one on a PostgreSQL."""
    server = postgres(folder / "postgres")
    name = f"soak_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
