"""`manage.py discover_sources`: computes, and says what `depends_on` is to name."""

from argparse import ArgumentParser
from itertools import chain, islice
from time import time
from typing import Any

from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.management.base import EXIT_CODES, Chosen, add_choice, at_least_one, choose
from statistics_cache.management.refreshing import describe, read_grid
from statistics_cache.management.telling import RefreshingCommand
from statistics_cache.management.variants import all_variants
from statistics_cache.noting.proposing import Tried, propose, try_out

MOST = 20  # variants of each statistic; more seldom read anything else


class Command(RefreshingCommand):
    """Computes variants, stores nothing, and prints the `depends_on=` that they speak for."""

    help = (
        "Computes variants of statistics, stores nothing, notes which tables they read, and prints the depends_on= to "
        "paste: with paths where every read holds a column equal to a parameter. Look at them: a change drops no other "
        "variant than such a path says. Tables that these computes did not read are not in it. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which, and how many."""
        add_choice(parser)
        parser.add_argument(
            "--most",
            type=int,
            default=MOST,
            metavar="N",
            help="Compute so many variants of each at most; %(default)s if omitted.",
        )

    def work(self, **options: Any) -> None:
        """Discover statistic by statistic."""
        most = at_least_one("--most", options["most"])
        for chosen in choose(options["names"], options["params"]):
            variants = list(islice(chain.from_iterable(variants_of(chosen)), most))
            tries = [tried for each in variants if (tried := self.try_one(chosen.declaration, each)) is not None]
            self.tell_found(chosen.declaration, tries)

    def try_one(self, declaration: Declaration[..., Any], variant: Variant) -> Tried | None:
        """Compute one variant; one that fails is told of, and the others are tried all the same."""
        try:
            return try_out(declaration, variant, time())
        except Exception as error:  # noqa: BLE001  (whatever the user's function raises; reported by name)
            self.failures += 1
            self.stderr.write(f"{variant.key} failed: {describe(error)}")
            return None

    def tell_found(self, declaration: Declaration[..., Any], tries: list[Tried]) -> None:
        """Write what to paste."""
        if not tries:
            self.stdout.write(f"{declaration.name}: no variant was computed. Name one by --params.")
            return
        found = propose(declaration, tries)
        self.stdout.write(f"{declaration.name}, from {len(tries)} computed:\n{found.text}")
        for other in found.others:
            self.stdout.write(f"It also reads {other}, whose changes cannot be seen.")


def variants_of(chosen: Chosen) -> Any:
    """Give the variants to compute: those of `hydrate=`, those stored, else the one that is asked for."""
    return all_variants(chosen, read_grid(chosen.declaration)[0])
