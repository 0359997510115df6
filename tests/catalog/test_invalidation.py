"""The example project's statistics are new as soon as its data is, and only those that it concerns."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from project.catalog.loading.generator import generate_usage
from project.catalog.models import Category, ModelRecord, UsageRecord
from project.catalog.statistics import category_statistics, usage_statistics
from statistics_cache.models import StatisticInvalidation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two reference files."""
    write(tmp_path, "clip", ["one", "two"])
    write(tmp_path, "blip", ["three"])
    return tmp_path


def write(folder: Path, category: str, names: list[str]) -> None:
    """Write a reference file."""
    (folder / f"{category}.json").write_text(json.dumps({name: {"name": name} for name in names}))


def tiers() -> list[str]:
    """Tell where CLIP and BLIP are read from."""
    return [category_statistics.answer(category).tier for category in (Category.CLIP, Category.BLIP)]


@pytest.fixture
def loaded(folder: Path) -> Path:
    """The folder is loaded, and its statistics are read."""
    call_command("load_catalog", str(folder), verbosity=0)
    assert tiers() == ["computed", "computed"]
    assert tiers() == ["hot", "hot"]
    return folder


def reload(folder: Path) -> None:
    """Load the catalogue again, with one model more."""
    write(folder, "clip", ["one", "two", "four"])
    call_command("load_catalog", str(folder), verbosity=0)


def edit(_: Path) -> None:
    """Edit a model in the admin."""
    User.objects.create_superuser("operator", password="secret")  # noqa: S106
    client = Client()
    client.login(username="operator", password="secret")  # noqa: S106
    model = ModelRecord.objects.filter(category="clip")[0]
    page = client.get(f"/admin/catalog/modelrecord/{model.pk}/change/")
    form = page.context["adminform"].form
    data = {name: form[name].value() for name in form.fields} | {"nsfw": "on"}
    done = client.post(
        f"/admin/catalog/modelrecord/{model.pk}/change/", {k: "" if v is None else v for k, v in data.items()}
    )
    assert done.status_code == 302, done.context["adminform"].form.errors


def update(_: Path) -> None:
    """Update models in a shell."""
    ModelRecord.objects.filter(category="clip").update(nsfw=True)


@pytest.mark.parametrize("change", [reload, edit, update])
def test_what_is_changed_is_new_and_the_rest_stays_hot(loaded: Path, change: Any) -> None:
    """After a second load, an admin edit or a shell update the category's next read is new; others stay hot."""
    before = category_statistics(Category.CLIP)
    change(loaded)
    assert tiers() == ["computed", "hot"]
    assert category_statistics(Category.CLIP) != before


def test_loading_the_same_again_changes_nothing(loaded: Path) -> None:
    """Records that are as they were are not written, so everything stays hot."""
    call_command("load_catalog", str(loaded), verbosity=0)
    assert tiers() == ["hot", "hot"]


def test_many_usage_records_log_one_row_per_category(loaded: Path) -> None:
    """However many rows one transaction loads, each category has one row in the log."""
    generate_usage(3_000)
    logged = StatisticInvalidation.objects.filter(statistic="catalog.usage_statistics")
    scopes = list(logged.values_list("scope", flat=True))
    assert sorted(scopes) == ['category="blip"', 'category="clip"']
    assert UsageRecord.objects.count() == 3_000


def test_a_model_that_moves_moves_its_usage(loaded: Path) -> None:
    """Usage is counted by the category of its model: when that moves, both categories are new, and no other."""
    generate_usage(100)
    every = (Category.CLIP, Category.BLIP, Category.ESRGAN)
    for category in every:
        usage_statistics(category)
    model = ModelRecord.objects.get(name="one")
    model.category = Category.BLIP
    model.save()
    assert [usage_statistics.is_fresh(category) for category in every] == [False, False, True]
