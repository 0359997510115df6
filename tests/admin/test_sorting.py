"""In which order the list stands."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from statistics_cache.admin import overview
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import BLUE, LIST, RED, orphan, row_of
from tests.admin.test_list import states
from tests.models import Paint
from tests.samples import Color, shades, shelf, stock, strict, total

pytestmark = pytest.mark.django_db

SHELF, GONE = 'tests.shelf:color="red"', "gone.statistic:1"


@pytest.fixture
def stored() -> None:
    """Store rows of every state; two are fresh, of which the blue one cost more."""
    shelf(Color.RED)
    Paint.objects.create(color="red")
    for color in Color:
        stock(color)
    strict()
    total()
    orphan(key=GONE)
    rows = StatisticEntry.objects
    rows.filter(key=RED).update(cost=1)
    rows.filter(key=BLUE).update(cost=2)
    rows.filter(key="tests.strict:").update(failures=1)
    rows.filter(key="tests.total:").update(computed_at=datetime.now(UTC) - timedelta(days=9))


def test_problems_come_first(admin_client: Client, stored: None) -> None:
    """What fails, then what is expired, stale and orphaned; among equals the costliest."""
    page = admin_client.get(LIST)
    assert list(states(page)) == ["tests.strict:", "tests.total:", SHELF, GONE, BLUE, RED]
    assert re.search(r'<th[^>]*class="[^"]*sorted', page.content.decode()) is None


def test_an_order_that_was_chosen_stands(admin_client: Client, stored: None) -> None:
    """A heading sorts by itself alone."""
    assert list(states(admin_client.get(LIST, {"o": "1"}))) == sorted(
        StatisticEntry.objects.values_list("key", flat=True)
    )


def test_a_large_table_keeps_its_order(admin_client: Client, stored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit rows come by key, as the index has them."""
    monkeypatch.setattr(overview, "LIMIT", 3)
    page = admin_client.get(LIST)
    assert list(states(page)) == sorted(StatisticEntry.objects.values_list("key", flat=True))
    assert page.context["cl"].queryset.query.order_by[:2] == ("key", "schema")


def test_pages_do_not_overlap(admin_client: Client) -> None:
    """Whatever is equal: each row is on one page."""
    for number in range(30):
        shades(f"color {number}")
    StatisticEntry.objects.update(cost=1)
    first, second = (states(admin_client.get(LIST, {"p": page})) for page in ("1", "2"))
    assert (len(first), len(second), len(first | second)) == (25, 5, 30)
    assert row_of('tests.shades:color="color%200"').key in first
