"""`manage.py statistics_listen`: has the hot tier hear of every program's commits within milliseconds."""

import signal
from argparse import ArgumentParser
from contextlib import closing
from typing import Any

from django.core.management.base import CommandError
from django.db import connections, router

from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.management.base import FAILED, StatisticsCommand, usage
from statistics_cache.models import StatisticInvalidation
from statistics_cache.triggering import listening
from statistics_cache.triggering.describing import Unfit, homes


class Command(StatisticsCommand):
    """Listens until it is told to end."""

    help = (
        "Listens to what PostgreSQL tells of commits, of any program, and delivers it: without, readers notice within "
        "PROOF_INTERVAL. Wants triggers and the setting NOTIFY, and PostgreSQL's own HOST and PORT: a pooler that "
        "shares connections between transactions loses notices, and is refused. Runs until SIGTERM or SIGINT, and "
        "connects again when the database was down. Exit codes: 0 ended "
        "by a signal, 1 there is nothing to listen to, 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the database."""
        parser.add_argument("--database", help="An entry of DATABASES; by default the one that has such statistics.")

    def work(self, **options: Any) -> None:
        """Listen, and say so; a signal is no failure."""
        alias = self.alias(options["database"])
        former = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            listening.demand_notices(alias)
            with closing(listening.listen(alias)) as lines:
                for line in lines:
                    self.stdout.write(f"{alias}: {line}.")
                    self.stdout.flush()
        except Unfit as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except KeyboardInterrupt:
            self.stdout.write(f"{alias}: ended.")
        finally:
            signal.signal(signal.SIGTERM, former)

    def alias(self, given: str | None) -> str:
        """Give the database that is meant."""
        if given is not None and given not in connections.databases:
            raise usage(f"DATABASES has no entry {given!r}.{did_you_mean(given, connections.databases)}")
        if given is None and len(found := homes()) > 1:
            raise usage(f"Say which --database to listen to: {' or '.join(found)}. Run one process for each.")
        return given or next(iter(homes()), router.db_for_write(StatisticInvalidation))
