"""`category_statistics`: what a category is made of."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from project.catalog.computing.summary import TOP, parameter_buckets, percentage
from project.catalog.loading.generator import generate_catalogue
from project.catalog.loading.hosts import host_of
from project.catalog.loading.reference import clean_record
from project.catalog.loading.storing import store_catalogue
from project.catalog.models import Category, ModelRecord
from project.catalog.statistics import CategoryStatistics, category_statistics, describe
from tests.catalog.conftest import MakeModel
from tests.catalog.test_reference import JSON_VALUES, ODD_RECORDS

IMAGE, TEXT = Category.IMAGE_GENERATION, Category.TEXT_GENERATION


def unsaved(**values: Any) -> ModelRecord:
    """A model that is nowhere stored."""
    return ModelRecord(**{"category": IMAGE, "name": "A", **values})


@pytest.mark.django_db
@pytest.mark.parametrize("category", Category)
def test_an_empty_category_is_zeros(category: Category) -> None:
    """Where there is nothing, every figure is there, and is zero."""
    statistics = category_statistics.compute(category).model_dump()
    downloads = statistics.pop("download_stats")
    assert statistics.pop("category") == category
    assert not any(statistics.values())
    assert not any(downloads.values())


def test_what_is_counted() -> None:
    """Each figure counts the models that have it; sfw is the rest of nsfw, and stands in the JSON."""
    models = [
        unsaved(name="A", nsfw=True, inpainting=True, triggers=["t"], requirements={"clip_skip": 2}),
        unsaved(name="B", showcases=["https://host/1"], problems=["size_on_disk_bytes: …"]),
        unsaved(name="C", triggers=["t", "u"]),
    ]
    statistics = json.loads(describe(IMAGE, models).model_dump_json())
    expected = {"total_models": 3, "nsfw_count": 1, "sfw_count": 2, "invalid_records": 1}
    expected |= {"models_with_trigger_words": 2, "models_with_inpainting": 1}
    expected |= {"models_with_requirements": 1, "models_with_showcases": 1, "models_without_param_info": 0}
    assert {name: statistics[name] for name in expected} == expected


def test_baselines_are_ordered_by_count_and_spelled_one_way() -> None:
    """Baselines come with the most frequent first, equal ones by name; spaces are underscores."""
    baselines = ["b", "stable diffusion 1", "stable_diffusion_1", "a", ""]
    statistics = describe(IMAGE, [unsaved(baseline=baseline) for baseline in baselines])
    assert list(statistics.baseline_distribution) == ["stable_diffusion_1", "a", "b"]
    assert statistics.baseline_distribution["stable_diffusion_1"].model_dump() == {
        "baseline": "stable_diffusion_1",
        "count": 2,
        "percentage": 40.0,
    }


def test_the_order_survives_json() -> None:
    """A statistic comes back from JSON equal, and in its order."""
    models = [unsaved(baseline=b, tags=[b], downloads=[f"https://{b}/"]) for b in ("z", "z", "b", "a")]
    statistics = describe(IMAGE, models)
    again = CategoryStatistics.model_validate_json(statistics.model_dump_json())
    assert again == statistics
    assert list(again.baseline_distribution) == ["z", "a", "b"]
    assert list(again.download_stats.hosts) == ["z", "a", "b"]


def test_tags_count_once_per_model_and_twenty_are_named() -> None:
    """A tag counts once per model; the top are twenty, in a fixed order."""
    models = [unsaved(tags=["z", "z"]), unsaved(tags=[f"{n:02}" for n in range(30)]), unsaved(tags=["z"])]
    tags = describe(IMAGE, models).top_tags
    assert [(tag.tag, tag.count) for tag in tags] == [("z", 2), *((f"{n:02}", 1) for n in range(TOP - 1))]
    assert tags[0].percentage == 66.67


def test_styles_are_ranked_like_tags() -> None:
    """A style has tag, count and percentage; no style is no style."""
    [style] = describe(IMAGE, [unsaved(style="anime"), unsaved()]).top_styles
    assert style.model_dump() == {"tag": "anime", "count": 1, "percentage": 50.0}


def test_sizes_and_downloads() -> None:
    """A model without a known size counts in no size figure; downloads and hosts count every entry."""
    models = [
        unsaved(size_bytes=100, downloads=["https://b.org/1", "https://B.org:8080/2", "https://me:secret@a.org/3"]),
        unsaved(size_bytes=51),
        unsaved(downloads=["https://c.org/4"]),
    ]
    assert describe(IMAGE, models).download_stats.model_dump() == {
        "total_models_with_downloads": 2,
        "total_download_entries": 4,
        "total_size_bytes": 151,
        "models_with_size_info": 2,
        "average_size_bytes": 75.5,
        "hosts": {"b.org": 2, "a.org": 1, "c.org": 1},
    }


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://HuggingFace.co/x", "huggingface.co"),
        ("http://host:80/x", "host"),
        ("https://user:pass@host:1/x", "host"),
        ("https://[::1]:80/x", "::1"),
        ("https://[::1", ""),
        ("no url", ""),
    ],
)
def test_a_host_is_only_a_host(url: str, host: str) -> None:
    """A host is lower case, without port and credentials."""
    assert host_of(url) == host


BILLION = 10**9


@pytest.mark.parametrize(
    ("parameters", "label"),
    [
        (1, "< 3B"),
        (3 * BILLION - 1, "< 3B"),
        (3 * BILLION, "3B-6B"),
        (6 * BILLION, "6B-9B"),
        (9 * BILLION, "9B-13B"),
        (13 * BILLION, "13B-20B"),
        (20 * BILLION, "20B-35B"),
        (35 * BILLION, "35B-70B"),
        (70 * BILLION - 1, "35B-70B"),
        (70 * BILLION, "> 70B"),
        (2**63 - 1, "> 70B"),
    ],
)
def test_a_bucket_holds_its_lower_bound_only(parameters: int, label: str) -> None:
    """Buckets are half-open, 70 billion is in the last, and empty ones are left out."""
    [bucket] = parameter_buckets([unsaved(category=TEXT, parameters=parameters)])
    assert (bucket.bucket_label, bucket.count, bucket.percentage) == (label, 1, 100.0)
    assert bucket.min_params <= parameters
    assert bucket.max_params is None or parameters < bucket.max_params


@given(st.lists(st.none() | st.integers(0, 200 * BILLION)))
def test_every_text_model_is_in_one_bucket_or_without_info(sizes: list[int | None]) -> None:
    """The buckets and the models without information add up to all models."""
    statistics = describe(TEXT, [unsaved(category=TEXT, parameters=size) for size in sizes])
    in_buckets = sum(bucket.count for bucket in statistics.parameter_buckets)
    assert in_buckets + statistics.models_without_param_info == len(sizes)


def test_buckets_are_of_text_models_only() -> None:
    """Other categories have no parameter figures, whatever their records say."""
    statistics = describe(IMAGE, [unsaved(parameters=7 * BILLION), unsaved()])
    assert (statistics.parameter_buckets, statistics.models_without_param_info) == ((), 0)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_percentages_are_of_the_total(count: int, rest: int) -> None:
    """A percentage lies between 0 and 100 and has two decimals; of nothing it is 0."""
    share = percentage(count, count + rest)
    assert 0 <= share <= 100
    assert share == round(share, 2)


@pytest.mark.django_db
def test_backends_copies_count_on_request(make_model: MakeModel) -> None:
    """What another backend offers counts only with `include_backend_variations`, and only among text models."""
    for category in (TEXT, IMAGE):
        for name in ("author/Model-7B", "aphrodite/author/Model-7B", "koboldcpp/Model-7B"):
            make_model(name, category)
    assert category_statistics.compute(TEXT).total_models == 1
    assert category_statistics.compute(TEXT, include_backend_variations=True).total_models == 3
    assert category_statistics.compute(IMAGE).total_models == 3


@pytest.mark.django_db
@pytest.mark.parametrize("variations", [False, True])
def test_grouped_counts_base_names(make_model: MakeModel, variations: bool) -> None:
    """Grouped, each base name counts once, by its largest model, and other categories are not grouped."""
    for name, billions in (("a/Model-7B", 7), ("b/Model-70B-Instruct", 70), ("Other-3B", 3)):
        make_model(name, TEXT, parameters=billions * BILLION)
        make_model(f"aphrodite/{name}", TEXT, parameters=billions * BILLION, nsfw=True)
        make_model(name, IMAGE)
    grouped = category_statistics.compute(TEXT, grouped=True, include_backend_variations=variations)
    assert (grouped.total_models, grouped.nsfw_count) == (2, 0)
    assert [bucket.bucket_label for bucket in grouped.parameter_buckets] == ["3B-6B", "> 70B"]
    assert category_statistics.compute(IMAGE, grouped=True).total_models == 3


@pytest.mark.django_db
@pytest.mark.parametrize("category", Category)
def test_the_cached_statistic_is_the_computed_one(category: Category) -> None:
    """A call gives what computing gives, in every variant, the first time and the second."""
    store_catalogue(generate_catalogue())
    for grouped in (False, True):
        for variations in (False, True):
            computed = category_statistics.compute(category, grouped=grouped, include_backend_variations=variations)
            for _ in range(2):
                assert category_statistics(category, grouped=grouped, include_backend_variations=variations) == computed


@pytest.mark.django_db
def test_computing_changes_no_source(make_model: MakeModel) -> None:
    """Computing writes nothing, in any variant."""
    make_model("a/Model-7B", TEXT, tags=["z", "z", None], downloads=[3], problems=["tags: …"])
    before = list(ModelRecord.objects.values())
    for grouped in (False, True):
        for variations in (False, True):
            category_statistics.compute(TEXT, grouped=grouped, include_backend_variations=variations)
    assert list(ModelRecord.objects.values()) == before


@given(st.lists(ODD_RECORDS, max_size=4))
def test_odd_records_never_fail_a_category(records: list[dict[str, Any]]) -> None:
    """However odd the records of a file are, their category can be counted, and comes back from JSON equal."""
    clean = [clean_record(str(number), record) for number, record in enumerate(records)]
    statistics = describe(TEXT, [ModelRecord(category=TEXT, **record.model_dump()) for record in clean])
    adapter = TypeAdapter(CategoryStatistics)
    assert adapter.validate_json(adapter.dump_json(statistics)) == statistics
    assert statistics.total_models == len(records)
    assert statistics.invalid_records == sum(bool(record.problems) for record in clean)


@given(JSON_VALUES, JSON_VALUES)
def test_odd_columns_never_fail_a_category(tags: Any, downloads: Any) -> None:
    """A row that was not loaded from a file may hold any JSON: what is not text does not count."""
    row = unsaved(tags=tags, downloads=downloads, triggers=tags, showcases=tags, requirements=tags)
    assert describe(IMAGE, [row]).total_models == 1


@pytest.mark.usefixtures("real_catalogue")
def test_the_public_image_models() -> None:
    """The public reference has 161 image models, as counted by hand."""
    statistics = category_statistics.compute(IMAGE)
    assert (statistics.total_models, statistics.nsfw_count, statistics.sfw_count) == (161, 82, 79)
    assert statistics.download_stats.total_size_bytes == 700_483_908_653
    assert statistics.download_stats.models_with_size_info == 160
    assert list(statistics.download_stats.hosts.items()) == [("huggingface.co", 153), ("civitai.com", 9)]
    assert list(statistics.baseline_distribution)[:2] == ["stable_diffusion_1", "stable_diffusion_xl"]
    assert statistics.baseline_distribution["stable_diffusion_1"].count == 106


@pytest.mark.usefixtures("real_catalogue")
def test_the_public_text_models() -> None:
    """The public reference has 719 text models, three times as many with backends, and 355 base names."""
    assert category_statistics.compute(TEXT).total_models == 719
    assert category_statistics.compute(TEXT, include_backend_variations=True).total_models == 2157
    assert category_statistics.compute(TEXT, grouped=True).total_models == 355
    assert category_statistics.compute(TEXT).models_without_param_info == 0
