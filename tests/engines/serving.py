"""`python -m tests.engines.serving`: the example project under a web server on a cluster, a primary of which is killed.

Readers ask over HTTP while a writer adds models; who is told that a value is fresh must be given each one that was
committed longer ago than a proof is believed. Prints what readers felt; exit code 0 if no answer was wrong.
"""

import argparse
import json
import os
import sys
import tempfile
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import local
from typing import NamedTuple

from project.valkey import HOST, terminable
from tests.engines.clusters import cluster
from tests.engines.webservers import COMMANDS, serving
from tests.soak.servers import database, project
from tests.waiting import PATIENCE, pass_time, until

CATEGORY = "codeformer"
PATH = f"/statistics/{CATEGORY}/"
BETWEEN = 0.25  # seconds between two writes: each has all workers compute anew, or wait for who does


class Told(NamedTuple):
    """What a response says."""

    value: int
    state: str
    tier: str


class Client(local):
    """A connection for each thread that asks."""

    def __init__(self, port: int) -> None:
        """Connect when first used."""
        self.connection = HTTPConnection(HOST, port, timeout=PATIENCE)

    def ask(self) -> Told:
        """Ask for the statistics of the category. Raises what is no answer."""
        self.connection.request("GET", PATH)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {body[:200]!r}")
        found, where = json.loads(body), response.headers["Cache-Status"]
        tier = next((tier for tier in ("hot", "cold") if tier in where), "computed")
        return Told(found["value"]["total_models"], found["state"], tier)


def main() -> int:
    """Serve, load, kill, and judge."""
    arguments = read_arguments()
    given = {"PROOF_INTERVAL": arguments.proof, "BREAKER_PAUSE": arguments.pause}
    os.environ |= {"STATISTICS_CACHE": json.dumps(given), "DEBUG": "0", "SECRET_KEY": "serving"}
    with (
        terminable(),
        tempfile.TemporaryDirectory() as folder,
        cluster(Path(folder) / "cluster") as nodes,
        database(Path(folder)) as url,
        project("tests.engines.serving_settings", folder, url, ",".join(nodes.urls), "memory://"),
        serving(arguments.server, arguments.workers, arguments.threads, PATH) as port,
    ):
        from project.catalog.models import ModelRecord
        from project.catalog.statistics import category_statistics
        from tests.engines.clusters import primary_of
        from tests.engines.load import Load, kill

        numbers = count()

        def write() -> None:
            pass_time(BETWEEN)
            ModelRecord.objects.create(category=CATEGORY, name=f"model {next(numbers)}")

        load = Load(Client(port).ask, write, arguments.proof, arguments.clients)
        with load.running():
            until(lambda: any(read.tier == "hot" for read in load.reads), "a hot read")
            pass_time(arguments.seconds / 2)
            killed = kill(primary_of(nodes, category_statistics.name))
            until(lambda: load.is_hot_again(killed), "a hot tier that is back")
            pass_time(arguments.seconds / 2)
    size = f"{arguments.workers} workers × {arguments.threads} threads, {arguments.clients} clients"
    print(f"{arguments.server}, {size}: {load.pace()}")  # noqa: T201
    print(load.told(killed))  # noqa: T201
    for wrong in [*load.violations()[:5], *load.errors[:5]]:
        print(wrong)  # noqa: T201
    return 1 if load.violations() or load.errors else 0


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.engines.serving", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of load, half of them after the outage")
    parser.add_argument("--proof", type=float, default=30.0, help="seconds for which a proof is believed")
    parser.add_argument("--pause", type=float, default=5.0, help="seconds for which a process leaves alone what failed")
    parser.add_argument("--server", choices=COMMANDS, default="gunicorn", help="what serves; must be installed")
    parser.add_argument("--workers", type=int, default=8, help="processes that serve")
    parser.add_argument("--threads", type=int, default=4, help="threads of each; uvicorn has one for each request")
    parser.add_argument("--clients", type=int, default=6, help="threads that ask")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
