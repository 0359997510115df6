"""Lines of orders to write: models that so many statistics watch, twins of one that nobody does."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.core.cache import caches
from django.db import router
from django.db.models import QuerySet

from statistics_cache import Statistic, StatisticsSource, statistic
from statistics_cache.declaring.sources import CaptureBy
from tests.models import Line, Order, Region, Tag

KEY = 1  # of the one region, order and tag that there are
NUMBERS = (0, 1, 5, 10, 20)  # statistics that watch a model
PLAIN, SOURCE, TRIGGERS = "plain", "source", "triggers"  # two kinds of models by signals, and a plain one by triggers
BASES: dict[str, tuple[type[Any], ...]] = {PLAIN: (Line,), SOURCE: (StatisticsSource, Line), TRIGGERS: (Line,)}

Kind = tuple[Callable[..., int], Any]  # of statistic: its function and its scope


class Twin(NamedTuple):
    """A model, and what watches it."""

    kind: str
    number: int
    model: Any
    statistics: list[Statistic[..., Any]]


def by_color(color: str = "red") -> int:
    """Stand for a statistic whose scope is a column of the row."""
    return 0


def by_region(region: str = "north") -> int:
    """Stand for a statistic whose scope lies on other rows."""
    return 0


COLUMN: Kind = (by_color, "color")
PATH: Kind = (by_region, {"region": "order__region__name"})


def twins(form: str, kinds: tuple[Kind, ...]) -> list[Twin]:
    """Make a model of each kind for each number of statistics, which are of the given kinds in turn."""
    return [twin(form, kinds, base, number) for base in BASES for number in NUMBERS]


def twin(form: str, kinds: tuple[Kind, ...], base: str, number: int) -> Twin:
    """Make one of them."""
    model = type(f"{form}_{base}_{number}", BASES[base], {"__module__": __name__})
    capture: CaptureBy = "triggers" if base == TRIGGERS else "signals"
    return Twin(base, number, model, [declare(model, at, capture, *kinds[at % len(kinds)]) for at in range(number)])


def declare(
    model: type[Any], at: int, capture: CaptureBy, function: Callable[..., int], scope: Any
) -> Statistic[..., Any]:
    """Have one more statistic watch a model."""
    name = f"benchmarks.{model.__name__.lower()}_{at}"
    return statistic(name=name, depends_on={model: scope}, capture=capture)(function)


def warm(statistics: list[Statistic[..., Any]]) -> None:
    """Compute each, so that its writers find something to move in the hot tier."""
    caches["statistics"].clear()
    for each in statistics:
        each()


def make_ends() -> None:
    """Make what lines refer to."""
    region = Region.objects.create(pk=KEY, name="north")
    Order.objects.create(pk=KEY, region=region)
    Tag.objects.create(pk=KEY, name="new")


def new(model: Any, number: int) -> list[Any]:
    """Give lines that are not stored yet."""
    return [model(order_id=KEY, color="red") for _ in range(number)]


def refill(model: Any, number: int) -> list[Any]:
    """Have so many lines and no others be stored, without anybody's noticing, and give them."""
    for table in (model.tags.through, model):
        QuerySet(table)._raw_delete(router.db_for_write(table))
    return QuerySet(model).bulk_create(new(model, number))
