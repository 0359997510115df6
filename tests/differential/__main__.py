"""`python -m tests.differential --operations 20000 --seed 1 --database sqlite`: exit code 0 if nothing differed."""

import argparse
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import django
from django.conf import settings

from tests.servers import postgres_settings
from tests.soak.servers import database

if TYPE_CHECKING:
    from tests.differential.playing import Player


def main() -> int:
    """Play, and tell."""
    arguments = read_arguments()
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    with tempfile.TemporaryDirectory() as folder, servers(arguments.database, Path(folder)):
        django.setup()
        logging.disable()
        with made():
            return replay(arguments) if arguments.replay is not None else play(arguments)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--operations", type=int, default=2_000, help="at least so many, done to each family")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--capture", choices=("signals", "triggers"), default="signals")
    parser.add_argument("--alone", action="store_true", help="one operation a turn, in autocommit: tells which it was")
    parser.add_argument("--replay", type=int, metavar="TURN", help="one turn, with what leads to it: shows statements")
    return parser.parse_args()


@contextmanager
def servers(name: str, folder: Path) -> Iterator[None]:
    """Have a database of our own."""
    with database(folder) if name == "postgres" else nullcontext() as url:
        if url is None:
            file = str(folder / "db.sqlite3")
            settings.DATABASES["default"]["NAME"] = file
        else:
            settings.DATABASES["default"] = postgres_settings(url)  # type: ignore[assignment]
        yield


@contextmanager
def made() -> Iterator[None]:
    """Have every table, and a cache that keeps what it is given."""
    from django.core.cache import caches
    from django.core.management import call_command
    from django.db import connections

    from tests.differential.tables import HOT, tables

    caches.settings["statistics"] = HOT
    call_command("migrate", run_syncdb=True, verbosity=0)
    try:
        with tables("default"):
            yield
    finally:
        connections.close_all()


def player_of(arguments: argparse.Namespace) -> "Player":
    """Give the player of a command line."""
    from tests.differential.blocks import BLOCKS, alone
    from tests.differential.playing import Player

    blocks = (alone,) if arguments.alone else BLOCKS
    return Player(arguments.seed, "default", blocks=blocks, capture=arguments.capture)


def play(arguments: argparse.Namespace) -> int:
    """Play until enough is done."""
    from tests.differential.report import report

    player, began = player_of(arguments), perf_counter()
    faults = []
    for fault in player.play(arguments.operations):
        faults.append(fault)
        if sys.stderr.isatty():
            sys.stderr.write(f"{fault}\n")
    for line in report(player.counted, faults, perf_counter() - began):
        print(line)  # noqa: T201
    return 1 if faults else 0


def replay(arguments: argparse.Namespace) -> int:
    """Play one turn, and show its statements."""
    faults = player_of(arguments).replay(arguments.replay, print)
    for fault in faults:
        print(fault)  # noqa: T201
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
