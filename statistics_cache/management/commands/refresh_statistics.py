"""`manage.py refresh_statistics`: computes and stores what is not fresh, here or by a worker."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from statistics_cache import upkeep
from statistics_cache.management.base import (
    EXIT_CODES,
    Chosen,
    add_choice,
    at_least_one,
    choose,
    database_out,
    demand_one,
    usage,
)
from statistics_cache.management.refreshing import Batch, Way, read_grid, refresh_all, sort_out
from statistics_cache.management.telling import RefreshingCommand, Words
from statistics_cache.management.variants import AT_ONCE, all_variants, matching, split

NO_VARIANT = (
    "nothing to refresh: no variant that matches is stored or hydrated. "
    "To compute one, name in --params every parameter that has no default."
)


class Command(RefreshingCommand):
    """Makes variants fresh: those that are not are computed, with --force every one."""

    help = (
        "Refreshes the stored and the hydrated variants of one of NAME..., --all and --due: those that the database "
        "proves fresh are promoted, the others are computed and stored. Where there is no such variant, and the "
        "parameters make a whole call, that one is computed. A failure is written to standard error, and the others "
        "are tried all the same. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to refresh, and how."""
        add_choice(parser)
        parser.add_argument("--all", action="store_true", help="Every statistic.")
        parser.add_argument(
            "--due",
            action="store_true",
            help="Those that the tick would queue: hydrated variants that were never computed, whose source has "
            "changed, or that will soon be stale.",
        )
        parser.add_argument(
            "--async", action="store_true", help="Have Celery workers refresh, instead of doing it here."
        )
        parser.add_argument("--force", action="store_true", help="Compute what is fresh, too.")
        parser.add_argument(
            "--jobs",
            type=int,
            metavar="N",
            help="Compute so many at a time, each in a thread; one if omitted, and always one in a transaction or on "
            "a database in memory, which other threads would not see.",
        )
        parser.add_argument("--fail-fast", action="store_true", help="Begin nothing more after the first failure.")
        parser.add_argument("--dry-run", action="store_true", help="Only name what would be refreshed, and count.")

    def work(self, **options: Any) -> None:
        """Refresh statistic by statistic."""
        way = read_way(options)
        chosen = choose(options["names"], options["params"])
        is_due = options["due"]
        if self.is_off() or (is_due and self.is_not_hydrated()):
            return
        for each in chosen:
            if is_due and not each.declaration.is_hydrated:
                continue
            batches, nothing = (
                (due(each, way), "nothing is due.") if is_due else (chosen_batches(each, way), NO_VARIANT)
            )
            tried = refresh_all(batches, way)
            self.tell(each.declaration.name, tried, words_of(way), nothing=nothing, listed=way.is_foreseen)
            if way.fail_fast and self.failures:
                return


def read_way(options: Mapping[str, Any]) -> Way:
    """Give how to refresh. Raises CommandError with 2 for options that say nothing, or two things at once."""
    demand_one("refresh", {"NAME": options["names"], "--all": options["all"], "--due": options["due"]})
    if options["async"] and options["jobs"] is not None:
        raise usage("--async leaves the work to Celery's workers, who take no --jobs. Leave one of them out.")
    return Way(
        forced=options["force"],
        is_queued=options["async"],
        is_foreseen=options["dry_run"],
        jobs=1 if options["jobs"] is None else at_least_one("--jobs", options["jobs"]),
        fail_fast=options["fail_fast"],
    )


def words_of(way: Way) -> Words:
    """Give what to call the outcomes."""
    verb = "queue" if way.is_queued else "refresh"
    done = f"would {verb}" if way.is_foreseen else {"queue": "queued", "refresh": "refreshed"}[verb]
    return {"computed": done, "queued": done, "found": "fresh", "promoted": "fresh", "failed": "failed"}


def chosen_batches(chosen: Chosen, way: Way) -> Iterator[Batch]:
    """Sort out every variant of a statistic."""
    grid, failures = read_grid(chosen.declaration)
    if failures:
        yield Batch(failures, [])
    for variants in all_variants(chosen, grid):
        yield sort_out(chosen.declaration, variants, way)


def due(chosen: Chosen, way: Way) -> Iterator[Batch]:
    """Give the hydrated variants of a statistic that a tick would queue; of any grid all, however large."""
    grid, failures = read_grid(chosen.declaration)
    if failures:
        yield Batch(failures, [])
    for variants in split(matching(chosen, grid), AT_ONCE):
        wanted = upkeep.wanted_among(chosen.declaration, variants)
        if wanted is None:
            raise database_out()
        yield Batch([], [replace(each, forced=way.forced) for each in wanted])
