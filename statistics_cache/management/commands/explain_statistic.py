"""`manage.py explain_statistic`: the story of one variant, in plain words."""

from argparse import ArgumentParser
from typing import Any

from statistics_cache.api import registry
from statistics_cache.explaining.sentences import explain
from statistics_cache.management.base import EXIT_CODES, StatisticsCommand


class Command(StatisticsCommand):
    """Tells why a variant is as it is; computes, promotes and changes nothing."""

    help = (
        "Tells of one variant when it was computed, by whom and from what, what changed since, why it is fresh, stale "
        "or expired, what the next read does, when it is refreshed next, and what the cache and the table hold. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the variant, and how to show it."""
        parser.add_argument("name", metavar="NAME", help="A statistic's name.")
        parser.add_argument(
            "--params",
            metavar="JSON",
            default="{}",
            help='The variant\'s parameters, for example \'{"category": "clip"}\'; what is omitted has its default.',
        )
        parser.add_argument("--format", choices=("text", "json"), default="text", help="json has all facts as well.")

    def work(self, **options: Any) -> None:
        """Tell it."""
        declaration = registry.get(options["name"]).declaration
        variant = declaration.variant((), declaration.parameters.parse(options["params"]))
        story = explain(declaration, variant)
        self.stdout.write(story.as_json() if options["format"] == "json" else f"{variant.key}\n{story}")
