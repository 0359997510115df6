"""What the page of an entry says first, and what it keeps behind a toggle."""

import re
from datetime import timedelta
from itertools import combinations
from typing import Any, get_args

import pytest
from django.test import Client

from statistics_cache.admin import pictures, words
from statistics_cache.entry import Reason
from tests.admin.conftest import LIST, RED, row_of
from tests.models import Paint
from tests.samples import Color, shelf, stock

pytestmark = pytest.mark.django_db


def page_of(client: Client, key: str) -> str:
    """Give the page of an entry."""
    return client.get(f"{LIST}{row_of(key).pk}/change/").content.decode()


def test_the_protocol_is_closed(admin_client: Client) -> None:
    """Tiers, tokens, scopes and generations stand behind one toggle, and nowhere else."""
    stock(Color.RED)
    before, inside = page_of(admin_client, RED).split('<details class="sc-protocol">')
    for part in ("Hot tier", "Cold tier", "Generation", "Epoch", "Tokens", "every variant", "schema"):
        assert part in inside
        assert part not in before


SHELF = 'tests.shelf:color="red"'


def grey(page: str) -> tuple[float, float]:
    """Give where the grey of the freshness bar begins, and how wide it is."""
    found = re.search(r'sc-zone-changed" x="([0-9.]+)" y="40" width="([0-9.]+)"', page)
    assert found
    return float(found[1]), float(found[2])


def test_the_bar_is_grey_from_a_change_on(admin_client: Client, clock: Any) -> None:
    """Nothing is grey while the source is as it was; then all from the moment of its change, in the list as well."""
    shelf(Color.RED)
    assert grey(page_of(admin_client, SHELF))[1] == 0.0
    assert "sc-changed" not in admin_client.get(LIST).content.decode()
    clock.shift(timedelta(minutes=2))
    Paint.objects.create(color="red")
    at, width = grey(page_of(admin_client, SHELF))
    assert at < 100.0
    assert at + width > 980.0
    assert '<meter class="sc-changed"' in admin_client.get(LIST).content.decode()


def test_the_grey_begins_where_the_change_was() -> None:
    """The bar keeps its colours up to that moment, which is marked and named."""
    life = pictures.Life(600, 300, 3600, 400)
    drawn = pictures.timeline(life)
    assert grey(drawn)[0] == pytest.approx(life.at(400), abs=0.1)
    assert ">source changed<" in drawn
    assert "its source changed when it was 6 min 40 s old" in drawn
    assert ">source changed<" not in pictures.timeline(pictures.Life(600, 300, 3600))


def test_no_labels_of_the_bar_touch() -> None:
    """What nearly coincides is written on lines of its own."""
    drawn = pictures.timeline(pictures.Life(2, 300, 3600, 0.5))
    places = re.findall(r'<text x="([0-9.]+)" y="(72|86|100)"', drawn)
    assert len(places) == 4
    assert all(abs(float(a[0]) - float(b[0])) > 100 for a, b in combinations(places, 2) if a[1] == b[1])


def test_the_next_reader_is_told_of(admin_client: Client) -> None:
    """Below the bar a line says what a call is given now."""
    shelf(Color.RED)
    assert "The next reader:</strong> It is given as it is" in page_of(admin_client, SHELF)
    Paint.objects.create(color="red")
    assert "The next reader:</strong> It is given as stale. A worker is asked" in page_of(admin_client, SHELF)


def test_reasons_are_told_in_words(admin_client: Client) -> None:
    """The page says by whom and for what a value was computed; no code of it is shown."""
    stock(Color.RED)
    assert ", by a reader: nothing was stored." in page_of(admin_client, RED)
    stock.refresh(Color.RED)
    assert ": asked for by hand." in page_of(admin_client, RED)


@pytest.mark.parametrize("reason", [*get_args(Reason), "missing", "refresh", "set"])
def test_every_reason_has_words(reason: str) -> None:
    """No code that a row can hold is shown as it is; a read of one transaction alone stores nothing."""
    assert reason == "transaction" or words.made_because("", reason) != reason


def test_what_nobody_knows_is_not_told() -> None:
    """An old row names nobody, and a reason of another release is shown as it is."""
    assert words.made_because("", "") == ""
    assert words.made_because("elsewhere", "odd") == "odd"
