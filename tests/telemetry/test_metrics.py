"""What Prometheus is told, of which statistic, and that it is told no parameter."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from time import time
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection, connections
from prometheus_client.samples import Sample

from statistics_cache import upkeep
from statistics_cache.api import registry
from statistics_cache.telemetry.causes import kind_of
from statistics_cache.telemetry.entries import Entries
from tests.admin.conftest import orphan
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, shelf, stock
from tests.telemetry.conftest import Scrape
from tests.test_tasks import do, trace

pytestmark = pytest.mark.django_db(transaction=True)
SCOPE = {"otel_scope_name", "otel_scope_version", "otel_scope_schema_url"}  # the exporter's own
ALLOWED = {"statistic", "outcome", "cause", "state", "le"} | SCOPE


def tick() -> None:
    """Have a tick end in this process."""
    upkeep.tick([found.declaration for found in registry.all()])


def value(samples: list[Sample], name: str, **labels: str) -> float:
    """Give the one number of a name that has these labels; 0 where there is none."""
    found = [each.value for each in samples if each.name == name and labels.items() <= each.labels.items()]
    assert len(found) <= 1
    return found[0] if found else 0


def live(messages: Messages) -> None:
    """Do a bit of everything."""
    for _ in range(3):
        shelf(Color.RED)
    Paint.objects.create(color="red", litres=3)
    shelf(Color.RED)
    do(messages)
    with patch("tests.samples.count_stock", side_effect=ValueError("red")), pytest.raises(ValueError, match="red"):
        stock(Color.RED)
    tick()


def test_what_happens_is_told(scrape: Scrape, messages: Messages) -> None:
    """Reads by outcome, computes by how they ended and how long they took, queue time, causes, states and ages."""
    before = scrape()
    live(messages)
    told = scrape()

    def grown(name: str, **labels: str) -> float:
        return value(told, f"statistics_cache_{name}", **labels) - value(before, f"statistics_cache_{name}", **labels)

    assert grown("reads_total", statistic="tests.shelf", outcome="hit") == 2
    assert grown("reads_total", statistic="tests.shelf", outcome="stale hit") == 1
    assert grown("reads_total", statistic="tests.shelf", outcome="miss") == 1
    assert grown("computes_total", statistic="tests.shelf", outcome="finished") == 2
    assert grown("computes_total", statistic="tests.stock", outcome="failed") == 1
    assert grown("compute_duration_seconds_count", statistic="tests.shelf") == 2
    assert grown("queue_duration_seconds_count", statistic="tests.shelf") == 1
    assert grown("invalidations_total", statistic="tests.shelf", cause="tests.Paint") == 1
    assert grown("entries", statistic="tests.shelf", state="fresh") == 1
    assert grown("entries", statistic="tests.stock", state="empty") == 1
    assert value(told, "statistics_cache_oldest_entry_age_seconds", statistic="tests.shelf") < 60


def test_no_label_is_a_parameter(scrape: Scrape, messages: Messages) -> None:
    """Labels are names, outcomes, states and models, and no text holds what a call was given."""
    live(messages)
    told = scrape()
    assert {label for each in told for label in each.labels} <= ALLOWED
    assert [each for each in told if "red" in each.labels.values()] == []


@pytest.mark.parametrize("limit", [10_000, 0])
def test_states_are_those_that_the_database_proves(scrape: Scrape, monkeypatch: pytest.MonkeyPatch, limit: int) -> None:
    """Of few entries: what has changed is stale. Of many it is their age that counts."""
    monkeypatch.setattr("statistics_cache.telemetry.entries.EXACT", limit)
    shelf(Color.RED)
    Paint.objects.create(color="red")
    tick()
    told = scrape()
    exact = {"fresh": 0, "stale": 1} if limit else {"fresh": 1, "stale": 0}
    for state, number in exact.items():
        assert value(told, "statistics_cache_entries", statistic="tests.shelf", state=state) == number


def test_who_has_not_ticked_tells_of_no_entries(scrape: Scrape) -> None:
    """Other processes would tell the same, each at the price of a look at the table."""
    shelf(Color.RED)
    names = {each.name for each in scrape()}
    assert "statistics_cache_reads_total" in names
    assert not names & {"statistics_cache_entries", "statistics_cache_oldest_entry_age_seconds"}


def test_what_waited_for_another_try_did_not_wait_for_a_worker(scrape: Scrape, messages: Messages) -> None:
    """A message that is tried again was taken before."""
    assert stock.refresh_later(Color.RED)
    (message,) = messages
    message.headers["retries"] = 1
    trace(message)
    assert value(scrape(), "statistics_cache_queue_duration_seconds_count", statistic="tests.stock") == 0


def test_other_codes_rows_have_no_say(scrape: Scrape) -> None:
    """The oldest entry is one that is read; one of an older schema is orphaned."""
    shelf(Color.RED)
    orphan("tests.shelf", schema="f" * 12, computed_at=datetime.now(UTC) - timedelta(minutes=30))
    tick()
    told = scrape()
    assert value(told, "statistics_cache_oldest_entry_age_seconds", statistic="tests.shelf") < 60
    assert value(told, "statistics_cache_entries", statistic="tests.shelf", state="orphaned") == 1


def test_who_collects_keeps_no_connection() -> None:
    """A thread that serves one scrape leaves none behind, and a database that is out is no error of a scrape's."""
    entries = Entries()
    entries.ticked_at = time()

    def collect() -> tuple[bool, object]:
        return any(entries.states()), connections["default"].connection

    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(collect).result() == (True, None)
    with connection.execute_wrapper(refuse):
        assert [*entries.states(), *entries.ages()] == []


def refuse(*_: object) -> None:
    """Answer as a database that is out."""
    raise OperationalError


def test_causes_are_few() -> None:
    """A model, by hand, or something else: no key of a row is a label."""
    assert kind_of("tests.Paint 12 saved") == "tests.Paint"
    assert kind_of("3 of tests.Paint deleted") == "tests.Paint"
    assert kind_of("by hand") == "by hand"
    assert kind_of("tests.Nothing 12 tests.Paint") == "other"


def test_the_dashboard_shows_what_is_told(scrape: Scrape, messages: Messages) -> None:
    """Every metric and label of its queries is exported, and every metric that is exported has a panel."""
    live(messages)
    told: dict[str, set[str]] = {}
    for each in scrape():
        told.setdefault(each.name, set()).update(each.labels)
    board = json.loads(files("statistics_cache.telemetry").joinpath("grafana.json").read_text())
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    queries += [each["query"]["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    shown = {name: labels_of(query) for query in queries for name in re.findall(r"statistics_cache_\w+", query)}
    assert shown.keys() <= told.keys()
    assert [name for name, labels in shown.items() if not labels <= told[name]] == []
    assert set(map(base, told)) == set(map(base, shown))


def labels_of(query: str) -> set[str]:
    """Give the labels that a query names."""
    grouped = ",".join(re.findall(r"by \(([^)]*)\)", query))
    return set(filter(None, re.split(r",\s*", grouped))) | set(re.findall(r"(\w+)=~?\"", query))


def base(name: str) -> str:
    """Give a metric's name without what the format adds to the numbers of a histogram."""
    return re.sub(r"_(bucket|count|sum)$", "", name)
