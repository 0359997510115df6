"""The same statistic twice: computed in front of you, and read."""

from statistics import median
from typing import NamedTuple

from project.catalog.models import Category
from project.catalog.statistics import usage_statistics

from .reading import timed
from .tiles import DAYS

READS = 21
CATEGORY = Category.IMAGE_GENERATION


class Compared(NamedTuple):
    """What it takes to compute a statistic and to read it (the median of a few), in milliseconds."""

    computed: float
    read: float

    @property
    def factor(self) -> float:
        """How many times faster it is to read."""
        return self.computed / self.read


def compare() -> Compared:
    """Compute a statistic, store nothing, and read what is stored."""
    computed = timed(lambda: usage_statistics.compute(CATEGORY, days=DAYS))
    reads = [timed(lambda: usage_statistics(CATEGORY, days=DAYS)) for _ in range(READS)]
    return Compared(1000 * computed, 1000 * median(reads))
