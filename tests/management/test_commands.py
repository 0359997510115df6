"""The two commands: what they print, what they delete, and how they end."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pydantic import BaseModel
from pydantic_core import to_json
from pytest_django import DjangoAssertNumQueries
from time_machine import Traveller

from statistics_cache import statistic
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.keys import hot_entry_key
from statistics_cache.hot import asking, naming
from statistics_cache.management.shown import humane
from statistics_cache.models import StatisticEntry, StatisticInvalidation
from tests import spaces
from tests.commanding import helps
from tests.samples import Color, Computed, shelf, stock

pytestmark = pytest.mark.django_db

RED = '{"color": "red"}'
STOCK_RED = 'tests.stock:color="red",doubled=false'
STOCK_BLUE = 'tests.stock:color="blue",doubled=true'
SHELF_RED = 'tests.shelf:color="red"'
KEYS = ["name", "params", "state", "reason", "age", "tier", "computed_at", "cost", "value"]


class Exact(BaseModel, frozen=True):
    """Numbers that a careless reader would change, and keys in an order of their own."""

    zulu: int = 2**70 + 1
    alpha: float = 1e22
    names: dict[str, float] = {"z": 0.1, "a": -0.0}


def exact(size: int) -> Exact:
    """Have a parameter that a smaller number type would change."""
    return Exact()


def show(*args: str, **options: Any) -> str:
    """Give what show_statistics prints."""
    out = StringIO()
    call_command("show_statistics", *args, stdout=out, **options)
    return out.getvalue()


def listed(*args: str, **options: Any) -> list[dict[str, Any]]:
    """Give the list that show_statistics prints as JSON."""
    found: list[dict[str, Any]] = json.loads(show(*args, "--format", "json", **options))
    return found


def clear(*args: str, interactive: bool = False, **options: Any) -> str:
    """Give what clear_statistics prints; nothing is asked."""
    out = StringIO()
    call_command("clear_statistics", *args, stdout=out, interactive=interactive, **options)
    return out.getvalue()


def exit_code(command: Any, *args: str, **options: Any) -> tuple[int, str]:
    """Give how a command fails: the exit code and the message."""
    with pytest.raises(CommandError) as caught:
        command(*args, **options)
    return caught.value.returncode, str(caught.value)


def left() -> list[str]:
    """Give the keys of the stored rows."""
    return list(StatisticEntry.objects.order_by("key").values_list("key", flat=True))


@pytest.fixture
def stored(clock: Traveller) -> None:
    """Store two variants of `stock` and one of `shelf`."""
    stock(Color.RED)
    stock(Color.BLUE, doubled=True)
    shelf(Color.RED)


# show_statistics


@pytest.mark.usefixtures("hot_tier", "stored")
def test_what_is_shown_is_what_a_read_would_find(clock: Traveller) -> None:
    """Each stored variant has one object, with every key, and the values are those of now."""
    clock.shift(60)
    shown = listed("tests.stock", "--params", RED, "--values")
    value = {"pots": 0, "litres": 0}
    assert [list(each) for each in shown] == [KEYS]
    assert shown[0] | {"cost": 0} == {
        "name": "tests.stock",
        "params": {"color": "red", "doubled": False},
        "state": "fresh",
        "reason": None,
        "age": 60.0,
        "tier": "hot",
        "computed_at": "2026-03-01T12:00:00+00:00",
        "cost": 0,
        "value": value,
    }


@pytest.mark.usefixtures("stored")
def test_json_holds_values_only_when_asked() -> None:
    """Without --values the key is there and null: no value of a statistic is."""
    assert [each["value"] for each in listed()] == [None] * 3
    assert [type(each["value"]) for each in listed("--values")] == [dict] * 3


@pytest.mark.parametrize(
    ("args", "count"),
    [
        ((), 3),
        (("tests.stock",), 2),
        (("tests.s*",), 3),
        (("*.shelf", "tests.stock"), 3),
        (("--params", RED), 2),
        (("--params", '{"doubled": true}'), 1),
        (("tests.*", "--params", '{"doubled": true}'), 1),
        (("--params", '{"color": null}'), 3),
        (("--params", '{"color": "red", "doubled": true}'), 0),
        (("--params", "{}"), 3),
        (("tests.total",), 0),
    ],
)
@pytest.mark.usefixtures("stored")
def test_names_globs_and_parameters_choose(args: tuple[str, ...], count: int) -> None:
    """Names and globs choose statistics, parameters their variants; a glob leaves out what has no such parameter."""
    assert len(listed(*args)) == count


@pytest.mark.usefixtures("hot_tier", "stored")
def test_every_state_is_told_with_its_reason(clock: Traveller) -> None:
    """Fresh, stale by age or source, and expired are told apart, and --state picks them."""
    shelf.invalidate()
    clock.shift(timedelta(minutes=10))
    stock.refresh(Color.RED)
    states = {each["name"] + each["params"]["color"]: (each["state"], each["reason"]) for each in listed()}
    assert states == {
        "tests.stockred": ("fresh", None),
        "tests.stockblue": ("stale", "age"),
        "tests.shelfred": ("stale", "source"),
    }
    assert [each["name"] for each in listed("--state", "fresh")] == ["tests.stock"]
    clock.shift(timedelta(minutes=55))
    assert len(listed("--state", "expired")) == 2


@pytest.mark.usefixtures("hot_tier", "stored")
def test_showing_changes_nothing() -> None:
    """Nothing is computed, promoted or written, in whatever state it is found."""
    caches["statistics"].clear()
    before = list(StatisticEntry.objects.order_by("pk").values())
    Computed.counts.clear()
    assert {each["tier"] for each in listed("--values")} == {"cold"}
    assert not Computed.counts
    assert spaces.read(stock, stock.declaration.variant((Color.RED,), {})).tokens is None
    assert list(StatisticEntry.objects.order_by("pk").values()) == before


@pytest.mark.usefixtures("stored")
def test_without_the_hot_tier_the_table_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the cache is out, everything is shown from the cold tier."""
    monkeypatch.setattr(asking, "ask", lambda _, default: default)
    assert {(each["tier"], each["state"]) for each in listed()} == {("cold", "fresh")}


