"""The seed's API, sentence by sentence, and the flaws of the seed that this app must not have."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.cache import caches
from pydantic import BaseModel
from time_machine import Traveller

from project.catalog.models import Category
from project.catalog.statistics import CategoryStatistics, category_statistics
from statistics_cache import DeclarationError, SettingsError, statistic
from statistics_cache.conf import limits, settings
from tests.conftest import Backend
from tests.spaces import hot_keys

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


def example(category: Category = Category.CLIP) -> CategoryStatistics:
    """Give a value as a route of the seed would compute it."""
    return category_statistics.compute(category)


def test_the_module_level_object_is_the_singleton() -> None:
    """There is one object per statistic; a second of the name is refused."""
    with pytest.raises(DeclarationError, match="already is the statistic"):
        statistic(name="catalog.category_statistics")(category_statistics.declaration.function)


def test_the_return_annotation_is_the_model_class() -> None:
    """What is stored comes back as the class that the function's annotation names."""
    category_statistics.set(Category.CLIP, result=example())
    assert type(category_statistics.get(Category.CLIP)) is CategoryStatistics


def test_prefix_and_ttl_are_read_at_use(conf: Callable[..., None]) -> None:
    """KEY_PREFIX and TTL are settings, 300 seconds by default, read again on every use."""
    assert settings().TTL == 300
    assert settings().STALE_TTL == 3600
    conf(KEY_PREFIX="elsewhere", TTL=7)
    assert settings().TTL == 7
    category_statistics(Category.CLIP)
    names = hot_keys(category_statistics, Category.CLIP)
    assert all(name.startswith("elsewhere:") for name in names)
    assert caches["statistics"].get(names[0])


def test_a_person_can_read_the_key() -> None:
    """The key spells the statistic and its parameters."""
    variant = category_statistics.declaration.variant((Category.CLIP,), {"grouped": True})
    expected = 'catalog.category_statistics:category="clip",grouped=true,include_backend_variations=false'
    assert variant.key == expected


def test_get_takes_the_seeds_arguments() -> None:
    """`get(category, grouped=False, include_backend_variations=False, allow_stale=None)` gives a value or None."""
    assert category_statistics.get(Category.CLIP, grouped=False, include_backend_variations=False) is None
    category_statistics.set(Category.CLIP, result=example())
    assert category_statistics.get(Category.CLIP) == example()
    assert category_statistics.get(Category.CLIP, allow_stale=False) == example()
    assert category_statistics.get(Category.CLIP, grouped=True) is None


def test_is_fresh_and_get_are_strict_about_the_ttl(clock: Traveller) -> None:
    """Fresh is `age < ttl`, served stale is `age < stale_ttl`; the stale copy survives a strict `get`."""
    category_statistics.set(Category.CLIP, result=example())
    clock.shift(300)
    assert not category_statistics.is_fresh(Category.CLIP)
    assert category_statistics.get(Category.CLIP, allow_stale=False) is None
    assert category_statistics.get(Category.CLIP) == example()
    clock.shift(3300)
    assert category_statistics.get(Category.CLIP) is None


@pytest.mark.parametrize(
    ("named", "left"),
    [({}, 0), ({"grouped": True}, 2), ({"include_backend_variations": True, "grouped": True}, 3)],
)
def test_invalidate_drops_every_variant_that_is_named(named: dict[str, Any], left: int) -> None:
    """None or omitted means every variant; options name some of them; other categories stay."""
    variants: list[dict[str, Any]] = [
        {"grouped": one, "include_backend_variations": two} for one in (False, True) for two in (False, True)
    ]
    for category in (Category.CLIP, Category.BLIP):
        for variant in variants:
            category_statistics.set(category, result=example(category), **variant)
    category_statistics.invalidate(Category.CLIP, **named)
    assert sum(category_statistics.is_fresh(Category.CLIP, **variant) for variant in variants) == left
    assert sum(category_statistics.is_fresh(Category.BLIP, **variant) for variant in variants) == 4


def test_clear_all_and_get_cache_info() -> None:
    """`get_cache_info` has the seed's four keys; `clear_all` leaves nothing."""
    category_statistics.set(Category.CLIP, result=example())
    info = category_statistics.get_cache_info()
    assert (info["cache_size"], info["ttl_seconds"]) == (1, 300)
    assert len(info["keys_cached"]) == 1
    assert category_statistics.clear_all() == 1
    assert category_statistics.get_cache_info()["cache_size"] == 0
    assert category_statistics.get(Category.CLIP) is None


def test_redis_enabled_says_whether_redis_is_in_use(backend: Backend) -> None:
    """`redis_enabled` is True on Redis or Valkey alone."""
    assert category_statistics.get_cache_info()["redis_enabled"] is (backend.hot_tier == "valkey")


def test_sfw_count_is_in_the_json() -> None:
    """The seed documented `sfw_count` and left it out of the JSON."""
    assert "sfw_count" in json.loads(example().model_dump_json())


def test_a_caller_cannot_change_what_the_next_one_gets() -> None:
    """The seed's route changed the cached object; here values are frozen, or decoded anew."""
    first = category_statistics(Category.CLIP)
    with pytest.raises(ValueError, match="frozen"):
        first.total_models = 99  # type: ignore[misc]
    category_statistics(Category.CLIP).baseline_distribution.clear()
    assert category_statistics(Category.CLIP) == first


def test_a_compute_that_began_before_a_change_is_not_fresh_after_it() -> None:
    """The seed stored the old value as fresh; here the token that was taken before is overtaken."""
    token = category_statistics.token(Category.CLIP)
    value = example()
    category_statistics.invalidate(Category.CLIP)
    category_statistics.set(Category.CLIP, result=value, token=token)
    assert not category_statistics.is_fresh(Category.CLIP)


class Older(BaseModel, frozen=True):
    """A value as an earlier release returned it."""

    total: int


def older(category: Category) -> Older:
    """Return the earlier shape."""
    return Older(total=1)


def test_an_old_schema_is_not_accepted() -> None:
    """The seed took an old schema's payload silently; here it is another entry."""
    before = statistic(name="tests.schema_before")(older)
    after = statistic(name="tests.schema_after", version=2)(older)
    assert before.declaration.fingerprint != after.declaration.fingerprint
    assert before.declaration.fingerprint != category_statistics.declaration.fingerprint


@pytest.mark.parametrize("key", ["TTL", "STALE_TTL", "PROOF_INTERVAL", "BREAKER_PAUSE"])
@pytest.mark.parametrize("value", [0, -1])
def test_durations_are_above_zero(conf: Callable[..., None], key: str, value: int) -> None:
    """The seed accepted negative TTLs and a zero interval."""
    conf(**{key: value})
    with pytest.raises(SettingsError, match=key):
        limits(category_statistics.declaration)


@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
def test_the_object_is_thread_safe() -> None:
    """Threads that read one variant get one value."""
    category_statistics.set(Category.CLIP, result=example())
    with ThreadPoolExecutor(4) as threads:
        assert len({threads.submit(category_statistics, Category.CLIP).result().total_models for _ in range(20)}) == 1
