"""The one setting, and who may be wrong about it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from statistics_cache import SettingsError, statistic
from statistics_cache.conf import limits, settings
from statistics_cache.declaring.declaration import Declaration


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"TLL": 1}, "Did you mean 'TTL'"),
        ({"TTL": "soon"}, "'TTL'.*'soon'"),
        ({"TTL": float("inf")}, "'TTL'"),
        ({"TTL": 600, "STALE_TTL": 60}, "STALE_TTL"),
        ({"KEY_PREFIX": "with blank"}, "KEY_PREFIX"),
        ({"ENABLED": "perhaps"}, "ENABLED"),
        ([], "Make it a dict"),
    ],
)
def test_a_wrong_setting_is_named(settings: Settings, wrong: Any, message: str) -> None:
    """A misspelt key, a wrong value and a contradiction are each named with what to write."""
    settings.STATISTICS_CACHE = wrong
    with pytest.raises(SettingsError, match=message):
        globals()["settings"]()


def test_no_setting_at_all_is_fine(settings: Settings) -> None:
    """Everything has a default."""
    del settings.STATISTICS_CACHE
    assert globals()["settings"]().CACHE_ALIAS == "default"


def test_durations_are_numbers_or_timedeltas(conf: Callable[..., None]) -> None:
    """Seconds and timedelta are one."""
    conf(TTL=timedelta(minutes=2), STALE_TTL=240)
    assert (settings().TTL, settings().STALE_TTL) == (120, 240)


def give() -> int:
    """Give a number."""
    return 1


def declare(**options: timedelta) -> Declaration[..., int]:
    """Declare a statistic with these durations."""
    return statistic(name="tests.limits", **options)(give).declaration  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({}, (300, 3600)),
        ({"ttl": timedelta(seconds=10)}, (10, 3600)),
        ({"ttl": timedelta(hours=2)}, (7200, 7200)),
        ({"stale_ttl": timedelta(seconds=60)}, (60, 60)),
        ({"ttl": timedelta(seconds=10), "stale_ttl": timedelta(seconds=20)}, (10, 20)),
    ],
)
def test_what_is_declared_wins_over_the_settings(declared: dict[str, timedelta], expected: tuple[float, float]) -> None:
    """Of two durations that contradict each other the one from the settings gives way."""
    bounds = limits(declare(**declared))
    assert (bounds.ttl, bounds.stale_ttl) == expected