def test_a_big_table_is_read_in_batches(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A batch costs one statement for its rows and one for their proof."""
    stock.get_many([{"color": color, "doubled": doubled} for color in Color for doubled in (False, True)])
    monkeypatch.setattr(cold, "READ_AT_ONCE", 2)
    with django_assert_num_queries(5):  # two full batches, and an empty one that ends it
        assert len(listed("tests.stock")) == 4


def test_values_are_shown_as_they_are_stored() -> None:
    """Numbers and order are exact in JSON, of parameters and of values."""
    statistic(name="tests.exact")(exact)(2**70)
    text = show("tests.exact", "--values", "--format", "json")
    alpha = to_json(1e22).decode()  # pydantic before 2.12 writes no plus
    assert f'"value": {{"zulu":1180591620717411303425,"alpha":{alpha},"names":{{"z":0.1,"a":-0.0}}}}' in text
    assert json.loads(text)[0]["params"] == {"size": 2**70}


def test_json_of_nothing_is_an_empty_list() -> None:
    """Where nothing is stored, there still is one document."""
    assert show("--format", "json") == "[]\n"


def test_rows_of_another_schema_are_not_shown() -> None:
    """What no read of this code would find is left out: another schema's, and parameters no call means any more."""
    stock(Color.RED)
    stock(Color.BLUE)
    StatisticEntry.objects.filter(key__contains="red").update(schema="other")
    StatisticEntry.objects.filter(key__contains="blue").update(
        key='tests.stock:color="blue"', params='{"color":"blue"}'
    )
    assert listed("tests.stock") == []


@pytest.mark.usefixtures("stored")
def test_the_table_is_aligned() -> None:
    """The columns of every row begin where those of the heading do."""
    heading, *rows, counts = show("tests.stock").splitlines()
    assert {row.index("tests.stock:") for row in rows} == {heading.index("VARIANT")}
    assert all(row.startswith("fresh") and row[heading.index("TIER") :].startswith("hot") for row in rows)
    assert counts == "2 stored: 2 fresh."


@pytest.mark.usefixtures("stored")
def test_the_table_shows_values_below_their_rows() -> None:
    """With --values each row is followed by its value as indented JSON."""
    _, _, *value, _ = show("tests.shelf", "--values").splitlines()
    assert json.loads("\n".join(value)) == {"pots": 0, "litres": 0}
    assert value[1].startswith("      ")


@pytest.mark.usefixtures("stored")
def test_a_statistic_without_entries_has_a_line() -> None:
    """The table says of which chosen statistics nothing is stored."""
    assert "tests.total: nothing is stored.\n" in show()
    assert "tests.shelf: nothing that matches is stored.\n" in show("--state", "expired")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 ms"), (0.0042, "4.2 ms"), (1, "1.0 s"), (59.9, "59 s"), (90, "1.5 min"), (7200, "2.0 h"), (1e6, "11 d")],
)
def test_durations_are_short(seconds: float, text: str) -> None:
    """A duration is told in the largest unit it fills."""
    assert humane(seconds) == text


