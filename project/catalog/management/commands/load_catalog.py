"""`manage.py load_catalog PATH…`: reads reference files into the catalogue."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import Progress

from project.catalog.loading.files import Found, find_files, read_file
from project.catalog.loading.reference import Record, Refused
from project.catalog.loading.storing import Changes, store_catalogue
from project.catalog.models import Category


class Command(BaseCommand):
    """Loads every file or none; what a file no longer names is removed."""

    help = (
        "Reads AI-Horde reference files (or folders of them) into the catalogue. Loading again updates, and "
        "removes records that are gone. All files are loaded in one transaction, or none is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Paths, and the category of a file whose name does not say it."""
        parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a reference file, or a folder of them")
        parser.add_argument(
            "--category",
            choices=Category.values,
            metavar="C",
            help=f"what the file holds: {', '.join(Category.values)}",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Reads all files, then stores all records, then says what changed."""
        try:
            found = find_files(options["paths"], options["category"] and Category(options["category"]))
            catalogue, changes = self._load(found)
        except Refused as refused:
            raise CommandError(f"{refused} Nothing was changed.") from refused
        for path in found.ignored:
            self.stdout.write(f"ignored: {path}")
        for each in found.files:
            self._report(each, catalogue[each], changes[each], options["verbosity"])

    def _load(self, found: Found) -> tuple[dict[Category, list[Record]], dict[Category, Changes]]:
        """Reads and stores, with a progress bar on a terminal."""
        hidden = not self.stderr.isatty()
        with Progress(console=Console(stderr=True), disable=hidden, transient=True) as progress:
            reading = progress.add_task("reading", total=len(found.files))
            storing = progress.add_task("storing", total=len(found.files))
            catalogue = {}
            for category, path in found.files.items():
                catalogue[category] = read_file(path)
                progress.advance(reading)
            changes = store_catalogue(catalogue, progress=lambda _: progress.advance(storing))
        return catalogue, changes

    def _report(self, category: Category, records: list[Record], changes: Changes, verbosity: int) -> None:
        """One line for a category; with `--verbosity 2`, one more for each value dropped."""
        flagged = [record for record in records if record.problems]
        counts = ", ".join(f"{count} {change}" for change, count in changes._asdict().items())
        self.stdout.write(f"{category}: {len(records)} records ({counts}), {len(flagged)} with odd values dropped")
        if verbosity > 1:
            for record in flagged:
                for problem in record.problems:
                    self.stdout.write(f"  {record.name!r}: {problem}")
