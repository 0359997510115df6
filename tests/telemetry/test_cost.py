"""A hot hit with everything on and off, side by side: the same round trip, and nothing else."""

import logging
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from statistics_cache.declaring.parameters import Parameters
from statistics_cache.hot import counters
from tests.samples import Color, shelf
from tests.telemetry.conftest import Scrape
from tests.test_budget import Commands, commands  # noqa: F401  (a fixture)

READS = 10


class Untouched:
    """A lock that nobody takes."""

    acquire = __enter__ = None


@pytest.fixture
def everything(request: pytest.FixtureRequest) -> Scrape | None:
    """Have metrics and spans exported, or not."""
    if not request.param:
        return None
    request.getfixturevalue("spans")
    scrape: Scrape = request.getfixturevalue("scrape")
    return scrape


@pytest.mark.usefixtures("on_valkey")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("everything", [False, True], indirect=True)
def test_a_hot_hit_costs_one_round_trip(
    everything: Scrape | None,
    commands: Commands,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No query, no lock, no log call, no instrument: of all that is scraped, the number of reads alone has grown."""
    shelf(Color.RED)
    shelf(Color.RED)
    before = told(everything)
    commands()
    with monkeypatch.context() as patch, CaptureQueriesContext(connection) as queries:
        patch.setattr(Parameters, "bind", None)
        patch.setattr(logging.Logger, "isEnabledFor", None)
        patch.setattr(counters.tallies, "lock", Untouched())
        for _ in range(READS):
            shelf(Color.RED)
    assert (commands(), len(queries)) == ({"mget": READS}, 0)
    grown = {name: number - before.get(name, 0) for name, number in told(everything).items()}
    reads = ("statistics_cache_reads_total", "tests.shelf", "hit")
    assert {name: number for name, number in grown.items() if number} == ({reads: READS} if everything else {})


def told(everything: Scrape | None) -> dict[Any, float]:
    """Give what is exported, by name, statistic and outcome."""
    samples = everything() if everything else []
    return {(each.name, each.labels.get("statistic"), each.labels.get("outcome")): each.value for each in samples}