@pytest.mark.usefixtures("stored")
def test_check_finds_nothing_where_all_is_fresh() -> None:
    """Fresh entries pass, and so does nothing at all."""
    assert len(listed("--check")) == 3
    assert listed("tests.total", "--check") == []


@pytest.mark.usefixtures("stored")
def test_check_fails_for_what_is_not_fresh(clock: Traveller) -> None:
    """One entry shown that is not fresh ends the command with 1, naming it."""
    shelf.invalidate()
    code, message = exit_code(listed, "--check")
    assert code == 1
    assert 'tests.shelf:color="red" (stale, source)' in message
    assert len(listed("--check", "--state", "fresh")) == 2


@pytest.mark.usefixtures("stored")
def test_check_fails_for_a_failed_compute() -> None:
    """An entry whose last compute failed is found, fresh or not, and the document is whole all the same."""
    StatisticEntry.objects.filter(statistic="tests.shelf").update(failures=2, last_error="ValueError: odd")
    out = StringIO()
    with pytest.raises(CommandError, match="failed 2 times, last: ValueError: odd") as caught:
        call_command("show_statistics", "--check", "--format", "json", stdout=out)
    assert caught.value.returncode == 1
    assert len(json.loads(out.getvalue())) == 3


@pytest.mark.usefixtures("stored")
def test_a_failure_is_told_of_in_one_line() -> None:
    """An error of several lines takes one, and what failed once did so once."""
    StatisticEntry.objects.filter(key=SHELF_RED).update(failures=1, last_error="ValueError: odd\n  and\n  long")
    _, message = exit_code(listed, "--check")
    assert message.endswith("failed once, last: ValueError: odd and long)")


def test_check_names_a_few_of_many() -> None:
    """However many are found, five are named."""
    declared = statistic(name="tests.exact")(exact)
    declared.get_many([{"size": size} for size in range(8)])
    declared.invalidate()
    _, message = exit_code(show, "tests.exact", "--check")
    assert message.startswith("8 stored")
    assert message.endswith("and 3 more")


@pytest.mark.usefixtures("stored")
def test_a_row_that_no_read_may_serve_is_missing() -> None:
    """A row that only records a failure, or was cleared since, is told as missing, and --check finds it."""
    StatisticEntry.objects.filter(statistic="tests.shelf").update(payload=None, failures=1, last_error="boom")
    caches["statistics"].clear()
    (shown,) = listed("--state", "missing", "--values")
    assert [shown[key] for key in KEYS[2:]] == ["missing", *[None] * 6]
    assert show("tests.shelf").splitlines()[1].split() == ["missing", SHELF_RED]
    assert exit_code(show, "--check")[0] == 1


# What both commands refuse


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (("tests.stok",), "Did you mean 'tests.stock'?"),
        (("nothing.*",), "'nothing.*'"),
        (("tests.stock", "--params", "{"), "tests.stock: '{' is not JSON"),
        (("tests.stock", "--params", "[]"), "not a JSON object"),
        (("tests.stock", "--params", '{"colour": "red"}'), "Did you mean 'color'?"),
        (("tests.stock", "--params", '{"color": "green"}'), "'green'"),
        (("tests.*", "--params", '{"color": "green"}'), "'green'"),
        (("tests.*", "--params", '{"colour": "red"}'), "'colour'"),
        (("tests.*", "tests.total", "--params", RED), "tests.total: there is no parameter 'color'"),
    ],
)
@pytest.mark.parametrize("command", [show, clear])
def test_wrong_usage_ends_with_2(command: Any, args: tuple[str, ...], named: str) -> None:
    """Unknown names, bad JSON and bad parameters are wrong usage, told in the library's own words."""
    code, message = exit_code(command, *args)
    assert code == 2
    assert named in message


