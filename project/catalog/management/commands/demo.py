"""`manage.py demo`: the whole thing once, on real servers, in about a minute."""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from heapq import nlargest
from operator import attrgetter
from shutil import get_terminal_size
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from django.test import override_settings
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from project.catalog.loading.generator import generate_catalogue, generate_usage
from project.catalog.loading.storing import store_catalogue
from project.catalog.models import UsageRecord
from project.catalog.showing.measuring import Measured, Variant, measure, variants
from project.catalog.showing.serving import ENDED, Servers, new_password, refuse_to_serve, serve
from project.dashboard.controls import kept
from project.settings import redis_cache
from project.valkey import Busy, alone, terminable, valkey
from statistics_cache.conf import settings as read_settings
from statistics_cache.hot import counters
from statistics_cache.tasks import tick

FEW = 5  # rows, unless all are asked for
WITHOUT_TERMINAL = (160, 24)  # columns and lines: room for the longest variant


class Command(BaseCommand):
    """Loads a catalogue, computes every statistic, reads each from both tiers, flushes the cache and reads again."""

    help = (
        "Migrates, loads a catalogue and usage records, computes every statistic and shows what reading costs; then "
        "serves a page that shows it live, and the admin, with a Celery worker and beat until Ctrl-C. Starts a Valkey "
        "server of its own unless REDIS_URL is set, and leaves no process behind."
    )

    # On SQLite the checks begin a transaction, and would wait here for a demo that is loading.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to load, and how much."""
        parser.add_argument("--no-serve", action="store_true", help="end after the table")
        parser.add_argument(
            "--no-browser", action="store_true", help="do not open the page (without a terminal: never)"
        )
        parser.add_argument("--all", action="store_true", help="print every row of the table, not the best five")
        parser.add_argument("--port", type=int, default=8000, help="where to serve on 127.0.0.1 (default: 8000)")
        parser.add_argument("--data", nargs="+", metavar="PATH", help="reference files to load (default: generated)")
        parser.add_argument("--usage", type=int, default=200_000, metavar="N", help="usage records to generate")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run it all between starting and stopping the server."""
        if options["usage"] < 0:
            raise CommandError(f"--usage is {options['usage']}. Give a number of records, 0 or more.", returncode=2)
        if not options["no_serve"]:
            refuse_to_serve(options["port"])
        self.progress = Progress(console=Console(stderr=True), disable=not self.stderr.isatty(), transient=True)
        try:
            with terminable(), real_cache() as servers:
                self.stdout.write(f"cache: {place_of(servers.cache)}")
                with self.progress:
                    self.load(options["data"], options["usage"])
                    rows = [measure(variant) for variant in self.step("computing", variants())]
                    self.show(rows, rows if options["all"] else best(rows))
                    self.flush_and_read()
                if not options["no_serve"]:
                    self.serve(servers, options["port"], opens=self.stdout.isatty() and not options["no_browser"])
        except Busy as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            message = f"{settings.RUN_DIR}: {error}. Set RUN_DIR to a folder to write in."
            raise CommandError(message, returncode=2) from error
        except KeyboardInterrupt:
            raise CommandError("interrupted; every process of the demo was stopped.", returncode=130) from None

    def load(self, paths: list[str] | None, usage: int) -> None:
        """Fill the database: the files given, or a generated catalogue, then usage records, unless it has as many."""
        self.say("migrating, and loading the catalogue")
        call_command("migrate", verbosity=0)
        if paths:
            call_command("load_catalog", *paths, stdout=self.stdout, stderr=self.stderr)
        else:
            store_catalogue(generate_catalogue())
        if usage and UsageRecord.objects.count() == usage:
            self.stdout.write(f"{usage:,} usage records of an earlier run are used again")
            return
        self.say(f"generating {usage:,} usage records")
        task = self.progress.add_task("usage records", total=usage)
        generate_usage(usage, progress=lambda added: self.progress.advance(task, added))
        self.stdout.write(f"{usage:,} usage records generated")

    def show(self, rows: list[Measured], shown: list[Measured]) -> None:
        """Print what all took, and one table."""
        computed, hot = (sum(times) for times in zip(*((row.computed, row.hot) for row in rows), strict=True))
        self.stdout.write(
            f"\n{len(rows)} values: {computed:,.1f} s to compute, {hot:.2f} s to read: {computed / hot:,.0f} ×"
        )
        table = Table("statistic", "variant", *TIMES, "computed / hot", box=SIMPLE)
        for column in table.columns[2:]:
            column.justify = "right"
        for row in shown:
            times = (f"{1000 * seconds:,.2f} ms" for seconds in (row.computed, row.hot, row.cold))
            table.add_row(row.variant.statistic.name, str(row.variant), *times, f"{row.ratio:,.0f}")
        console = Console(width=get_terminal_size(WITHOUT_TERMINAL).columns)
        with console.capture() as text:
            console.print(table)
        self.stdout.write(text.get())
        if len(shown) < len(rows):
            self.stdout.write(f"(the best {len(shown)} of {len(rows)}: --all shows the rest)")

    def flush_and_read(self) -> None:
        """Empty the statistics' part of the cache and read every variant again: the table answers."""
        counters.flush()  # what was counted until now goes with the rest
        cache: Any = caches["statistics"]
        cache.delete_pattern(f"{read_settings().KEY_PREFIX}:*")
        wanted = variants()
        tiers = [variant.statistic.answer(**variant.parameters).tier for variant in self.step("reading", wanted)]
        self.stdout.write(f"after a flush of the cache: read {len(wanted)}, computed {tiers.count('computed')}")

    def serve(self, servers: Servers, port: int, *, opens: bool) -> None:
        """Serve the page and the admin, which have something to show from the beginning, until Ctrl-C or SIGTERM."""
        tick()
        counters.flush()
        password = new_password()
        connections.close_all()
        self.say("starting web server, worker and beat")
        self.stdout.flush()
        code = serve(servers, port, password, opens=opens)
        if code not in ENDED:
            raise CommandError("a process of the demo failed; its last lines are above.", returncode=1)
        sys.exit(code)

    def step(self, label: str, wanted: list[Variant]) -> Iterator[Variant]:
        """Give each variant and show how far it is."""
        self.say(f"{label} {len(wanted)} values")
        yield from self.progress.track(wanted, description=label)

    def say(self, step: str) -> None:
        """Say in a line what is done now, where no bar shows it."""
        if self.progress.disable:
            self.stdout.write(f"{step} …")
            self.stdout.flush()


def best(rows: list[Measured]) -> list[Measured]:
    """Give the few rows that gain most."""
    return nlargest(FEW, rows, key=attrgetter("ratio"))


def place_of(url: str) -> str:
    """Give the host and the port of a server, or its socket: the rest of its URL may hold a password."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379}" if parts.hostname else parts.path


TIMES = ("computed in", "read hot in", "read cold in")


@contextmanager
def real_cache() -> Iterator[Servers]:
    """Let statistics live in Redis: the server of REDIS_URL, else one of our own, stopped at the end."""
    if settings.REDIS_URL:
        yield Servers(settings.REDIS_URL, str(settings.CELERY_BROKER_URL))
        return
    with ExitStack() as stack:
        stack.enter_context(alone(settings.RUN_DIR))
        server = stack.enter_context(valkey(settings.RUN_DIR / "valkey"))
        stack.enter_context(kept("valkey", server.stop, server.start))
        url = server.connection_url
        servers = Servers(f"{url}/1", f"{url}/0")
        stack.enter_context(override_settings(CACHES=settings.CACHES | {"statistics": redis_cache(servers.cache)}))
        yield servers
