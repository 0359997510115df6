"""`invalidate_statistics`: what falls, what is computed again, and how it ends."""

from typing import Any

import pytest
from django.db import OperationalError

from statistics_cache import Source, statistic
from statistics_cache.cold import proving
from statistics_cache.cold import rows as cold
from statistics_cache.models import StatisticEntry, StatisticInvalidation
from tests.commanding import Moods, declare, failed, helps, refuse, run, sizes
from tests.conftest import Backend
from tests.samples import Color, Computed, shelf, stock, total

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

RED = '{"color": "red"}'
OF_PAINT = ["tests.nested", "tests.shades", "tests.shelf", "tests.stock", "tests.strict", "tests.total"]
OF_ITEMS = ["tests.amounts_by_both", "tests.amounts_by_region", "tests.counted", "tests.tints"]


def double_shelf(color: Color) -> int:
    """Be computed from another statistic."""
    return shelf(color).litres * 2


def invalidate(*args: str, **options: Any) -> str:
    """Give what an invalidation that ends well prints."""
    ended = run("invalidate", *args, **options)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def named(said: str) -> list[str]:
    """Give the statistics that were invalidated."""
    return [line.partition(":")[0] for line in said.splitlines()]


def fresh_stock() -> list[bool]:
    """Tell of each variant of `stock` whether it is fresh."""
    return [stock.is_fresh(color, doubled=doubled) for color in Color for doubled in (False, True)]


@pytest.fixture
def stored(backend: Backend) -> None:
    """Store every variant of `stock`, one of `shelf`, and `total`."""
    stock.hydrate()
    shelf(Color.RED)
    total()
    Computed.counts.clear()


# What falls


@pytest.mark.parametrize(
    ("args", "left"),
    [
        (("tests.stock",), [False, False, False, False]),
        (("tests.stock", "--params", RED), [False, False, True, True]),
        (("tests.stock", "--params", '{"doubled": true, "color": null}'), [True, False, True, False]),
        (("tests.stock", "--params", '{"color": "red", "doubled": true}'), [True, False, True, True]),
        (("tests.shelf",), [True, True, True, True]),
    ],
)
@pytest.mark.usefixtures("stored")
def test_exactly_what_is_named_falls(args: tuple[str, ...], left: list[bool]) -> None:
    """A name falls with all its variants, with parameters those that have them; the rest stays fresh."""
    said = invalidate(*args)
    assert fresh_stock() == left
    assert total.is_fresh()
    if args[0] == "tests.stock":
        assert said == f"tests.stock: {left.count(False)} invalidated.\n"
    assert not Computed.counts


@pytest.mark.usefixtures("stored")
def test_globs_choose_what_has_the_parameters() -> None:
    """A glob leaves out statistics that lack a parameter."""
    assert named(invalidate("tests.s*", "--params", '{"color": "blue"}')) == [
        "tests.shades",
        "tests.shelf",
        "tests.stock",
    ]
    assert fresh_stock() == [True, True, False, False]
    assert shelf.is_fresh(Color.RED)
    assert total.is_fresh()


@pytest.mark.usefixtures("stored")
def test_all_means_every_statistic() -> None:
    """With --all everything falls, and stored values are counted."""
    said = invalidate("--all")
    assert "tests.stock: 4 invalidated.\ntests.strict: 0 invalidated.\n" in said
    assert not any([*fresh_stock(), shelf.is_fresh(Color.RED), total.is_fresh()])


@pytest.mark.parametrize(
    ("label", "concerned"),
    [
        ("tests.Paint", OF_PAINT),
        ("tests.paint", OF_PAINT),
        ("tests.Item", OF_ITEMS),
        ("tests.PlainItem", OF_ITEMS),
        ("tests.GiftItem", OF_ITEMS),
        ("tests.Order", ["tests.amounts_by_both", "tests.amounts_by_region"]),
    ],
)
def test_a_model_means_what_is_computed_from_it(label: str, concerned: list[str]) -> None:
    """With --model every statistic falls that the model is a source of: named so, on a path, as a proxy or a child."""
    assert named(invalidate("--model", label)) == concerned


