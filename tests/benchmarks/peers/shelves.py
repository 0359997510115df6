"""The statistic that every peer caches: about 2 KB as JSON, of 33 rows of one shelf."""

from collections.abc import Iterable

from django.db.models import QuerySet
from pydantic import BaseModel, TypeAdapter

from .computing import STATE
from .models import Share

SHELVES = 100  # that have rows
ROWS = 33  # of each


class Line(BaseModel, frozen=True):
    """One line of the value."""

    tag: str
    count: int
    percentage: float


class Value(BaseModel, frozen=True):
    """A typical value: about 2 KB as JSON."""

    total: int
    shares: list[Line]


ADAPTER = TypeAdapter(Value)
NOTHING = Value(total=0, shares=[])


def shelf(number: int = 0) -> Value:
    """Give the value of a shelf; what is cached for long."""
    return compute(number)


def brief_shelf(number: int = 0) -> Value:
    """Give the same; what is cached for a second."""
    return compute(number)


def compute(number: int) -> Value:
    """Ask the database and make the value, unless entries are only to be many."""
    return NOTHING if STATE.is_filling else make(rows(number))


def rows(number: int) -> "QuerySet[Share]":
    """Give the rows of a shelf: evaluating this is the compute."""
    return Share.objects.filter(shelf=number).order_by("tag")


def make(shares: Iterable[Share]) -> Value:
    """Make the value of its rows."""
    lines = [Line(tag=each.tag, count=each.count, percentage=each.count / 7) for each in shares]
    return Value(total=sum(each.count for each in lines), shares=lines)


def fill_shelves() -> None:
    """Store the rows of all shelves."""
    Share.objects.bulk_create(
        Share(shelf=number, tag=f"tag-number-{at:02}", count=at + number)
        for number in range(SHELVES)
        for at in range(ROWS)
    )


def change(number: int) -> int:
    """Change a row of a shelf, as any view does, and give the shelf's new total."""
    share = rows(number)[:1].get()
    share.count += 1000
    share.save()
    return sum(each.count for each in Share.objects.filter(shelf=number))
