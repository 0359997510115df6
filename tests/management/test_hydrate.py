"""`hydrate_statistics`: what it finds, promotes and computes, and how it ends."""

from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError
from time_machine import Traveller

from statistics_cache.api import registry
from statistics_cache.cold import proving
from statistics_cache.models import StatisticEntry
from tests.commanding import Moods, declare, failed, helps, key, refuse, run, sizes
from tests.conftest import Queries
from tests.samples import Color, Computed, shelf, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

BOOM = "ValueError: no paint"


def hydrate(*args: str, **options: Any) -> str:
    """Give what a hydration that ends well prints."""
    ended = run("hydrate", *args, **options)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


# What it makes fresh


def test_every_variant_is_made_fresh() -> None:
    """What is missing or stale is computed, what the table proves promoted, what is fresh found; nothing else."""
    moody = declare(hydrate=sizes(1, 2, 3, 4))
    moody(1)
    moody(2)
    moody(5)
    moody.invalidate(2)
    moody.clear(1, tier="hot")
    Moods.began.clear()
    assert hydrate("tests.moody") == "tests.moody: found 0, promoted 1, computed 3, failed 0.\n"
    assert Moods.began == [2, 3, 4]
    assert {answer.tier for answer in moody.get_many(sizes(1, 2, 3, 4))} == {"hot"}
    assert hydrate("tests.moody") == "tests.moody: found 4, promoted 0, computed 0, failed 0.\n"


def test_after_a_flush_nothing_is_computed() -> None:
    """An empty cache is filled from the table."""
    stock.hydrate()
    caches["statistics"].clear()
    Computed.counts.clear()
    assert hydrate("tests.stock") == "tests.stock: found 0, promoted 4, computed 0, failed 0.\n"
    assert not Computed.counts
    assert {answer.tier for answer in stock.hydrate()} == {"hot"}


def test_without_a_name_every_hydrated_statistic_is_meant() -> None:
    """Those without `hydrate=` are left alone, and so are their stored variants."""
    shelf(Color.RED)
    shelf.invalidate()
    declare(hydrate=sizes(1))
    said = hydrate()
    names = [line.partition(":")[0] for line in said.splitlines()]
    assert names == ["catalog.category_statistics", "tests.moody", "tests.stock"]
    assert Moods.began == [1]
    assert Computed.counts == {"shelf": 1, "stock": 4}


@pytest.mark.parametrize("args", [("tests.stock",), ("tests.st*",), ("tests.*", "tests.stock"), ("*.stock",)])
def test_names_and_globs_choose(args: tuple[str, ...]) -> None:
    """A glob leaves out statistics without `hydrate=`."""
    assert hydrate(*args) == "tests.stock: found 0, promoted 0, computed 4, failed 0.\n"


def test_missing_only_leaves_alone_what_is_stored(clock: Traveller) -> None:
    """With --missing-only what the table has a value of, however old, is left alone."""
    moody = declare(hydrate=sizes(1, 2, 3))
    moody(1)
    clock.shift(600)
    moody(2)
    Moods.began.clear()
    said = hydrate("tests.moody", "--missing-only")
    assert said == "tests.moody: found 0, promoted 0, computed 1, failed 0, left alone 2.\n"
    assert Moods.began == [3]
    assert not moody.is_fresh(1)


def test_what_no_read_may_serve_is_missing() -> None:
    """With --missing-only a row of another schema, and one that records a failure alone, are no value."""
    moody = declare(hydrate=sizes(1, 2, 3))
    moody.hydrate()
    StatisticEntry.objects.filter(key=key(1)).update(schema="other")
    StatisticEntry.objects.filter(key=key(2)).update(payload=None, failures=1)
    caches["statistics"].clear()
    Moods.began.clear()
    said = hydrate("tests.moody", "--missing-only")
    assert said == "tests.moody: found 0, promoted 0, computed 2, failed 0, left alone 1.\n"
    assert Moods.began == [1, 2]


@pytest.mark.parametrize(("size", "statements"), [(1, 6), (3, 3), (4, 2), (100, 2)])
def test_so_many_are_looked_for_at_once(size: int, statements: int, queries: Queries) -> None:
    """With --batch-size N one statement looks for N variants, and one more where generations were to be made."""
    stock.hydrate()
    caches["statistics"].clear()
    with queries(statements):
        said = hydrate("tests.stock", "--batch-size", str(size))
    assert said == "tests.stock: found 0, promoted 4, computed 0, failed 0.\n"


def test_a_hundred_are_looked_for_at_once(queries: Queries) -> None:
    """Without --batch-size one statement looks for 100 variants, and one more where generations were to be made."""
    declare(hydrate=sizes(*range(101))).hydrate()
    caches["statistics"].clear()
    with queries(2 + 1):
        assert hydrate("tests.moody") == "tests.moody: found 0, promoted 101, computed 0, failed 0.\n"


def test_no_variant_is_no_failure() -> None:
    """A `hydrate=` that names none has a line of its own."""
    declare(hydrate=[])
    assert hydrate("tests.moody") == "tests.moody: its hydrate= names no variant.\n"


def test_no_hydrated_statistic_is_no_failure() -> None:
    """Where no statistic has `hydrate=`, that is said."""
    registry.named = {"tests.shelf": shelf}
    assert hydrate() == "There is nothing to hydrate: no statistic has hydrate=.\n"


# Nothing but words


