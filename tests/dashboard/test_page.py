"""Whom the page serves, and what its figures say."""

import re
from pathlib import Path

import pytest
from django.http import Http404
from django.test import RequestFactory
from pytest_django import Settings

from project.dashboard import figures, views
from project.dashboard.charts import HEIGHT, bars
from project.dashboard.reading import NOBODY, Sample
from project.dashboard.traffic import traffic

FOLDER = Path(views.__file__).parent


@pytest.mark.parametrize(
    ("debug", "address"), [(True, "192.0.2.7"), (True, ""), (True, "testserver"), (False, "127.0.0.1"), (False, "::1")]
)
@pytest.mark.parametrize("view", ["page", "state", "compared"])
def test_only_this_machine_is_served(settings: Settings, view: str, debug: bool, address: str) -> None:
    """Another address, or a site without DEBUG, finds nothing, and no reader begins."""
    settings.DEBUG = debug
    with pytest.raises(Http404):
        getattr(views, view)(RequestFactory().get("/", REMOTE_ADDR=address))
    assert traffic.readers == []


def test_nobody_else_does_anything(settings: Settings) -> None:
    """Nor does a button do anything, and one that there is not is not found here either."""
    settings.DEBUG = True
    for name, address in {"save-one": "192.0.2.7", "no-such-deed": "127.0.0.1"}.items():
        with pytest.raises(Http404):
            views.act(RequestFactory().post("/", REMOTE_ADDR=address), name=name)


def test_nothing_is_inline() -> None:
    """A policy of `default-src 'self'` forbids styles, scripts and handlers in the HTML."""
    for template in FOLDER.glob("templates/dashboard/*.html"):
        assert not re.search(r"<style|<script(?! src)|\sstyle=|\son\w+=", template.read_text()), template.name


def samples(*times: float, tier: str = "hot") -> list[Sample]:
    """Give reads that took so many milliseconds."""
    return [Sample(99.5, time / 1000, tier, "fresh", 0.5) for time in times]


def test_a_minute_in_figures() -> None:
    """Percentiles are by the nearest rank, and there are none of a few; the second that is not over is in no rate."""
    found = figures.strip([*samples(*range(1, 101)), *samples(3, tier="cold"), *samples(1, tier=NOBODY)], now=101.0)
    assert (found.hot_p50, found.hot_p99, found.cold_p50) == (50, 99, None)
    assert found.per_second == [0] * 58 + [102, 0]
    assert (found.rate, found.errors, found.spared) == (102, 1, 51)
    assert figures.strip([], now=1.0).rate == 0


def test_what_is_felt_in_words() -> None:
    """Where values came from, the slowest read, and the errors."""
    said = figures.felt([*samples(1, 20), *samples(3, tier="cold"), *samples(7, tier=NOBODY)])
    assert said == "4 reads: 2 from Redis, 1 from the table; slowest 20 ms; errors 1"
    assert figures.felt([]) == "no reader has read yet"


def test_bars_are_as_high_as_their_share() -> None:
    """The greatest fills the chart; nothing at all is flat."""
    assert [float(bar.height) for bar in bars([1, 2, 0], ["a", "b", "c"])] == [HEIGHT / 2, HEIGHT, 0]
    assert [bar.height for bar in bars([0], ["none"])] == ["0.00"]
