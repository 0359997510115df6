"""`usage_statistics`: the work of the days that end with the newest record."""

from datetime import UTC, date, datetime, timedelta

import pytest

from project.catalog.computing.usage import TOP_MODELS
from project.catalog.models import Category, ModelRecord, UsageRecord
from project.catalog.statistics import UsageStatistics, usage_statistics
from tests.catalog.conftest import MakeModel

pytestmark = pytest.mark.django_db

NOON = datetime(2025, 6, 30, 12, tzinfo=UTC)


def work(model: ModelRecord, at: datetime = NOON, kudos: int = 1, times: int = 1) -> None:
    """Some work done with a model."""
    UsageRecord.objects.bulk_create(UsageRecord(model=model, created_at=at, kudos=kudos) for _ in range(times))


@pytest.mark.parametrize("category", Category)
def test_no_work_is_zeros(category: Category) -> None:
    """A category without any record has zeros, and no days."""
    assert usage_statistics.compute(category) == UsageStatistics(
        category=category,
        days=30,
        first_day=None,
        last_day=None,
        total_count=0,
        total_kudos=0,
        distinct_models=0,
        per_day=(),
        top_models=(),
    )


def test_the_window_ends_with_the_newest_record_of_the_category(make_model: MakeModel) -> None:
    """The window is the given number of UTC days up to the newest record's, whatever other categories have."""
    model = make_model("A")
    for back in range(5):
        work(model, NOON - timedelta(days=back), kudos=10)
    work(make_model("B", Category.CLIP), NOON + timedelta(days=9))
    statistics = usage_statistics.compute(Category.IMAGE_GENERATION, days=3)
    assert (statistics.first_day, statistics.last_day) == (date(2025, 6, 28), date(2025, 6, 30))
    assert (statistics.total_count, statistics.total_kudos) == (3, 30)


def test_a_day_is_a_utc_day(make_model: MakeModel) -> None:
    """The first moment of a day belongs to it, the one before to the day before, in any time zone."""
    midnight = datetime(2025, 6, 30, tzinfo=UTC)
    model = make_model("A")
    work(model, midnight)
    work(model, midnight - timedelta(microseconds=1))
    work(model, midnight - timedelta(days=1, microseconds=1))
    statistics = usage_statistics.compute(Category.IMAGE_GENERATION, days=2)
    assert [(usage.day.day, usage.count) for usage in statistics.per_day] == [(29, 1), (30, 1)]


def test_a_day_without_work_has_a_row(make_model: MakeModel) -> None:
    """Every day of the window has a row, in order, and the rows add up to the totals."""
    model = make_model("A")
    work(model, NOON, kudos=5, times=2)
    work(model, NOON - timedelta(days=3), kudos=7)
    statistics = usage_statistics.compute(Category.IMAGE_GENERATION, days=4)
    assert [usage.count for usage in statistics.per_day] == [1, 0, 0, 2]
    assert [usage.kudos for usage in statistics.per_day] == [7, 0, 0, 10]
    assert (statistics.total_count, statistics.total_kudos) == (3, 17)


def test_models_are_ranked_in_a_fixed_order(make_model: MakeModel) -> None:
    """The most used models come first; equal ones by kudos, then by name."""
    for name, times, kudos in (("d", 1, 1), ("b", 1, 1), ("c", 1, 2), ("a", 2, 1)):
        work(make_model(name), times=times, kudos=kudos)
    statistics = usage_statistics.compute(Category.IMAGE_GENERATION)
    assert [usage.model for usage in statistics.top_models] == ["a", "c", "b", "d"]


def test_twenty_models_are_named_and_all_are_counted(make_model: MakeModel) -> None:
    """The top names twenty models; `distinct_models` and the totals count all of them."""
    for number in range(TOP_MODELS + 5):
        work(make_model(f"{number:02}"))
    statistics = usage_statistics.compute(Category.IMAGE_GENERATION)
    assert len(statistics.top_models) == TOP_MODELS
    assert statistics.distinct_models == statistics.total_count == TOP_MODELS + 5


def test_computing_twice_gives_the_same_and_survives_json(make_model: MakeModel) -> None:
    """A usage statistic depends on nothing but its records, and comes back from JSON equal."""
    work(make_model("A"), times=3)
    once = usage_statistics.compute(Category.IMAGE_GENERATION)
    assert usage_statistics.compute(Category.IMAGE_GENERATION) == once
    assert UsageStatistics.model_validate_json(once.model_dump_json()) == once


def test_the_cached_statistic_is_the_computed_one(make_model: MakeModel) -> None:
    """A call gives what computing gives, the first time and the second."""
    work(make_model("A"), times=3)
    computed = usage_statistics.compute(Category.IMAGE_GENERATION, days=7)
    assert usage_statistics(Category.IMAGE_GENERATION, days=7) == computed
    assert usage_statistics(Category.IMAGE_GENERATION, days=7) == computed


@pytest.mark.parametrize("days", [0, -1, 3651])
def test_a_window_has_at_least_one_day_and_at_most_ten_years(days: int) -> None:
    """A window that holds no day, or more than ten years of them, is refused by the name of the parameter."""
    with pytest.raises(ValueError, match="days"):
        usage_statistics(Category.CLIP, days=days)
