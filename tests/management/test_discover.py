"""`discover_sources`: what it prints is what `depends_on` should have been."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from project.catalog.models import Category, ModelRecord, UsageRecord
from statistics_cache import statistic
from statistics_cache.models import StatisticEntry
from tests.models import Item, Order, Region
from tests.samples import Color, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


def discover(*args: str, **options: Any) -> str:
    """Give what it prints."""
    out = StringIO()
    call_command("discover_sources", *args, stdout=out, **options)
    return out.getvalue()


def test_what_is_read_is_printed_to_paste() -> None:
    """Models, with the parameter that decides where every read holds a column equal to it; nothing is stored."""
    assert discover("tests.stock") == 'tests.stock, from 4 computed:\ndepends_on={\n    Paint: "color",\n},\n'
    assert not StatisticEntry.objects.exists()


def in_region(region: str, color: str) -> int:
    """Count the items of a colour in a region, and all orders."""
    return Item.objects.filter(order__region__name=region, color=color).count() + Order.objects.count()


def test_a_path_leads_to_the_parameter() -> None:
    """A path is found over the keys that a query joins by; what one read does not hold decides nothing."""
    found = statistic(name="tests.in_region")(in_region)
    for region in ("north", "south"):
        found(region, "red")
    assert discover("tests.in_region").splitlines()[1:] == [
        "depends_on={",
        '    Item: {"color": "color", "region": "order__region__name"},',
        "    Order: None,",
        '    Region: {"region": "name"},',
        "},",
    ]


def test_chance_is_no_path() -> None:
    """With a single value, a column of another name may be equal by chance."""
    statistic(name="tests.in_region")(in_region)
    printed = discover("tests.in_region", params='{"region": "north", "color": "red"}')
    assert '    Item: "color",\n    Order: None,\n    Region: None,\n' in printed


def test_the_catalogue_is_found() -> None:
    """What the catalogue declares is what it reads; `category` decides."""
    ModelRecord.objects.create(name="a", category=Category.CLIP)
    record = ModelRecord.objects.create(name="b", category=Category.BLIP)
    UsageRecord.objects.create(model=record, created_at=now(), kudos=1)
    assert '    ModelRecord: "category",\n' in discover("catalog.category_statistics")
    printed = discover("catalog.usage_statistics", params='{"category": "blip"}')
    assert '    UsageRecord: {"category": "model__category"},\n' in printed


def outer(color: Color) -> int:
    """Use another statistic."""
    return stock(color).pots


def test_another_statistic_is_named() -> None:
    """What is computed from another statistic names that one."""
    statistic(name="tests.outer", hydrate=True)(outer)
    assert discover("tests.outer").splitlines()[1:] == ["depends_on={", "    stock: None,", "},"]


def failing(color: Color) -> int:
    """Fail for one colour."""
    if color is Color.RED:
        raise ValueError("no paint")
    return Region.objects.count()


def test_a_variant_that_fails_is_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are computed all the same, and the command ends with 1."""
    statistic(name="tests.failing", hydrate=True)(failing)
    err, out = StringIO(), StringIO()
    with pytest.raises(CommandError, match=r"1 failed\."):
        call_command("discover_sources", "tests.failing", stdout=out, stderr=err)
    assert "ValueError: no paint" in err.getvalue()
    assert "    Region: None,\n" in out.getvalue()


def test_without_a_variant_it_says_how_to_name_one() -> None:
    """Nothing stored, nothing hydrated, no parameters: nothing is computed."""
    statistic(name="tests.in_region")(in_region)
    assert discover("tests.in_region") == "tests.in_region: no variant was computed. Name one by --params.\n"
