"""`manage.py show_statistics`: what is stored, and what a read would make of it now."""

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from statistics_cache.management.base import EXIT_CODES, FAILED, Chosen, StatisticsCommand, add_choice, choose
from statistics_cache.management.shown import HEADING, STATES, Shown, read_stored

MAX_NAMED = 5  # entries that --check names; the list above has them all


class Command(StatisticsCommand):
    """Lists stored variants with the state in which a read would find them; computes, promotes and changes nothing."""

    help = (
        "Lists the stored variants of statistics, of the current schema, each with the state in which a read would "
        "find it: fresh, stale, expired, or missing where a row is there that no read may serve. Changes nothing. "
    ) + EXIT_CODES

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to show, and how."""
        add_choice(parser)
        parser.add_argument("--state", choices=STATES, help="Only entries in this state.")
        parser.add_argument("--values", action="store_true", help="Show the values too.")
        parser.add_argument(
            "--check",
            action="store_true",
            help="Exit with 1 where an entry that is shown is not fresh, or its last compute failed.",
        )
        parser.add_argument(
            "--format",
            choices=("table", "json"),
            default="table",
            help="json writes one list of {name, params, state, reason, age, tier, computed_at, cost, value}: age and "
            "cost in seconds, computed_at in ISO 8601, value null without --values.",
        )

    def work(self, **options: Any) -> None:
        """Show what is chosen; end with 1 where --check found something."""
        self.counts: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.doubtful = 0
        if options["format"] == "json":
            self.write_json(**options)
        else:
            self.write_table(**options)
        if options["check"] and self.doubtful:
            raise CommandError(describe(self.doubtful, self.complaints), returncode=FAILED)

    def entries(self, chosen: Chosen, state: str | None) -> Iterator[Shown]:
        """Give the entries of one statistic that are to be shown, and keep count."""
        for shown in read_stored(*chosen):
            if state in (None, shown.state):
                self.note(shown)
                yield shown

    def note(self, shown: Shown) -> None:
        """Count an entry, and keep the first complaints."""
        self.counts[shown.state] += 1
        self.doubtful += shown.is_doubtful
        if shown.is_doubtful and len(self.complaints) < MAX_NAMED:
            self.complaints.append(shown.complaint)

    def write_json(self, *, names: list[str], params: str | None, state: str | None, values: bool, **_: Any) -> None:
        """Write one document and nothing else, an entry a line; payloads go in as they are stored."""
        opening = "["
        for chosen in choose(names, params):
            for shown in self.entries(chosen, state):
                self.stdout.write(opening)
                self.stdout.write(shown.as_json(values=values), ending="")
                opening = ","
        self.stdout.write("[]" if opening == "[" else "\n]")

    def write_table(self, *, names: list[str], params: str | None, state: str | None, values: bool, **_: Any) -> None:
        """Write a row per entry, a line for each statistic that has none, and the counts."""
        empty = []
        for chosen in choose(names, params):
            before = self.counts.total()
            for shown in self.entries(chosen, state):
                if self.counts.total() == 1:
                    self.stdout.write(HEADING)
                self.stdout.write(shown.as_row(values=values))
            if self.counts.total() == before:
                empty.append(chosen.declaration.name)
        for name in empty:
            self.stdout.write(f"{name}: nothing {'that matches ' if params or state else ''}is stored.")
        if total := self.counts.total():
            kinds = ", ".join(f"{count} {state}" for state, count in self.counts.items())
            self.stdout.write(f"{total} stored: {kinds}.")


def describe(count: int, complaints: list[str]) -> str:
    """Say what --check found, and of which entries."""
    more = [f"and {count - len(complaints)} more"] if count > len(complaints) else []
    return "\n  ".join([f"{count} stored are not fresh, or failed when last computed:", *complaints, *more])
