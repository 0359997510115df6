"""What the cards count: the list as it is filtered and searched, each row once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from statistics_cache.admin import counting, overview
from statistics_cache.admin.entries import EntryAdmin
from statistics_cache.admin.showing import shown
from statistics_cache.hot import counters
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import BLUE, LIST, RED, orphan
from tests.models import Paint
from tests.samples import Color, shades, shelf, stock, total

pytestmark = pytest.mark.django_db

STATES = ("Fresh", "Stale", "Expired", "Empty", "Orphaned")
QUERIES: list[dict[str, str]] = [
    {},
    {"q": "red"},
    {"statistic": "tests.stock"},
    {"state": "orphaned"},
    {"state": "fresh", "q": "blue"},
    {"error": "yes"},
    {"statistic": "tests.total", "q": "no such"},
]


@pytest.fixture(autouse=True)
def stored() -> None:
    """Store rows in every state, one of which fails."""
    shelf(Color.RED)
    Paint.objects.create(color="red")
    for color in Color:
        stock(color)
    for name in ("green", "red"):
        shades(name)
    total()
    orphan()
    orphan("tests.stock", key=RED)
    rows = StatisticEntry.objects
    rows.filter(key=BLUE).update(failures=1)
    rows.filter(key="tests.total:").update(computed_at=datetime.now(UTC) - timedelta(days=9))
    rows.filter(key='tests.shades:color="green"').update(computed_at=None, payload=None)


def cards(page: Any) -> dict[str, str]:
    """Give the value of each card by its label."""
    return {card.label: card.value for card in page.context["cards"]}


@pytest.mark.parametrize("query", QUERIES)
def test_cards_add_up_to_the_list(admin_client: Client, query: dict[str, str]) -> None:
    """Fresh, stale, expired, empty and orphaned together are all rows of the filtered list."""
    page = admin_client.get(LIST, query)
    assert sum(int(cards(page)[state]) for state in STATES) == page.context["cl"].result_count


@pytest.mark.parametrize("query", QUERIES)
def test_above_the_limit_they_add_up_where_they_are_counted(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, query: dict[str, str]
) -> None:
    """By age, and in one statement: of few rows, or of all who asks for it."""
    monkeypatch.setattr(overview, "LIMIT", 3)
    page = admin_client.get(LIST, query | {"_facets": "True"})
    numbers = [int(cards(page)[state].removeprefix("about ")) for state in STATES]
    assert sum(numbers) == page.context["cl"].chosen.count()


def test_what_would_read_every_row_is_not_counted(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit nobody counts orphans, nor the states of a filtered list that is itself long, unasked."""
    monkeypatch.setattr(overview, "LIMIT", 3)
    monkeypatch.setattr(EntryAdmin, "list_per_page", 2)
    assert cards(admin_client.get(LIST))["Orphaned"] == "not counted"
    assert cards(admin_client.get(LIST, {"error": "no"}))["Orphaned"] == "about 2"
    monkeypatch.setattr(counting, "STOP", 1)
    for query in ({"error": "no"}, {"q": "red"}):
        found = cards(admin_client.get(LIST, query))
        assert {found[state] for state in (*STATES, "Failing")} == {"not counted"}


def test_what_a_page_holds_is_counted_from_it(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a search whose rows are all on one page is not made again to count them."""
    monkeypatch.setattr(overview, "LIMIT", 3)
    with CaptureQueriesContext(connection) as captured:
        page = admin_client.get(LIST, {"q": "red"})
    states = Counter(shown(row).state for row in page.context["cl"].result_list)
    assert states.keys() == {"fresh", "stale", "orphaned"}
    assert [cards(page)[state] for state in STATES] == [f"about {states[state.lower()]}" for state in STATES]
    searches = [each for each in captured.captured_queries if "LIKE" in each["sql"]]
    assert len(searches) == 2


def test_a_card_leads_to_its_rows(admin_client: Client) -> None:
    """Its link keeps the search, and leads to as many rows as it says."""
    for card in admin_client.get(LIST, {"q": "red"}).context["cards"]:
        if card.label in STATES:
            assert "q=red" in card.url
            assert admin_client.get(f"{LIST}{card.url}").context["cl"].result_count == int(card.value)


def test_reads_are_those_of_the_statistics_in_the_list(admin_client: Client) -> None:
    """A filter leaves out who read other statistics."""
    counters.flush()
    assert int(cards(admin_client.get(LIST, {"statistic": "tests.total"}))["Reads"]) == 1
    assert int(cards(admin_client.get(LIST, {"q": "shades"}))["Reads"]) == 2
    assert int(cards(admin_client.get(LIST))["Reads"]) == 6
