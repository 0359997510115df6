"""Which models a declaration means: late ones, swapped ones; and columns whose texts name no scope."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.checks import INFO, run_checks
from django.db import connections, models
from pytest_django import Settings

from statistics_cache import Source, Statistic, statistic
from statistics_cache.changing.watching import model_of, watches_of
from statistics_cache.checks import TAG
from statistics_cache.models import StatisticInvalidation
from tests.conftest import BACKENDS, Backend
from tests.differential.families import SOURCE
from tests.models import Item, Order, Paint, Region
from tests.samples import shades, tints

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
COLORS = ("red", "blue", "gray")


# Models that are defined when all is running


@contextmanager
def defined(backend: Backend, base: Any, *, proxy: bool, **fields: Any) -> Iterator[Any]:
    """Define a proxy or a child of a model, as a module does that is imported late; forget it afterwards."""
    options = type("Meta", (), {"app_label": "tests", "proxy": proxy})
    model: Any = type(f"Late{base.__name__}", (base,), {"__module__": __name__, "Meta": options} | fields)
    try:
        if not proxy:
            with connections[backend.database].schema_editor() as editor:
                editor.create_model(model)
        yield model
    finally:
        if not proxy:
            with connections[backend.database].schema_editor() as editor:
                editor.delete_model(model)
        del apps.all_models["tests"][model.__name__.lower()]
        apps.clear_cache()


def assert_true(declared: Statistic[..., int]) -> None:
    """See that each colour is answered as it is computed."""
    assert [declared(color) for color in COLORS] == [declared.compute(color) for color in COLORS]


@ON_BOTH
@pytest.mark.parametrize("proxy", [True, False])
@pytest.mark.parametrize("base", [Paint, Item])
def test_a_model_that_is_defined_late_is_watched(backend: Backend, base: Any, proxy: bool) -> None:
    """A proxy or a child of a source, plain or not: what it saves and deletes are rows of the source."""
    values: dict[str, Any] = {}
    if base is Item:
        values = {"order": Order.objects.create(region=Region.objects.create(name="north"))}
    declared = shades if base is Paint else tints
    fields = {} if proxy else {"extra": models.IntegerField(default=0)}
    with defined(backend, base, proxy=proxy, **fields) as model:
        assert_true(declared)
        row = model.objects.create(color="red", **values)
        assert_true(declared)
        row.color = "blue"
        row.save()
        assert_true(declared)
        row.color = "gray"
        row.save(update_fields=["color"])
        assert_true(declared)
        model.objects.filter(pk=row.pk).delete()
        assert_true(declared)
        model.objects.create(color="red", **values).delete()
        assert_true(declared)
        StatisticInvalidation.objects.all().delete()
        model.objects.filter(color="nothing").delete()
        assert not StatisticInvalidation.objects.exists()


# Swapped models


def by_color(color: str) -> int:
    """Count pots."""
    return Paint.objects.filter(color=color).count()


@pytest.mark.parametrize("named", ["auth.User", "tests.Paint", User])
def test_a_model_that_was_swapped_is_the_one_it_was_swapped_for(settings: Settings, named: Any) -> None:
    """Whoever names `auth.User` where the site has users of its own means those, and `check` complains of nothing."""
    settings.AUTH_USER_MODEL = "tests.Paint"
    declared = statistic(name="tests.users", depends_on={named: "color"})(by_color)
    assert model_of(Source(named)) is Paint
    assert [
        str(found)
        for found in run_checks(tags=[TAG])
        if found.level > INFO and "tests.users: it" not in found.msg and "tests.users" in found.msg
    ] == []
    assert_true(declared)
    Paint.objects.create(color="red")
    assert_true(declared)


def test_a_model_that_was_swapped_for_none_has_no_rows(settings: Settings) -> None:
    """A setting that names no model: nothing is watched, the site starts, and `check` names it."""
    settings.AUTH_USER_MODEL = "nowhere.User"
    assert model_of(Source("auth.User")) is None
    statistic(name="tests.users", depends_on=["auth.User"])(count)
    assert "statistics_cache.E021" in {found.id for found in run_checks(tags=[TAG])}


def count() -> int:
    """Count nothing."""
    return 0


# Columns that take texts that differ for equal


@ON_BOTH
@pytest.mark.parametrize("path", ["color", "order__note"])
def test_a_column_that_tells_no_texts_apart_drops_every_scope(
    backend: Backend, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of "red" may be counted for "RED", too: all variants fall, and `check` warns of it."""
    end = Item._meta.get_field("color") if path == "color" else Order._meta.get_field("note")
    monkeypatch.setattr(end, "db_collation", "nocase", raising=False)
    declared = statistic(name="tests.caseless", depends_on={Item: {"color": path}})(by_color)
    (told,) = [each for each in run_checks(tags=[TAG]) if "tests.caseless: the" in each.msg]
    assert (told.id, repr(path) in told.msg) == ("statistics_cache.W010", True)
    order = Order.objects.create(region=Region.objects.create(name="north"))
    for act in (
        lambda: Item.objects.create(order=order, color="red"),
        lambda: Item.objects.filter(color="red").update(color="blue"),
        lambda: Item.objects.all().delete(),
    ):
        for color in ("red", "RED"):
            declared(color)
        act()
        assert [declared.is_fresh(color) for color in ("red", "RED")] == [False, False]


# What a path leads over


def test_the_end_that_refers_is_watched_for_where_it_leads() -> None:
    """A row that others find by its own key moves them when that key leads elsewhere, though its value stays."""
    declared = statistic(name="tests.from_the_other_end", depends_on={SOURCE.Person: {"country": "profile__country"}})
    watches = watches_of(declared(count_people).declaration)
    (profile,) = [watch for watch in watches if watch.table is SOURCE.Profile]
    assert {"person_id", "country"} <= set(profile.columns)
    assert profile.created


def count_people(country: str) -> int:
    """Count the people whose profile names a country."""
    return int(SOURCE.Person.objects.filter(profile__country=country).count())


MISSPELT: dict[str, tuple[Any, str]] = {
    "a path": ({Paint: {"color": "colour"}}, "Paint.colour"),
    "a model": (["tests.Pant"], "tests.Pant is no installed model"),
    "a field": ([Source(Paint, scope="color", fields=["colr"])], "tests.Paint has no field 'colr'"),
}


@pytest.mark.parametrize("name", MISSPELT)
def test_what_is_misspelt_is_said_where_no_check_runs(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """One ERROR line names statistic and word at its declaration; what is watched all the same falls wider."""
    sources, word = MISSPELT[name]
    declared: Any = statistic(name="tests.misspelt", depends_on=sources)(count_any)
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith("scope failed: tests.misspelt: every scope of it falls: Unresolved: ")
    assert word.split(".")[-1] in record.getMessage()
    if name != "a model":
        declared("red")
        Paint.objects.create(color="red", litres=1)
        assert declared("red") == 1


def count_any(color: str) -> int:
    """Count paint of a colour."""
    return Paint.objects.filter(color=color).count()
