"""What a command that refreshes says: a line for each failure, a summary for each statistic, an exit code."""

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from typing import Any

from django.core.management.base import CommandError

from statistics_cache.conf import settings

from .base import FAILED, StatisticsCommand
from .refreshing import Outcome, Tried

Tries = Generator[Tried, None, None]
Words = dict[Outcome, str]


class RefreshingCommand(StatisticsCommand):
    """Ends with 1 if a variant failed; a summary is written of what was done even if it is cut short."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Do the work, and count what failed."""
        self.failures = 0
        super().handle(*args, **options)
        if self.failures:
            raise CommandError(f"{self.failures} failed.", returncode=FAILED)

    def tell(self, name: str, tried: Tries, words: Words, *, nothing: str, listed: bool = False) -> None:
        """Write the failures of a statistic's variants as they come, then how many ended in which way.

        If `listed`, those that would be refreshed are named.
        """
        counts = Counter(dict.fromkeys(words.values(), 0))
        try:
            with closing(tried):  # also when interrupted: threads must begin nothing more
                for each in tried:
                    counts[words[each.outcome]] += 1
                    self.tell_one(each, words, listed=listed)
        finally:
            if counts.total():
                self.stdout.write(f"{name}: {', '.join(f'{word} {count}' for word, count in counts.items())}.")
        if not counts.total():
            self.stdout.write(f"{name}: {nothing}")

    def tell_one(self, tried: Tried, words: Words, *, listed: bool) -> None:
        """Write one line about a variant, if there is something to say."""
        if tried.outcome == "failed":
            self.failures += 1
            self.stderr.write(f"{tried.name} failed: {tried.failure}")
        elif listed and tried.outcome in ("computed", "queued"):
            self.stdout.write(f"{words[tried.outcome]} {tried.name}")

    def is_off(self) -> bool:
        """Tell whether nothing may be stored, and say so."""
        if not settings().ENABLED:
            self.stdout.write("ENABLED is False: nothing was refreshed, for nothing could be stored.")
        return not settings().ENABLED

    def is_not_hydrated(self) -> bool:
        """Tell whether nothing is hydrated, and say so."""
        if not settings().HYDRATION_ENABLED:
            self.stdout.write("HYDRATION_ENABLED is False: nothing was done.")
        return not settings().HYDRATION_ENABLED
