"""The tiles: each is one answer of `usage_statistics`, drawn, with its state, age, tier, and why."""

from typing import NamedTuple

from project.catalog.models import Category
from project.catalog.statistics import UsageStatistics, usage_statistics
from statistics_cache import Answer

from .charts import Bar, bars

DAYS = 30
TIERS = {"hot": "from Redis", "cold": "from the table", "computed": "computed for you"}
WHY = {
    None: "Nothing has changed since, and it is young enough.",
    "age": "It is older than its 5 minutes. A worker computes it; you did not wait.",
    "source": "Its data changed. A worker computes it; you did not wait.",
    "unproven": "The database cannot be asked whether it is current.",
    "transaction": "It was read inside a transaction that has changed its data.",
    "clock": "A clock was set back since it was computed.",
}


class Tile(NamedTuple):
    """One category: its answer, its chart, and its share of all work in percent."""

    category: Category
    answer: Answer[UsageStatistics]
    chart: list[Bar]
    share: float

    @property
    def value(self) -> UsageStatistics:
        """Give the statistic itself."""
        return self.answer.value

    @property
    def tier(self) -> str:
        """Say where it was found."""
        return TIERS[self.answer.tier]

    @property
    def why(self) -> str:
        """Say why it is fresh, or stale."""
        return WHY[self.answer.reason]

    @property
    def age(self) -> int:
        """Give its age in whole seconds."""
        return int(self.answer.age.total_seconds())

    @property
    def width(self) -> str:
        """Give its share as an SVG length."""
        return f"{self.share:.2f}"


def tiles() -> list[Tile]:
    """Read the statistic of every category, and draw it; the most used first."""
    answers = {category: usage_statistics.answer(category, days=DAYS) for category in Category}
    total = sum(answer.value.total_count for answer in answers.values()) or 1
    drawn = [Tile(category, answer, chart(answer.value), share(answer, total)) for category, answer in answers.items()]
    return sorted(drawn, key=lambda tile: -tile.share)


def share(answer: Answer[UsageStatistics], total: int) -> float:
    """Give the percentage of all work."""
    return 100 * answer.value.total_count / total


def chart(usage: UsageStatistics) -> list[Bar]:
    """Draw the work of each day."""
    labels = [f"{day.day:%d %b}: {day.count:,} pieces of work, {day.kudos:,} kudos" for day in usage.per_day]
    return bars([day.count for day in usage.per_day], labels)
