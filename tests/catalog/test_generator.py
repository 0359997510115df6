"""The seeded generator: a catalogue and its use, where no files are given."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from project.catalog.loading.generator import END, SPAN, generate_catalogue, generate_usage
from project.catalog.loading.storing import store_catalogue
from project.catalog.models import Category, ModelRecord, UsageRecord
from project.catalog.statistics import category_statistics, usage_statistics
from tests.catalog.conftest import MakeModel

TEXT = Category.TEXT_GENERATION


def work() -> list[tuple[str, datetime, int]]:
    """All work done."""
    return list(UsageRecord.objects.order_by("pk").values_list("model__name", "created_at", "kudos"))


def test_a_seed_makes_one_catalogue() -> None:
    """The same seed makes the same catalogue, and another seed another one."""
    assert generate_catalogue(1) == generate_catalogue(1) != generate_catalogue(2)


def test_a_generated_catalogue_has_the_shape_of_the_public_one() -> None:
    """All ten categories have models of different names, some of them with odd values."""
    catalogue = generate_catalogue()
    assert set(catalogue) == set(Category)
    assert all(len({record.name for record in records}) == len(records) > 0 for records in catalogue.values())
    assert any(record.problems for records in catalogue.values() for record in records)


@pytest.mark.django_db
def test_a_generated_catalogue_has_something_for_every_figure() -> None:
    """No figure of a generated catalogue is empty where the public one has something to show."""
    store_catalogue(generate_catalogue())
    image = category_statistics.compute(Category.IMAGE_GENERATION)
    assert all(image.model_dump(exclude={"parameter_buckets", "models_without_param_info"}).values())
    counts = [
        category_statistics.compute(TEXT, grouped=grouped, include_backend_variations=variations).total_models
        for grouped, variations in ((True, False), (False, False), (False, True))
    ]
    assert counts == [117, 700, 2100]
    assert len(category_statistics.compute(TEXT).parameter_buckets) == 8


@pytest.mark.django_db
def test_a_seed_makes_one_use(make_model: MakeModel) -> None:
    """The same seed over the same models makes the same work, in place of all earlier work."""
    for name in "ABC":
        make_model(name)
    generate_usage(50, seed=1)
    once = work()
    generate_usage(40, seed=2)
    assert len(work()) == 40
    generate_usage(50, seed=1)
    assert work() == once


@pytest.mark.django_db
def test_generated_work_lies_in_its_span(make_model: MakeModel) -> None:
    """Work is spread over the span before its end, in order, and reaches its last day."""
    make_model("A")
    until = datetime(2025, 3, 1, tzinfo=UTC)
    generate_usage(100, until=until, span=timedelta(days=10))
    times = [at for _, at, _ in work()]
    assert times == sorted(times)
    assert until - timedelta(days=10) <= times[0] < times[-1] < until
    assert usage_statistics.compute(Category.IMAGE_GENERATION, days=10).total_count == 100


@pytest.mark.django_db
def test_generated_work_is_skewed(make_model: MakeModel) -> None:
    """A favourite has several times the work of the rest, and the progress adds up to all of it."""
    for number in range(20):
        make_model(f"{number:02}")
    done: list[int] = []
    generate_usage(2000, progress=done.append)
    counts = Counter(name for name, _, _ in work()).most_common()
    assert counts[0][1] > 5 * counts[-1][1]
    assert sum(done) == UsageRecord.objects.count() == 2000


@pytest.mark.django_db
def test_there_is_no_work_without_models() -> None:
    """Usage of an empty catalogue is refused, and the message says what to do first."""
    with pytest.raises(ValueError, match="load_catalog"):
        generate_usage(1)
    assert not ModelRecord.objects.exists()


def test_the_default_end_is_a_day_boundary() -> None:
    """Generated work ends with a whole UTC day, so that no day of the default window is cut."""
    assert END.astimezone(UTC).time() == datetime.min.time()
    assert SPAN % timedelta(days=1) == timedelta()
