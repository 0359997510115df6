"""Counts what models are made of. Pure: models in, figures out, and the models stay as they are.

The lists of a model come from JSON columns, so nothing is assumed of what they hold: what is not text does
not count.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from project.catalog.loading.hosts import host_of
from project.catalog.loading.names import base_name
from project.catalog.models import ModelRecord

TOP = 20
"""Rows in a list of the most frequent."""

BILLION = 10**9
BUCKET_BOUNDS = (0, 3, 6, 9, 13, 20, 35, 70)
"""Billions of parameters at which each bucket begins; it ends before the next one begins."""


class BaselineShare(BaseModel, frozen=True):
    """How many models grew from one baseline, and their percentage of all models."""

    baseline: str
    count: int
    percentage: float


class TagShare(BaseModel, frozen=True):
    """How many models carry a tag (or a style), and their percentage of all models."""

    tag: str
    count: int
    percentage: float


class DownloadStats(BaseModel, frozen=True):
    """What there is to download, how large it is in bytes, and where from: downloads by host, most first."""

    total_models_with_downloads: int
    total_download_entries: int
    total_size_bytes: int
    models_with_size_info: int
    average_size_bytes: float
    hosts: dict[str, int]


class ParameterBucket(BaseModel, frozen=True):
    """How many models have at least `min_params` and fewer than `max_params` parameters (None: no end)."""

    bucket_label: str
    min_params: int
    max_params: int | None
    count: int
    percentage: float


def percentage(count: int, total: int) -> float:
    """The share of a total in percent, to two decimals; of nothing it is zero."""
    return round(100 * count / total, 2) if total else 0.0


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    """The counts, the largest first; equal ones stand in the order of their names."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def one_per_base_name(models: Iterable[ModelRecord]) -> list[ModelRecord]:
    """Each base name's largest model stands for all its variations; a backend's for want of another only."""
    ordered = sorted(models, key=lambda model: (bool(model.backend), -(model.parameters or 0), model.name))
    chosen: dict[str, ModelRecord] = {}
    for model in ordered:
        chosen.setdefault(base_name(model.name), model)
    return list(chosen.values())


def baseline_distribution(models: Sequence[ModelRecord]) -> dict[str, BaselineShare]:
    """The baselines by name, most frequent first; spaces and underscores in a name are the same."""
    counts = Counter(model.baseline.replace(" ", "_") for model in models if model.baseline)
    return {
        name: BaselineShare(baseline=name, count=count, percentage=percentage(count, len(models)))
        for name, count in ranked(counts)
    }


def download_stats(models: Sequence[ModelRecord]) -> DownloadStats:
    """Models without a known size count in no size figure."""
    urls = [texts(model.downloads) for model in models]
    hosts = Counter(host for url in flat(urls) if (host := host_of(url)))
    sizes = [model.size_bytes for model in models if model.size_bytes is not None]
    return DownloadStats(
        total_models_with_downloads=sum(map(bool, urls)),
        total_download_entries=sum(map(len, urls)),
        total_size_bytes=sum(sizes),
        models_with_size_info=len(sizes),
        average_size_bytes=round(sum(sizes) / len(sizes), 2) if sizes else 0.0,
        hosts=dict(ranked(hosts)),
    )


def top_tags(models: Sequence[ModelRecord]) -> tuple[TagShare, ...]:
    """The most frequent tags; a tag counts once per model."""
    return _top(Counter(flat(set(texts(model.tags)) for model in models)), len(models))


def top_styles(models: Sequence[ModelRecord]) -> tuple[TagShare, ...]:
    """The most frequent styles."""
    return _top(Counter(model.style for model in models if model.style), len(models))


def parameter_buckets(models: Sequence[ModelRecord]) -> tuple[ParameterBucket, ...]:
    """The buckets that hold a model, smallest first; a bucket holds its lower bound, not its upper one."""
    known = [model.parameters for model in models if model.parameters is not None]
    ends = (*BUCKET_BOUNDS[1:], None)
    return tuple(
        _bucket(low, high, count, len(models))
        for low, high in zip(BUCKET_BOUNDS, ends, strict=True)
        if (count := sum(low * BILLION <= parameters < _end(high) for parameters in known))
    )


def texts(value: Any) -> list[str]:
    """The texts in a list that came from JSON; anything else holds none."""
    return [item for item in value if isinstance(item, str) and item] if isinstance(value, list) else []


def flat(lists: Iterable[Iterable[str]]) -> Iterator[str]:
    """The texts of all lists."""
    return (text for each in lists for text in each)


def _top(counts: Counter[str], total: int) -> tuple[TagShare, ...]:
    """The first of a ranking, with percentages."""
    return tuple(
        TagShare(tag=tag, count=count, percentage=percentage(count, total)) for tag, count in ranked(counts)[:TOP]
    )


def _end(billions: int | None) -> float:
    """Where a bucket ends, in parameters."""
    return float("inf") if billions is None else billions * BILLION


def _bucket(low: int, high: int | None, count: int, total: int) -> ParameterBucket:
    """A bucket under its label."""
    return ParameterBucket(
        bucket_label=f"< {high}B" if low == 0 else f"> {low}B" if high is None else f"{low}B-{high}B",
        min_params=low * BILLION,
        max_params=None if high is None else high * BILLION,
        count=count,
        percentage=percentage(count, total),
    )