@pytest.mark.usefixtures("stored")
def test_what_falls_with_a_model_is_not_fresh() -> None:
    """With --model values fall; what is computed through another statistic falls as well."""
    doubled = statistic(name="tests.double_shelf", depends_on=[Source(shelf, scope="color")])(double_shelf)
    doubled(Color.RED)
    assert "tests.double_shelf: 1 invalidated.\n" in invalidate("--model", "tests.Paint")
    assert not any([*fresh_stock(), shelf.is_fresh(Color.RED), total.is_fresh(), doubled.is_fresh(Color.RED)])


@pytest.mark.usefixtures("stored")
def test_a_model_s_statistics_are_chosen_by_parameters() -> None:
    """With --model and --params statistics that lack a parameter are left out, as those that a glob chose."""
    assert named(invalidate("--model", "tests.Paint", "--params", '{"doubled": true}')) == ["tests.stock"]
    assert fresh_stock() == [True, False, True, False]
    assert total.is_fresh()


@pytest.mark.usefixtures("stored")
def test_it_is_logged_as_done_by_hand() -> None:
    """The log tells that no row has changed."""
    invalidate("tests.total")
    assert list(StatisticInvalidation.objects.values_list("statistic", "cause")) == [("tests.total", "by hand")]


@pytest.mark.usefixtures("stored")
def test_what_others_read_is_not_counted() -> None:
    """Stored variants of another schema fall, too, and are not counted: this code could not refresh them."""
    StatisticEntry.objects.filter(key__contains="blue").update(schema="other")
    assert invalidate("tests.stock") == "tests.stock: 2 invalidated.\n"


def test_it_works_while_the_app_is_off(conf: Any) -> None:
    """While ENABLED is False what has changed falls all the same, for when it is switched on; nothing is computed."""
    total()
    conf(ENABLED=False)
    assert invalidate("tests.total", "--refresh").startswith("tests.total: 1 invalidated.\nENABLED is False")
    conf(ENABLED=True)
    assert not total.is_fresh()


# Nothing but words


@pytest.mark.parametrize("args", [("tests.stock",), ("--all",), ("--model", "tests.Paint")])
@pytest.mark.usefixtures("stored")
def test_a_dry_run_only_counts(args: tuple[str, ...]) -> None:
    """With --dry-run stored variants are counted, and nothing falls or is computed."""
    assert "tests.stock: 4 would be invalidated.\n" in invalidate(*args, "--dry-run")
    assert "tests.stock: 2 would be invalidated and refreshed.\n" in invalidate(
        *args, "--dry-run", "--refresh", "--params", RED
    )
    assert fresh_stock() == [True] * 4
    assert not StatisticInvalidation.objects.exists()
    assert not Computed.counts


# Then refreshed


@pytest.mark.usefixtures("stored")
def test_refresh_computes_what_was_concerned() -> None:
    """With --refresh the stored variants that fell are computed, no others."""
    said = invalidate("tests.s*", "--params", RED, "--refresh")
    assert said.splitlines() == [
        "tests.shades: 0 invalidated.",
        "tests.shelf: 1 invalidated.",
        "tests.stock: 2 invalidated.",
        "tests.shades: nothing to refresh: none is stored.",
        "tests.shelf: refreshed 1, fresh 0, failed 0.",
        "tests.stock: refreshed 2, fresh 0, failed 0.",
    ]
    assert Computed.counts == {"shelf": 1, "stock": 2}
    assert fresh_stock() == [True] * 4


@pytest.mark.usefixtures("stored")
def test_all_falls_before_anything_is_refreshed() -> None:
    """With --refresh a statistic that is computed from another one is computed when that one has fallen."""
    doubled = statistic(name="tests.double_shelf", depends_on=[Source(shelf, scope="color")])(double_shelf)
    doubled(Color.RED)
    StatisticEntry.objects.filter(statistic="tests.shelf").update(payload='{"pots":1,"litres":99}')  # as if out of date
    invalidate("tests.*shelf", "--refresh")
    assert doubled(Color.RED) == 0


