"""`manage.py invalidate_statistics`: does by hand what a change of a source does."""

from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from typing import Any

from django.apps import apps
from django.db.models import Model

from statistics_cache.changing import byhand
from statistics_cache.changing.receiving import all_watches_on
from statistics_cache.changing.walking import chain
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.management.base import EXIT_CODES, Chosen, add_choice, choose, demand_one, narrow, usage
from statistics_cache.management.refreshing import Batch, Way, refresh_all, sort_out
from statistics_cache.management.telling import RefreshingCommand, Words

WORDS: Words = {"computed": "refreshed", "found": "fresh", "promoted": "fresh", "failed": "failed"}
FORESEEN = {False: "would be invalidated", True: "would be invalidated and refreshed"}


class Command(RefreshingCommand):
    """Makes variants be computed anew; with --refresh at once."""

    help = (
        "Makes the variants of one of NAME..., --all and --model be computed anew, as a change of their source does: "
        "for writes that Django does not see, for example of raw SQL. Counts the stored variants that this concerns. "
        "A name does not reach the statistics that are computed from that one; --model does. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to invalidate, and what to do then."""
        add_choice(parser)
        parser.add_argument("--all", action="store_true", help="Every statistic.")
        parser.add_argument("--model", metavar="app.Model", help="Every statistic that is computed from this model.")
        parser.add_argument(
            "--refresh",
            action="store_true",
            help="Then compute the stored variants that were concerned. A failure is written to standard error, "
            "and the others are tried all the same.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Only count.")

    def work(self, **options: Any) -> None:
        """Invalidate everything, then refresh: a statistic may be computed from another of them."""
        refuse_contradictions(options)
        chosen = choose_any(options)
        is_foreseen = options["dry_run"]
        done = FORESEEN[options["refresh"]] if is_foreseen else "invalidated"
        for declaration, texts in chosen:
            count = count_stored(declaration, texts)
            if not is_foreseen:
                byhand.invalidate(declaration, texts)
            self.stdout.write(f"{declaration.name}: {count} {done}.")
        if options["refresh"] and not is_foreseen and not self.is_off():
            for each in chosen:
                tried = refresh_all(stored_batches(each), Way())
                self.tell(each.declaration.name, tried, WORDS, nothing="nothing to refresh: none is stored.")


def refuse_contradictions(options: Mapping[str, Any]) -> None:
    """Raise CommandError with 2 for options that say nothing, or two things at once."""
    given = {"NAME": options["names"], "--all": options["all"], "--model app.Model": options["model"] is not None}
    demand_one("invalidate", given)


def choose_any(options: Mapping[str, Any]) -> list[Chosen]:
    """Give the statistics that are named, or computed from a model; of these, those that have the parameters."""
    if options["model"] is None:
        return choose(options["names"], options["params"])
    return narrow(computed_from(options["model"]), options["params"])


def computed_from(label: str) -> list[Declaration[..., Any]]:
    """Give the statistics that a change of a model's rows concerns, by name. Wrong usage if there are none."""
    sources = {model: found for model in apps.get_models(include_auto_created=True) if (found := statistics_on(model))}
    known = {model._meta.label: found for model, found in sources.items()}
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError) as error:  # ValueError: there is no dot in it, or more than one
        raise usage(f"--model: there is no model {label!r}.{did_you_mean(label, known)}") from error
    if model not in sources:
        raise usage(f"--model: no statistic is computed from {model._meta.label}.{did_you_mean(label, known)}")
    return sources[model]


def statistics_on(model: type[Model]) -> list[Declaration[..., Any]]:
    """Give the statistics that watch the tables of a model's rows, by name."""
    watches = [each for table in chain(model) for each in all_watches_on(table)]
    watching = {each.declaration.name: each.declaration for each in watches}
    return [watching[name] for name in sorted(watching)]


def count_stored(declaration: Declaration[..., Any], texts: Mapping[str, str]) -> int:
    """Count the stored variants of the current schema that have these parameters."""
    rows = cold.matching(declaration, texts)
    in_batches = cold.in_batches(cold.alias_of(declaration), rows)
    return sum(some.filter(schema=declaration.fingerprint).count() for some in in_batches)


def stored_batches(chosen: Chosen) -> Iterator[Batch]:
    """Sort out the stored variants of a statistic that were concerned."""
    return (sort_out(chosen.declaration, variants, Way()) for variants in cold.stored_variants(*chosen))
