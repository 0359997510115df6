"""The statistics of the catalogue. The app finds the module `statistics.py` of every installed app, like `admin.py`."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from project.catalog.computing.summary import (
    BaselineShare,
    DownloadStats,
    ParameterBucket,
    TagShare,
    baseline_distribution,
    download_stats,
    one_per_base_name,
    parameter_buckets,
    texts,
    top_styles,
    top_tags,
)
from project.catalog.computing.usage import (
    TOP_MODELS,
    DayUsage,
    ModelUsage,
    newest_window,
    usage_by_day,
    usage_by_model,
)
from project.catalog.models import Category, ModelRecord, UsageRecord
from statistics_cache import statistic


class CategoryStatistics(BaseModel, frozen=True):
    """What the models of a category are made of. Percentages are parts of `total_models`."""

    category: Category
    total_models: int
    nsfw_count: int
    sfw_count: int
    baseline_distribution: dict[str, BaselineShare]
    download_stats: DownloadStats
    top_tags: tuple[TagShare, ...]
    top_styles: tuple[TagShare, ...]
    parameter_buckets: tuple[ParameterBucket, ...]
    models_without_param_info: int
    models_with_trigger_words: int
    models_with_inpainting: int
    models_with_requirements: int
    models_with_showcases: int
    invalid_records: int


class UsageStatistics(BaseModel, frozen=True):
    """The work done with the models of a category from `first_day` to `last_day` (UTC, both included).

    Without any record both days are None. `distinct_models` counts all models used, also those that are not
    among the `top_models`.
    """

    category: Category
    days: int
    first_day: date | None
    last_day: date | None
    total_count: int
    total_kudos: int
    distinct_models: int
    per_day: tuple[DayUsage, ...]
    top_models: tuple[ModelUsage, ...]


@statistic(
    ttl=timedelta(minutes=5),
    stale_ttl=timedelta(hours=1),
    depends_on={ModelRecord: "category"},
    hydrate=True,
)
def category_statistics(
    category: Category, *, grouped: bool = False, include_backend_variations: bool = False
) -> CategoryStatistics:
    """How many models a category holds, and what they are made of.

    Both options are for text models: `include_backend_variations` also counts models that another backend offers under
    a name of its own; `grouped` counts each base name once, by its largest model.
    """
    models = list(ModelRecord.objects.filter(category=category))
    if not include_backend_variations:
        models = [model for model in models if not model.backend]
    if grouped and category == Category.TEXT_GENERATION:
        models = one_per_base_name(models)
    return describe(category, models)


@statistic(
    ttl=timedelta(minutes=5),
    stale_ttl=timedelta(hours=1),
    depends_on={UsageRecord: {"category": "model__category"}},
    on_change="revalidate",
)
def usage_statistics(category: Category, *, days: Annotated[int, Field(ge=1, le=3650)] = 30) -> UsageStatistics:
    """How much work the models of a category did, by day and by model.

    The days end with the category's newest record, not with today: so the time decides nothing, and computing twice
    gives the same.
    """
    window = newest_window(category, days)
    per_day = usage_by_day(category, window) if window else ()
    per_model = usage_by_model(category, window) if window else ()
    return UsageStatistics(
        category=category,
        days=days,
        first_day=window.first if window else None,
        last_day=window.last if window else None,
        total_count=sum(usage.count for usage in per_day),
        total_kudos=sum(usage.kudos for usage in per_day),
        distinct_models=len(per_model),
        per_day=per_day,
        top_models=per_model[:TOP_MODELS],
    )


def describe(category: Category, models: Sequence[ModelRecord]) -> CategoryStatistics:
    """Describe these models of a category, without changing them; none is too odd to count."""
    is_text = category == Category.TEXT_GENERATION
    nsfw_count = sum(model.nsfw for model in models)
    return CategoryStatistics(
        category=category,
        total_models=len(models),
        nsfw_count=nsfw_count,
        sfw_count=len(models) - nsfw_count,
        baseline_distribution=baseline_distribution(models),
        download_stats=download_stats(models),
        top_tags=top_tags(models),
        top_styles=top_styles(models),
        parameter_buckets=parameter_buckets(models) if is_text else (),
        models_without_param_info=sum(model.parameters is None for model in models) if is_text else 0,
        models_with_trigger_words=sum(bool(texts(model.triggers)) for model in models),
        models_with_inpainting=sum(model.inpainting for model in models),
        models_with_requirements=sum(bool(model.requirements) for model in models),
        models_with_showcases=sum(bool(texts(model.showcases)) for model in models),
        invalid_records=sum(model.is_flagged for model in models),
    )
