"""What is drawn of a value on its entry's page."""

import json
from typing import Any

import pytest
from django.test import Client

from statistics_cache.admin.drawing import MAX_BARS, Drawn, draw
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import LIST, RED, row_of
from tests.samples import Color, stock
from tests.spaces import identity

DAYS = [{"day": f"2026-11-{day:02}", "count": day, "kudos": day * 1.5} for day in (3, 1, 2)]
SHARES = {"sdxl": {"count": 3, "percentage": 75.0}, "flux": {"count": 1, "percentage": 25.0}}
TAGS = [{"tag": "anime", "count": 4}, {"tag": "photo", "count": 1}]


def drawn(value: Any) -> Drawn:
    """Draw a value as it is stored."""
    return draw(json.dumps(value))


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"per_day": DAYS}, ["per_day · count", "per_day · kudos"]),
        (DAYS, ["count", "kudos"]),
        ({"shares": SHARES}, ["shares"]),
        (SHARES, [""]),
        (TAGS, [""]),
        ({"tags": TAGS, "sizes": {"S": 1, "L": 2}}, ["tags", "sizes"]),
        ({f"name {each}": each for each in range(9)}, [""]),
    ],
)
def test_series_are_lines_and_shares_are_bars(value: Any, names: list[str]) -> None:
    """Objects with a date and numbers give a line for each number, names with numbers or shares give bars."""
    found = drawn(value)
    assert found.tiles == []
    assert [picture.name for picture in found.pictures] == names
    kind = "<polyline" if DAYS in (value, value.get("per_day") if isinstance(value, dict) else None) else "<rect"
    assert all(kind in picture.drawn for picture in found.pictures)


def test_a_line_goes_by_its_dates() -> None:
    """The oldest is left, the newest right, the greatest above, wherever they stood."""
    picture = drawn(DAYS).pictures[0].drawn
    assert 'points="0.0,60.0 300.0,30.0 600.0,0.0"' in picture
    assert "From 1 to 3, 2026-11-01 to 2026-11-03" in picture


def test_a_bar_is_as_long_as_its_share() -> None:
    """The greatest takes all the room; each has its number, and more than a person reads are counted."""
    picture = drawn(SHARES).pictures[0].drawn
    assert 'width="33.3"' in picture
    assert ">25 %<" in picture
    many = drawn({str(each): each for each in range(MAX_BARS + 5)}).pictures[0].drawn
    assert many.count("<rect") == MAX_BARS
    assert "and 5 more" in many


@pytest.mark.parametrize("value", [{"pots": 3, "litres": 1234.5, "name": "red", "is_on": True}, 7])
def test_numbers_are_tiles(value: Any) -> None:
    """A number alone, and each number of an object; texts and truths are none."""
    tiles = [tile.text for tile in drawn(value).tiles]
    assert tiles == (["7"] if value == 7 else ["3", "1,234.5"])


@pytest.mark.parametrize(
    "payload",
    [None, "no JSON", "[" * 9_000, "[]", "{}", '"text"', "[1, 2]", "NaN", '{"a": NaN, "b": 1e400}', "1" + "0" * 400,
     '[{"day": "2026-13-01", "n": 1}, {"day": "2026-11-01", "n": 1}]', '[{"day": "2026-11-01"}, 3]',
     '{"a": {"b": 1, "c": "x"}}', '[{"a": "x", "n": 1}, {"a": "x", "n": 2}]'],
)  # fmt: skip
def test_what_cannot_be_drawn_is_left_to_its_json(payload: str | None) -> None:
    """Whatever is stored: nothing is drawn of it, and nothing raises."""
    assert draw(payload) == ([], [])


@pytest.mark.django_db
@pytest.mark.parametrize(("payload", "is_open"), [('{"pots":3,"litres":4}', False), ('{"pots":"many"}', True)])
def test_json_is_behind_a_toggle(admin_client: Client, payload: str, is_open: bool) -> None:
    """It is closed beside a drawing and open where it is all that there is; names in a value stay text."""
    stock(Color.RED)
    StatisticEntry.objects.filter(key=RED).update(payload=payload)
    hot.delete(identity(), StatisticEntry.objects.values_list("statistic", "schema", "key"))
    page = admin_client.get(f"{LIST}{row_of(RED).pk}/change/").content.decode()
    assert ('<details class="sc-more" open>' in page) == is_open
    assert ('<dl class="sc-tiles">' in page) != is_open
