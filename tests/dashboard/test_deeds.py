"""What buttons say of what they did."""

from datetime import UTC, datetime

import pytest

from project.catalog.models import Category, ModelRecord, UsageRecord
from project.dashboard import deeds

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def used() -> None:
    """Have three models of two categories, one of them with work done; no statistic is stored."""
    clip, *_ = [ModelRecord.objects.create(name=name, category=Category.CLIP) for name in "ab"]
    ModelRecord.objects.create(name="c", category=Category.BLIP)
    UsageRecord.objects.create(model=clip, created_at=datetime(2026, 3, 1, tzinfo=UTC), kudos=1)


def test_one_record_reaches_the_variants_of_its_category() -> None:
    """Whatever state they and the others were in before."""
    assert " saved: 4 of 40 variants of category_statistics, " in deeds.save_one()


def test_records_reach_the_variants_of_their_categories() -> None:
    """Three records of two categories, four variants each."""
    assert deeds.save_many() == "3 ModelRecords saved in bulk: 8 of 40 variants of category_statistics"