@pytest.mark.parametrize("command", [show, clear])
def test_an_interruption_ends_with_130(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command as a shell expects."""

    def interrupt(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(cold, "rows_of", interrupt)
    assert exit_code(command, "tests.stock")[0] == 130


@pytest.mark.parametrize("command", [show, clear])
def test_without_its_database_a_command_ends_with_1(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is out is one line that says so."""

    def refuse(*args: Any) -> Any:
        raise OperationalError("no such table")

    monkeypatch.setattr(cold, "rows_of", refuse)
    assert exit_code(command, "tests.stock") == (1, "The database refused: no such table")


@pytest.mark.usefixtures("stored")
def test_wrong_settings_end_with_1(conf: Any) -> None:
    """A wrong setting is told by name."""
    conf(TTLL=5)
    code, message = exit_code(show, "tests.stock", skip_checks=True)
    assert code == 1
    assert "Did you mean 'TTL'?" in message


# clear_statistics


@pytest.mark.parametrize(
    ("args", "kept"),
    [
        (("tests.stock",), [SHELF_RED]),
        (("tests.s*",), []),
        (("--all",), []),
        (("--all", "--params", RED), [STOCK_BLUE]),
        (
            ("tests.stock", "--params", '{"doubled": false}'),
            [SHELF_RED, STOCK_BLUE],
        ),
    ],
)
@pytest.mark.usefixtures("hot_tier", "stored")
def test_clearing_is_exact(args: tuple[str, ...], kept: list[str]) -> None:
    """What is chosen is gone from both tiers and served no more, not even as stale; the rest stays fresh."""
    clear(*args)
    assert left() == kept
    assert len(listed("--state", "fresh")) == len(kept)
    held = [stock.get(Color.RED, allow_stale=True), stock.get(Color.BLUE, doubled=True), shelf.get(Color.RED)]
    assert [value is not None for value in held] == [
        name in kept
        for name in (
            STOCK_RED,
            STOCK_BLUE,
            SHELF_RED,
        )
    ]


@pytest.mark.usefixtures("hot_tier", "stored")
def test_clearing_the_hot_tier_keeps_the_rows() -> None:
    """With --tier hot copies go, and the next read promotes the row."""
    assert "tests.stock: 2 cleared in the hot tier." in clear("tests.stock", "--tier", "hot")
    assert {each["tier"] for each in listed("tests.stock")} == {"cold"}
    assert stock.answer(Color.RED).tier == "cold"


@pytest.mark.usefixtures("hot_tier", "stored")
def test_clearing_the_cold_tier_keeps_the_copies() -> None:
    """With --tier cold rows go, and nothing moves."""
    assert "tests.stock: 2 cleared in the cold tier." in clear("tests.stock", "--tier", "cold")
    assert left() == [SHELF_RED]
    assert stock.answer(Color.RED).tier == "hot"
    assert not StatisticInvalidation.objects.exists()


@pytest.mark.parametrize("tier", ["both", "hot", "cold"])
@pytest.mark.usefixtures("stored")
def test_a_dry_run_only_counts(tier: str) -> None:
    """With --dry-run nothing is asked or changed, and the counts are told."""
    before = list(StatisticEntry.objects.order_by("pk").values())
    said = clear("--all", "--dry-run", "--tier", tier, interactive=True)
    assert "tests.stock: 2 would be cleared in " in said
    assert list(StatisticEntry.objects.order_by("pk").values()) == before
    assert {each["tier"] for each in listed()} == {"hot"}
    assert not StatisticInvalidation.objects.exists()


@pytest.mark.parametrize("age", ["P1D", "PT24H", "1 00:00:00", timedelta(days=1)])
@pytest.mark.usefixtures("stored")
def test_only_what_is_old_is_cleared(age: Any, clock: Traveller) -> None:
    """With --older-than only what was computed longer ago goes."""
    clock.shift(timedelta(days=1))
    shelf.refresh(Color.RED)
    assert len(left()) == 3
    clear("--all", older_than=age)
    assert len(left()) == 3
    clock.shift(1)
    clear("--all", older_than=age)
    assert left() == [SHELF_RED]


@pytest.mark.usefixtures("stored")
def test_nothing_is_older_than_everything() -> None:
    """An age beyond the calendar clears nothing."""
    clear("--all", "--older-than", "P999999D")
    assert len(left()) == 3


@pytest.mark.parametrize(
    "age", ["1 day ago", "1", "1.5", "4 15", "P0D", "-P1D", "P1M", "", "P9999999999D", timedelta(0)]
)
def test_a_duration_that_is_none_is_wrong_usage(age: Any) -> None:
    """--older-than takes a duration above 0 and quotes anything else."""
    code, message = exit_code(clear, "--all", older_than=age)
    assert code == 2
    assert repr(age) in message


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("tests.stock", "--all"),
        ("tests.stock", "--orphaned"),
        ("--all", "--orphaned"),
        ("--orphaned", "--params", RED),
        ("--orphaned", "--tier", "hot"),
    ],
)
def test_contradictions_are_wrong_usage(args: tuple[str, ...]) -> None:
    """What to clear must be said, once."""
    assert exit_code(clear, *args)[0] == 2


