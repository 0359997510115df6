"""`dumpdata` and `loaddata` of everything: what is stored here is not part of a dump, and what is loaded is seen."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command

from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from statistics_cache.upkeep import tick
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Order, Paint, Region, Tag
from tests.samples import amounts_by_region, shades, tints

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]

COLORS = ("red", "blue", "gray")
WITHOUT_TABLES = [each._meta.label for each in apps.get_models() if not each._meta.managed]  # until a test makes them


def answers() -> dict[str, Any]:
    """Give all that is asked, which must be as it is computed."""
    asked: Any = [*((each, color) for each in (shades, tints) for color in COLORS), (amounts_by_region, "north")]
    given = {f"{each.name} {value}": each(value) for each, value in asked}
    assert given == {f"{each.name} {value}": each.compute(value) for each, value in asked}
    return given


def fill(colors: tuple[str, ...]) -> None:
    """Make some rows, and have entries, a log and sums of them."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    for color in colors:
        Paint.objects.create(color=color)
        Item.objects.create(order=order, color=color).tags.add(Tag.objects.create(name="new"))
    answers()
    tick(())
    Paint.objects.create(color=colors[0])
    answers()


@pytest.fixture
def dump(backend: Backend, tmp_path: Path) -> Path:
    """Dump a database that is in use, as the documentation of Django says, and empty it."""
    fill(("red", "blue", "red"))
    file = tmp_path / "all.json"
    call_command(
        "dumpdata",
        database=backend.database,
        exclude=["contenttypes", "auth.permission", *WITHOUT_TABLES],
        output=str(file),
        verbosity=0,
    )
    call_command("flush", database=backend.database, interactive=False, verbosity=0)
    return file


def test_a_dump_holds_nothing_that_is_made_of_it(dump: Path) -> None:
    """Entries, log and sums belong to the database that they are in."""
    found = {each["model"] for each in json.loads(dump.read_text())}
    assert "tests.paint" in found
    assert not any(label.startswith("statistics_cache.") for label in found)


def test_a_dump_is_loaded_into_an_empty_database(dump: Path, backend: Backend) -> None:
    """What was read before is not fresh after it."""
    assert answers() == dict.fromkeys(answers(), 0) | {f"{amounts_by_region.name} north": amounts_by_region("north")}
    call_command("loaddata", str(dump), database=backend.database, verbosity=0)
    assert answers()[f"{shades.name} red"] == 3
    assert answers()[f"{tints.name} red"] == 2


def test_a_dump_is_loaded_into_a_database_in_use(dump: Path, backend: Backend) -> None:
    """One with entries, a log and sums of its own, whose rows are overwritten, moved and joined by others."""
    fill(("gray", "red", "gray", "gray"))
    call_command("loaddata", str(dump), database=backend.database, verbosity=0)
    assert answers()[f"{tints.name} red"] >= 2
    assert StatisticEntry.objects.exists()
    call_command("loaddata", str(dump), database=backend.database, verbosity=0)
    answers()


def test_the_app_finds_what_a_dump_does_not(backend: Backend) -> None:
    """The managers that the app itself uses see every row."""
    fill(("red",))
    assert StatisticEntry.objects.exists()
    assert StatisticInvalidation.objects.exists()
    assert StatisticScope.objects.exists()
