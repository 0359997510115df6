"""The one setting, and who may be wrong about it."""

from collections.abc import Callable
from datetime import timedelta
from threading import TIMEOUT_MAX
from typing import Any

import pytest
import pytest_django

from statistics_cache import SettingsError, statistic
from statistics_cache.conf import FOR_EVER, Settings, limits, settings
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
def test_a_wrong_setting_is_named(settings: pytest_django.Settings, wrong: Any, message: str) -> None:
    """A misspelt key, a wrong value and a contradiction are each named with what to write."""
    settings.STATISTICS_CACHE = wrong
    with pytest.raises(SettingsError, match=message):
        globals()["settings"]()


def test_no_setting_at_all_is_fine(settings: pytest_django.Settings) -> None:
    """Everything has a default."""
    del settings.STATISTICS_CACHE
    assert globals()["settings"]().CACHE_ALIAS == "default"


def test_durations_are_numbers_or_timedeltas(conf: Callable[..., None]) -> None:
    """Seconds and timedelta are one."""
    conf(TTL=timedelta(minutes=2), STALE_TTL=240)
    assert (settings().TTL, settings().STALE_TTL) == (120, 240)


@pytest.mark.parametrize("given", [timedelta.max, 1e16, 1e300])
def test_for_ever_is_a_hundred_years(conf: Callable[..., None], given: Any) -> None:
    """A duration that no server, lock or datetime counts as far as is taken for one that all do, wherever it is set."""
    names = {name for name, field in Settings.model_fields.items() if field.annotation is float} - {"JITTER"}
    conf(**dict.fromkeys(names, given))
    assert {getattr(settings(), name) for name in names} == {FOR_EVER}
    assert FOR_EVER < TIMEOUT_MAX


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
