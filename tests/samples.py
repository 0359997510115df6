"""The statistics that the tests read. (Not `statistics.py`: that would shadow the standard library's.)"""

import os
from datetime import timedelta
from enum import StrEnum
from time import sleep

from django.db import models
from django.db.models import Count
from pydantic import BaseModel

from statistics_cache import statistic
from tests.models import Item, Paint

TTL = timedelta(minutes=5)
STALE_TTL = timedelta(hours=1)


class Color(StrEnum):
    """Two colours are enough for two scopes."""

    RED = "red"
    BLUE = "blue"


class Stock(BaseModel, frozen=True):
    """What there is of one colour."""

    pots: int
    litres: int


class Computed:
    """How often each statistic's function has run since the test began."""

    counts: dict[str, int] = {}  # noqa: RUF012  (one for all, on purpose)

    @classmethod
    def note(cls, name: str) -> None:
        """Count one compute."""
        cls.counts[name] = cls.counts.get(name, 0) + 1

    @classmethod
    def of(cls, name: str) -> int:
        """Give the number of computes of one function."""
        return cls.counts.get(name, 0)


def count_stock(color: Color) -> Stock:
    """Ask the database, as any statistic does; as slow as a process is told to be."""
    sleep(float(os.environ.get("SLOW_STOCK", "0")))
    found = Paint.objects.filter(color=color).aggregate(pots=Count("pk"), litres=models.Sum("litres"))
    return Stock(pots=found["pots"], litres=found["litres"] or 0)


@statistic(ttl=TTL, stale_ttl=STALE_TTL, depends_on={Paint: "color"}, hydrate=True)
def stock(color: Color, *, doubled: bool = False) -> Stock:
    """How much paint of a colour there is. A changed entry is a miss."""
    Computed.note("stock")
    found = count_stock(color)
    return Stock(pots=found.pots, litres=found.litres * 2) if doubled else found


@statistic(ttl=TTL, stale_ttl=STALE_TTL, depends_on={Paint: "color"}, on_change="revalidate")
def shelf(color: Color) -> Stock:
    """How much paint of a colour there is. A changed entry is stale."""
    Computed.note("shelf")
    return count_stock(color)


@statistic(depends_on={Paint: "color"})
def shades(color: str) -> int:
    """How many pots there are of any colour at all."""
    Computed.note("shades")
    return Paint.objects.filter(color=color).count()


@statistic(depends_on={Item: "color"})
def tints(color: str) -> int:
    """How many items there are of any colour at all."""
    return Item.objects.filter(color=color).count()


@statistic(depends_on={Item: "color"})
def counted(color: Color) -> int:
    """How many items of a colour there are, of a source whose bulk writes count."""
    Computed.note("counted")
    return Item.objects.filter(color=color).count()


class Sum(BaseModel, frozen=True):
    """What there is of some items."""

    count: int
    amount: int


def sum_up(**chosen: str) -> Sum:
    """Count and add up in one query."""
    found = Item.objects.filter(**chosen).aggregate(count=Count("pk"), amount=models.Sum("amount"))
    return Sum(count=found["count"], amount=found["amount"] or 0)


@statistic(depends_on={Item: {"region": "order__region__name"}})
def amounts_by_region(region: str) -> Sum:
    """What there is in a region."""
    return sum_up(order__region__name=region)


@statistic(depends_on={Item: {"color": "color", "region": "order__region__name"}}, on_change="revalidate")
def amounts_by_both(color: str, region: str) -> Sum:
    """What there is of a colour in a region."""
    return sum_up(color=color, order__region__name=region)


@statistic(depends_on=[Paint])
def total() -> int:
    """How many litres there are, with the ttl and stale_ttl of the settings."""
    Computed.note("total")
    return Paint.objects.aggregate(litres=models.Sum("litres"))["litres"] or 0


@statistic(ttl=TTL, stale_ttl=TTL, depends_on=[Paint])
def strict() -> int:
    """How many litres there are, never served stale."""
    Computed.note("strict")
    return Paint.objects.aggregate(litres=models.Sum("litres"))["litres"] or 0


@statistic(ttl=TTL, stale_ttl=STALE_TTL, depends_on=[Paint])
def nested() -> int:
    """How many litres two other statistics tell of."""
    Computed.note("nested")
    return stock(Color.RED).litres + stock(Color.BLUE).litres
