"""`manage.py hydrate_statistics`: makes every variant that `hydrate=` names fresh, ahead of its readers."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from typing import Any

from statistics_cache.changing import checking
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.management.base import EXIT_CODES, add_names, at_least_one, choose, database_out, usage
from statistics_cache.management.refreshing import Batch, Tried, Way, read_grid, refresh_all, sort_out
from statistics_cache.management.telling import RefreshingCommand, Words
from statistics_cache.management.variants import AT_ONCE, split

WORDS: Words = {"found": "found", "promoted": "promoted", "computed": "computed", "failed": "failed"}
FORESEEN: Words = WORDS | {"promoted": "would promote", "computed": "would compute"}
KEPT: Words = {"kept": "left alone"}


class Command(RefreshingCommand):
    """Makes the hydrated variants fresh: found so, promoted where the table proves them, else computed."""

    help = (
        "Makes every variant that hydrate= names fresh: found in the cache, promoted from the table if the "
        "database proves it current, otherwise computed. Without a NAME, of every statistic that has hydrate=. A "
        "failure is written to standard error, and the others are tried all the same. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which, and how many at once."""
        add_names(parser)
        parser.add_argument(
            "--missing-only",
            action="store_true",
            help="Skip variants of which the table has a value, however old.",
        )
        parser.add_argument(
            "--batch-size",
            type=int,
            default=AT_ONCE,
            metavar="N",
            help="Look for so many variants in one round trip; %(default)s if omitted.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only name what would be computed, and count.")

    def work(self, **options: Any) -> None:
        """Hydrate statistic by statistic."""
        size = at_least_one("--batch-size", options["batch_size"])
        declarations = hydrated(options["names"])
        missing_only, way = options["missing_only"], Way(is_foreseen=options["dry_run"])
        if self.is_off() or self.is_not_hydrated():
            return
        words = (FORESEEN if way.is_foreseen else WORDS) | (KEPT if missing_only else {})
        for each in declarations:
            tried = refresh_all(batches(each, way, size, missing_only=missing_only), way)
            self.tell(each.name, tried, words, nothing="its hydrate= names no variant.", listed=way.is_foreseen)
        if not declarations:
            self.stdout.write("There is nothing to hydrate: no statistic has hydrate=.")


def hydrated(names: Sequence[str]) -> list[Declaration[..., Any]]:
    """Give the statistics with `hydrate=` that names or globs choose; a name without, or a glob of none, is wrong."""
    chosen = [each.declaration for each in choose(names, None)]
    found = [each for each in chosen if each.is_hydrated]
    for each in chosen if names else []:
        if not each.is_hydrated and (each.name in names or not found):
            raise usage(
                f"{each.name} has no hydrate=, so nothing says which variants to hydrate. Declare it, or name "
                "the variants for refresh_statistics."
            )
    return found


def batches(declaration: Declaration[..., Any], way: Way, size: int, *, missing_only: bool) -> Iterator[Batch]:
    """Sort out the variants that `hydrate=` names, so many at once."""
    grid, failures = read_grid(declaration)
    if failures:
        yield Batch(failures, [])
    for variants in split(list(grid.values()), size):
        missing = find_missing(declaration, variants) if missing_only else variants
        left = {variant.key for variant in missing}
        kept = [Tried(variant.key, "kept") for variant in variants if variant.key not in left]
        done, wanted = sort_out(declaration, missing, way)
        yield Batch([*kept, *done], wanted)


def find_missing(declaration: Declaration[..., Any], variants: Sequence[Variant]) -> list[Variant]:
    """Give the variants that the table has no value of, in the current schema and not cleared."""
    proofs = checking.prove(declaration, variants, payloads=False)
    if proofs is None:
        raise database_out()
    return [variant for variant in variants if proofs[variant.key].copy is None]