@pytest.mark.parametrize("args", [(), ("--missing-only",)])
def test_a_dry_run_changes_nothing(args: tuple[str, ...]) -> None:
    """With --dry-run what would be computed is named and counted; nothing is computed or promoted."""
    moody = declare(hydrate=sizes(1, 2, 3))
    moody(1)
    moody(2)
    moody.clear(1, tier="hot")
    before = list(StatisticEntry.objects.values())
    Moods.began.clear()
    said = hydrate("tests.moody", "--dry-run", *args)
    counts = "found 0, would promote 0, would compute 1, failed 0, left alone 2"
    if not args:
        counts = "found 1, would promote 1, would compute 1, failed 0"
    assert said == f"would compute {key(3)}\ntests.moody: {counts}.\n"
    assert not Moods.began
    assert list(StatisticEntry.objects.values()) == before
    assert (entry := moody.entry(1)) is not None
    assert entry.tier == "cold"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("HYDRATION_ENABLED", "HYDRATION_ENABLED is False: nothing was done.\n"),
        ("ENABLED", "ENABLED is False: nothing was refreshed, for nothing could be stored.\n"),
    ],
)
def test_what_is_off_is_said(setting: str, said: str, conf: Any) -> None:
    """While hydration or the app is off nothing is computed, that is said, and wrong usage still is wrong."""
    conf(**{setting: False})
    assert hydrate() == hydrate("tests.stock") == said
    assert not Computed.counts
    assert run("hydrate", "tests.shelf").code == 2


# What fails


def test_one_that_fails_keeps_no_other_from_its_own() -> None:
    """All are tried; each failure is a line on standard error, and the command ends with 1."""
    declare(hydrate=sizes(1, 2, 3))
    Moods.does |= {1: refuse(ValueError("no paint")), 3: refuse(ValueError("no\npaint"))}
    ended = run("hydrate", "tests.moody", "tests.stock")
    assert (ended.code, ended.message) == (1, "2 failed.")
    assert ended.err.splitlines() == failed(BOOM, 1, 3)
    assert ended.out.splitlines() == [
        "tests.moody: found 0, promoted 0, computed 1, failed 2.",
        "tests.stock: found 0, promoted 0, computed 4, failed 0.",
    ]


def test_what_failed_lately_has_failed() -> None:
    """Until it is time to try again a failure stands, with its text, though a stale value may be there."""
    moody = declare(hydrate=sizes(1), on_change="revalidate")
    moody(1)
    moody.invalidate()
    Moods.does[1] = refuse(ValueError("no paint"))
    assert run("hydrate", "tests.moody").code == 1
    Moods.began.clear()
    ended = run("hydrate", "tests.moody")
    assert (ended.code, ended.out) == (1, "tests.moody: found 0, promoted 0, computed 0, failed 1.\n")
    assert ended.err.endswith(f"It was {BOOM}\n")
    assert not Moods.began


def test_variants_that_cannot_be_named_are_a_failure() -> None:
    """A `hydrate=` that raises is told of, and other statistics are hydrated all the same."""
    declare(hydrate=refuse(ValueError("no paint")))
    ended = run("hydrate", "tests.moody", "tests.stock")
    assert (ended.code, ended.err) == (1, f"tests.moody failed: its hydrate= cannot be read: {BOOM}\n")
    assert ended.out.splitlines() == [
        "tests.moody: found 0, promoted 0, computed 0, failed 1.",
        "tests.stock: found 0, promoted 0, computed 4, failed 0.",
    ]


def test_variants_that_are_none_are_a_failure() -> None:
    """A `hydrate=` that names a wrong parameter is the statistic's fault, not the caller's."""
    declare(hydrate=[{"sise": 1}])
    ended = run("hydrate", "tests.moody")
    assert ended.code == 1
    assert "Did you mean 'size'?" in ended.err


# What it refuses


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("tests.shelf",), "tests.shelf has no hydrate="),
        (("tests.stock", "tests.shelf"), "tests.shelf has no hydrate="),
        (("tests.sh*",), "tests.shades has no hydrate="),
        (("tests.stok",), "Did you mean 'tests.stock'?"),
        (("nothing.*",), "'nothing.*'"),
        (("--batch-size", "0"), "--batch-size is 0"),
        (("--batch-size", "-1"), "--batch-size is -1"),
    ],
)
def test_wrong_usage_ends_with_2(args: tuple[str, ...], named: str) -> None:
    """What makes no sense is wrong usage, told by name, and nothing is computed."""
    ended = run("hydrate", *args)
    assert (ended.code, ended.out) == (2, "")
    assert named in ended.message
    assert not Computed.counts


def test_an_interruption_ends_with_130() -> None:
    """Ctrl-C ends a command as a shell expects, which says what was done."""
    declare(hydrate=sizes(1, 2))
    Moods.does[2] = refuse(KeyboardInterrupt())
    ended = run("hydrate", "tests.moody")
    assert (ended.code, ended.out) == (130, "tests.moody: found 0, promoted 0, computed 1, failed 0.\n")


@pytest.mark.parametrize("args", [(), ("--missing-only",), ("--dry-run",)])
def test_without_its_database_it_ends_with_1(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is out is one line that says so, and nothing is computed."""
    monkeypatch.setattr(proving, "prove_at_once", refuse(OperationalError("no such table")))
    ended = run("hydrate", "tests.stock", *args)
    assert (ended.code, ended.out, ended.err) == (1, "", "")
    assert ended.message.startswith("The database is down.")
    assert not Computed.counts


def test_help_is_readable_by_itself() -> None:
    """Every option says what it does, and the whole says how it ends."""
    told = helps("hydrate")
    assert set(told) == {"hydrate", "names", "missing_only", "batch_size", "dry_run", "skip_checks"}
    assert all(told.values())
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted." in told["hydrate"]
