"""`manage.py renew_statistics_identity`: gives a database another identity, after its files were copied."""

from argparse import ArgumentParser
from typing import Any

from django.db import connections, router

from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.identity import facts, known
from statistics_cache.management.base import EXIT_CODES, StatisticsCommand, usage
from statistics_cache.models import StatisticIdentity


class Command(StatisticsCommand):
    """Renews the number that tells a database from its copies."""

    help = (
        "Gives a database another identity: run it once on a copy that shares a Redis with the original and was made "
        "in a way that its server does not tell (SQLite's file written over another, a base backup that was started "
        "without promotion). Nothing is lost: hot values are proved and promoted again. " + EXIT_CODES
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the database."""
        parser.add_argument("--database", help="An entry of DATABASES; by default the one that entries are routed to.")

    def work(self, **options: Any) -> None:
        """Renew it, and say which it is."""
        alias = options["database"] or router.db_for_write(StatisticIdentity)
        if alias not in connections.databases:
            raise usage(f"DATABASES has no entry {alias!r}.{did_you_mean(alias, connections.databases)}")
        facts.renew(alias)
        known.forget(alias)
        self.stdout.write(f"{alias}: its identity is {facts.ask(connections[alias])} now.")
