"""`manage.py clear_statistics`: deletes what is stored, in one tier or both."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from time import time
from typing import Any, NamedTuple

from django.core.management.base import CommandError

from statistics_cache.api import registry
from statistics_cache.changing import byhand
from statistics_cache.changing.byhand import Tier
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.management.base import (
    EXIT_CODES,
    FAILED,
    StatisticsCommand,
    add_choice,
    choose,
    demand_one,
    read_duration,
    usage,
)

PLACES = {"both": "both tiers", "hot": "the hot tier", "cold": "the cold tier"}


class Job(NamedTuple):
    """What is to be cleared of one statistic: how many rows that concerns, and how it is done."""

    name: str
    rows: int
    run: Callable[[], int]


class Command(StatisticsCommand):
    """Deletes stored variants; what is cleared in both tiers never comes back, not even as stale."""

    help = (
        "Deletes the stored variants of statistics. Cleared in both tiers, a value never comes back; with --tier hot, "
        "values that the database proves current are promoted again. Asks first, unless --no-input or --dry-run is "
        "given. " + EXIT_CODES
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to clear, where, and whether to ask."""
        add_choice(parser)
        parser.add_argument("--all", action="store_true", help="Every statistic.")
        parser.add_argument(
            "--orphaned",
            action="store_true",
            help="Rows that no call reads any more: of statistics no longer declared, of another schema, or of "
            "parameters that the function no longer has.",
        )
        parser.add_argument("--tier", choices=PLACES, help="hot, cold or both; both if omitted.")
        parser.add_argument(
            "--older-than", metavar="P1D", help="Only what was computed longer ago: an ISO 8601 duration above 0."
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count.")
        parser.add_argument(
            "--no-input", "--noinput", action="store_false", dest="interactive", help="Do not ask for confirmation."
        )

    def work(self, **options: Any) -> None:
        """Count, ask, clear."""
        refuse_contradictions(options)
        jobs = jobs_of(options)
        asking = jobs and options["interactive"] and not options["dry_run"]
        if asking and not is_terminal():
            raise usage("Nobody can be asked: this is no terminal. Give --no-input to clear, or --dry-run to count.")
        place = PLACES[options["tier"] or "both"]
        if asking and not self.agreed(jobs, place):
            raise CommandError("Cancelled: nothing was cleared.", returncode=FAILED)
        for job in jobs:
            count = job.rows if options["dry_run"] else job.run()
            self.stdout.write(f"{job.name}: {count} {'would be ' if options['dry_run'] else ''}cleared in {place}.")
        if not jobs:
            self.stdout.write("There is nothing to clear.")

    def agreed(self, jobs: list[Job], place: str) -> bool:
        """Ask whether to go on; anything but yes means no."""
        counts = ", ".join(f"{job.name} {job.rows}" for job in jobs)
        self.stdout.write(f"This clears {sum(job.rows for job in jobs)} stored in {place}: {counts}.")
        try:
            return input("Continue? [y/N] ").strip().lower() in {"y", "yes"}
        except EOFError:
            return False


def refuse_contradictions(options: Mapping[str, Any]) -> None:
    """Raise CommandError with 2 for options that say nothing, or two things at once."""
    demand_one("clear", {"NAME": options["names"], "--all": options["all"], "--orphaned": options["orphaned"]})
    if options["orphaned"] and options["params"] is not None:
        raise usage("--orphaned takes no --params: those of orphaned rows mean nothing any more.")
    if options["orphaned"] and options["tier"] in ("hot", "cold"):
        raise usage(f"--orphaned clears both tiers. Leave --tier {options['tier']} out.")


def jobs_of(options: Mapping[str, Any]) -> list[Job]:
    """Give what there is to do, statistic by statistic. Raises for wrong names, parameters and durations."""
    age = read_duration(options["older_than"])
    if options["orphaned"]:
        return orphan_jobs(age)
    tier: Tier = options["tier"] or "both"
    return [clear_job(*chosen, tier, age) for chosen in choose(options["names"], options["params"])]


def clear_job(declaration: Declaration[..., Any], texts: dict[str, str], tier: Tier, age: timedelta | None) -> Job:
    """Give the clearing of one statistic, which deletes all its rows before it ends."""
    before = None if age is None else time() - age.total_seconds()
    number = len(cold.matching(declaration, texts, before))
    return Job(declaration.name, number, partial(byhand.clear, declaration, texts, tier, age, most=None))


def orphan_jobs(age: timedelta | None) -> list[Job]:
    """Give the clearing of what is orphaned."""
    groups = byhand.orphans([found.declaration for found in registry.all()], age)
    return [Job(group.statistic, group.rows.count(), partial(byhand.clear_orphans, group)) for group in groups]


def is_terminal() -> bool:
    """Tell whether somebody can answer."""
    return sys.stdin is not None and sys.stdin.isatty()