@pytest.mark.parametrize("other", ["--all", "--orphaned"])
def test_two_ways_to_say_what_exclude_each_other(other: str) -> None:
    """Who names a statistic and more is told which two contradict each other."""
    assert exit_code(clear, "tests.stock", other)[1] == f"NAME and {other} exclude each other. Give one of them."


@pytest.mark.usefixtures("stored")
def test_without_a_terminal_nothing_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can be asked, clearing wants --no-input."""
    for stdin in (StringIO("y\n"), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        code, message = exit_code(clear, "--all", interactive=True)
        assert code == 2
        assert "--no-input" in message
    assert len(left()) == 3
    call_command("clear_statistics", "--all", "--no-input", stdout=StringIO())
    assert left() == []


def test_what_matches_nothing_is_said_before_anybody_is_asked() -> None:
    """A wrong name is the first thing that is wrong, terminal or not."""
    code, message = exit_code(clear, "nomatch.*", interactive=True)
    assert (code, message.partition("'.")[0]) == (2, "there is no statistic 'nomatch.*")


@pytest.mark.parametrize("command", ["show", "refresh", "invalidate", "clear", "hydrate"])
def test_help_is_ascii(command: str) -> None:
    """Help can be written to any terminal, whatever its encoding."""
    assert all(text.isascii() for text in helps(command).values())


def test_who_reads_the_first_line_alone_is_left_in_peace(tmp_path: Path) -> None:
    """A reader that goes away, as `head` does, ends a command without a word."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings", "RUN_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "django"]
    subprocess.run([*command, "migrate", "--verbosity", "0"], env=environment, check=True)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as out:
        command = [*command, "show_statistics"]
        ended = subprocess.run(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


class Terminal(StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        """Be a terminal."""
        return True


@pytest.mark.parametrize(
    ("typed", "agreed"), [("y\n", True), ("YES\n", True), ("n\n", False), ("\n", False), ("", False)]
)
@pytest.mark.usefixtures("stored")
def test_clearing_asks_first(typed: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal the count and the tiers are told, and only a yes clears; a no ends with 1."""
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    out = StringIO()
    if agreed:
        call_command("clear_statistics", "tests.stock", stdout=out)
    else:
        assert exit_code(call_command, "clear_statistics", "tests.stock", stdout=out)[0] == 1
    assert out.getvalue().startswith("This clears 2 stored in both tiers: tests.stock 2.\n")
    assert len(left()) == (1 if agreed else 3)


@pytest.mark.usefixtures("hot_tier", "stored")
def test_orphans_are_what_no_call_reads() -> None:
    """--orphaned deletes rows of undeclared statistics, of another schema and of former parameters, in both tiers."""
    stock.get_many([{"color": "red", "doubled": True}, {"color": "blue"}])
    rows = StatisticEntry.objects.filter(statistic="tests.stock")
    rows.filter(key__contains='red",doubled=true').update(schema="other")
    rows.filter(key__contains='blue",doubled=false').update(params='{"color":"blue","size":3}')
    StatisticEntry.objects.filter(statistic="tests.shelf").update(statistic="gone.away", schema="ancient")
    name = hot_entry_key(naming.own_space(spaces.identity()), "gone.away", "ancient", SHELF_RED)
    caches["statistics"].set(name, "text")
    said = clear("--orphaned", "--dry-run")
    assert said == "gone.away: 1 would be cleared in both tiers.\ntests.stock: 2 would be cleared in both tiers.\n"
    clear("--orphaned")
    assert left() == [STOCK_BLUE, STOCK_RED]
    assert caches["statistics"].get(name) is None
    assert not StatisticInvalidation.objects.exists()
    assert stock.answer(Color.RED).tier == "hot"


@pytest.mark.usefixtures("stored")
def test_without_orphans_nothing_is_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is nothing to clear, nothing is asked."""
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    assert clear("--orphaned", interactive=True) == "There is nothing to clear.\n"
    assert len(left()) == 3


def test_orphans_may_be_chosen_by_age(clock: Traveller) -> None:
    """--older-than counts for orphans too."""
    stock(Color.RED)
    StatisticEntry.objects.update(schema="other")
    clock.shift(60)
    clear("--orphaned", "--older-than", "PT2M")
    assert len(left()) == 1
    clear("--orphaned", "--older-than", "PT59S")
    assert left() == []


def test_the_exit_code_is_the_process_s_own() -> None:
    """A shell sees the code, and nothing but the document is on standard output."""
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run(
        [sys.executable, "manage.py", "show_statistics", "tests.stok", "--format", "json"],
        cwd=root,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no statistic 'tests.stok'" in ended.stderr
