"""`manage.py statistics_triggers`: installs, removes and compares the triggers that are declared."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import connections, router
from django.db.utils import DatabaseError

from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.management.base import EXIT_CODES, FAILED, StatisticsCommand, usage
from statistics_cache.models import StatisticInvalidation
from statistics_cache.triggering import installing
from statistics_cache.triggering.describing import Unfit, homes


class Command(StatisticsCommand):
    """Does by hand what `migrate` does, or prints its SQL for whoever owns the tables."""

    help = (
        "Installs the triggers that log changes of the sources declared with capture='triggers', removes them (reads "
        "are then live until they are installed again), compares what is there with what is declared, or prints the "
        "SQL. `migrate` installs them by itself. " + EXIT_CODES
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to do, and the database."""
        parser.add_argument("action", choices=["install", "remove", "check", "sql"], help="What to do.")
        parser.add_argument("--database", help="An entry of DATABASES; by default all that have such statistics.")

    def work(self, **options: Any) -> None:
        """Do it on each database."""
        for alias in self.aliases(options["database"]):
            try:
                getattr(self, f"do_{options['action']}")(alias)
            except Unfit as error:
                raise CommandError(str(error), returncode=FAILED) from error
            except DatabaseError as error:
                raise CommandError(f"{alias}: the database refused: {error}", returncode=FAILED) from error

    def aliases(self, given: str | None) -> list[str]:
        """Give the databases that are meant."""
        if given is not None and given not in connections.databases:
            raise usage(f"DATABASES has no entry {given!r}.{did_you_mean(given, connections.databases)}")
        return [given] if given else homes() or [router.db_for_write(StatisticInvalidation)]

    def do_install(self, alias: str) -> None:
        """Make what is missing, and remove what is too many."""
        self.tell(alias, installing.install(alias), "all triggers are installed.")

    def do_remove(self, alias: str) -> None:
        """Remove all."""
        self.stdout.write(f"{alias}: {installing.remove(alias)} triggers removed.")

    def do_check(self, alias: str) -> None:
        """Compare."""
        self.tell(alias, installing.faults(alias), "all triggers are as declared.")

    def do_sql(self, alias: str) -> None:
        """Print the SQL that makes all of them."""
        for sql in installing.all_sql(alias):
            self.stdout.write(f"{sql};")

    def tell(self, alias: str, faults: list[str], otherwise: str) -> None:
        """Say what is wrong, and end with 1 if anything is."""
        for fault in faults:
            self.stdout.write(f"{alias}: {fault}")
        if faults:
            raise CommandError(f"{alias}: triggers are not as declared.", returncode=FAILED)
        self.stdout.write(f"{alias}: {otherwise}")
