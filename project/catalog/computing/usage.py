"""Adds up the work done with the models of a category, in the database."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import TruncDate
from pydantic import BaseModel

from project.catalog.models import Category, UsageRecord

TOP_MODELS = 20
"""Models named in a usage statistic."""


class DayUsage(BaseModel, frozen=True):
    """The work of one UTC day."""

    day: date
    count: int
    kudos: int


class ModelUsage(BaseModel, frozen=True):
    """The work done with one model."""

    model: str
    count: int
    kudos: int


class Window(NamedTuple):
    """UTC days, the last one included."""

    first: date
    last: date

    def days(self) -> list[date]:
        """Every day of the window, the first one first."""
        return [self.first + timedelta(days=after) for after in range((self.last - self.first).days + 1)]

    def records(self, category: Category) -> QuerySet[UsageRecord]:
        """The category's records of these days."""
        begin, end = _midnight(self.first), _midnight(self.last) + timedelta(days=1)
        return UsageRecord.objects.filter(model__category=category, created_at__gte=begin, created_at__lt=end)


def newest_window(category: Category, days: int) -> Window | None:
    """The days that end with the category's newest record, whatever the clock says; None: no records."""
    newest = UsageRecord.objects.filter(model__category=category).aggregate(at=Max("created_at"))["at"]
    if newest is None:
        return None
    last = newest.astimezone(UTC).date()
    return Window(last - timedelta(days=days - 1), last)


def usage_by_day(category: Category, window: Window) -> tuple[DayUsage, ...]:
    """One row for each day of the window, also where nothing was done."""
    rows = (
        window.records(category)
        .annotate(day=TruncDate("created_at", tzinfo=UTC))
        .values_list("day")
        .annotate(Count("pk"), Sum("kudos"))
    )
    worked = {day: DayUsage(day=day, count=count, kudos=kudos) for day, count, kudos in rows}
    return tuple(worked.get(day) or DayUsage(day=day, count=0, kudos=0) for day in window.days())


def usage_by_model(category: Category, window: Window) -> tuple[ModelUsage, ...]:
    """Every model used in the window, the most used first; equal ones by kudos, then by name."""
    rows = window.records(category).values_list("model__name").annotate(Count("pk"), Sum("kudos"))
    return _ranked(ModelUsage(model=name, count=count, kudos=kudos) for name, count, kudos in rows)


def _ranked(usages: Iterable[ModelUsage]) -> tuple[ModelUsage, ...]:
    """Ranked here, because databases order names each in their own way."""
    return tuple(sorted(usages, key=lambda usage: (-usage.count, -usage.kudos, usage.model)))


def _midnight(day: date) -> datetime:
    """The moment at which a UTC day begins."""
    return datetime.combine(day, time(), UTC)