def test_one_that_fails_keeps_no_other_from_its_own() -> None:
    """With --refresh all are tried; each failure is a line on standard error, and the command ends with 1."""
    declare(hydrate=sizes(1, 2, 3)).hydrate()
    total()
    Moods.does |= {1: refuse(ValueError("no paint")), 3: refuse(ValueError("no paint"))}
    ended = run("invalidate", "tests.moody", "tests.total", "--refresh")
    assert (ended.code, ended.message) == (1, "2 failed.")
    assert ended.err.splitlines() == failed("ValueError: no paint", 1, 3)
    assert ended.out.splitlines()[2:] == [
        "tests.moody: refreshed 1, fresh 0, failed 2.",
        "tests.total: refreshed 1, fresh 0, failed 0.",
    ]


# What it refuses


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), "one of NAME, --all and --model app.Model"),
        (("tests.stock", "--all"), "NAME and --all exclude each other"),
        (("tests.stock", "--model", "tests.Paint"), "NAME and --model app.Model exclude each other"),
        (("--all", "--model", "tests.Paint"), "--all and --model app.Model exclude each other"),
        (("--model", "tests.Pant"), "there is no model 'tests.Pant'. Did you mean 'tests.Paint'?"),
        (("--model", "test.Paint"), "there is no model 'test.Paint'. Did you mean 'tests.Paint'?"),
        (("--model", "Paint"), "there is no model 'Paint'."),
        (("--model", "tests.models.Paint"), "there is no model 'tests.models.Paint'. Did you mean 'tests.Paint'?"),
        (("--model", ""), "there is no model ''. There are: "),
        (("--model", "sessions.Session"), "no statistic is computed from sessions.Session."),
        (("--model", "tests.Tag"), "no statistic is computed from tests.Tag."),
        (("--model", "tests.Paint", "--params", '{"colour": "red"}'), "there is no parameter 'colour'"),
        (("--model", "tests.Paint", "--params", '{"color": "green"}'), "'green'"),
        (("--model", "tests.Paint", "--params", "{"), "is not JSON"),
        (("tests.stok",), "Did you mean 'tests.stock'?"),
        (("nothing.*",), "'nothing.*'"),
        (("tests.stock", "--params", "[]"), "not a JSON object"),
        (("tests.stock", "--params", '{"colour": "red"}'), "Did you mean 'color'?"),
        (("tests.total", "--params", RED), "tests.total: there is no parameter 'color'"),
    ],
)
def test_wrong_usage_ends_with_2(args: tuple[str, ...], named: str) -> None:
    """What makes no sense is wrong usage, told by name, and nothing falls."""
    ended = run("invalidate", *args)
    assert (ended.code, ended.out) == (2, "")
    assert named in ended.message
    assert not StatisticInvalidation.objects.exists()


def test_an_interruption_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command as a shell expects."""
    monkeypatch.setattr(cold, "rows_of", refuse(KeyboardInterrupt()))
    assert run("invalidate", "tests.stock").code == 130


def test_without_its_database_it_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is out is one line that says so."""
    monkeypatch.setattr(cold, "rows_of", refuse(OperationalError("no such table")))
    ended = run("invalidate", "tests.stock")
    assert (ended.code, ended.out, ended.message) == (1, "", "The database refused: no such table")


@pytest.mark.usefixtures("stored")
def test_a_database_that_goes_away_ends_it_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is out when it comes to refreshing is one line that says so."""
    monkeypatch.setattr(proving, "prove_at_once", refuse(OperationalError("no such table")))
    ended = run("invalidate", "tests.stock", "--refresh")
    assert (ended.code, ended.out) == (1, "tests.stock: 4 invalidated.\n")
    assert ended.message.startswith("The database is down.")


def test_help_is_readable_by_itself() -> None:
    """Every option says what it does, and the whole says what is to be chosen and how it ends."""
    told = helps("invalidate")
    assert set(told) == {"invalidate", "names", "params", "all", "model", "refresh", "dry_run", "skip_checks"}
    assert all(told.values())
    assert "NAME..., --all and --model" in told["invalidate"]
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted." in told["invalidate"]
