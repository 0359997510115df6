"""MariaDB with its default collation: a text is itself alone, and all that works elsewhere works there."""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from time import time
from typing import Any

import pytest
from django.core.cache import caches
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db import connections
from django.test import Client

from statistics_cache import Statistic, statistic, upkeep
from statistics_cache.cold import changelog, history, proving, sweeping
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import Change
from statistics_cache.entry import A_DAY
from statistics_cache.fields import collation_of, inexact
from statistics_cache.models import (
    StatisticChange,
    StatisticEntry,
    StatisticIdentity,
    StatisticInvalidation,
    StatisticScope,
)
from tests.cold.odd_rows import Writing, a_refused_cause, huge_jumps, insert_without_time, take_again
from tests.engines.mariadb import ALIAS, COLLATION, alias_to, lacking, mariadb
from tests.models import Paint
from tests.routers import TestRouter
from tests.samples import Color, stock

IN_CI = bool(os.environ.get("CI"))  # there nothing is skipped
pytestmark = [
    pytest.mark.skipif(bool(lacking()) and not IN_CI, reason=f"MariaDB does not run here; missing: {lacking()}"),
    pytest.mark.django_db(transaction=True, databases=["default", ALIAS]),
]
# Each two are one text to some collation of MySQL: by case, accents, blanks at the end, emoji, ligatures.
TWINS = [("us", "US"), ("cafe", "café"), ("red", "red "), ("😀", "😁"), ("ss", "ß"), ("ae", "æ")]
MODELS = (StatisticEntry, StatisticInvalidation, StatisticScope, StatisticChange)
TABLES = [model._meta.db_table for model in MODELS]
LIST = "/admin/statistics_cache/statisticentry/"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Start MariaDB."""
    with mariadb(tmp_path_factory.mktemp("mariadb")) as given:
        yield given


@pytest.fixture(scope="module", autouse=True)
def alias(django_db_setup: None, django_db_blocker: Any, server: dict[str, Any]) -> Iterator[None]:
    """Make a database there; after those of the other tests, which know nothing of it."""
    with django_db_blocker.unblock(), alias_to(server):
        yield


@pytest.fixture(autouse=True)
def on_mariadb(alias: None) -> Iterator[None]:
    """Route everything there."""
    TestRouter.database = ALIAS
    yield
    TestRouter.database = "default"


def say(word: str) -> str:
    """Say it."""
    return word


def count(word: str) -> int:
    """Count what the database takes for it."""
    return Paint.objects.filter(color=word).count()


@pytest.fixture
def echo() -> Statistic[..., str]:
    """Declare a statistic whose value is its parameter: what a variant must never share with another."""
    return statistic(name="tests.echo", ttl=timedelta(hours=1), depends_on={Paint: {"word": "color"}})(say)


def scope_of(word: str) -> str:
    """Name the scope of a word."""
    return f'word="{word}"'


@pytest.mark.parametrize("twins", TWINS, ids="-".join)
def test_each_variant_has_a_row_of_its_own(twins: tuple[str, str], echo: Statistic[..., str]) -> None:
    """Neither is given the other's value: not computed, not from the table, not after the cache was flushed."""
    for _ in range(2):
        assert [echo(word) for word in twins] == list(twins)
        caches["statistics"].clear()
    assert [echo.answer(word).tier for word in twins] == ["cold", "cold"]
    assert StatisticEntry.objects.using(ALIAS).count() == 2
    echo.refresh(twins[1])
    assert [echo.answer(word).value for word in twins] == list(twins)


@pytest.mark.parametrize("twins", TWINS, ids="-".join)
def test_each_scope_has_a_sum_of_its_own(twins: tuple[str, str], echo: Statistic[..., str]) -> None:
    """What moves one scope makes the other's values no older, in the log and after a fold."""
    for word in twins:
        echo(word)
    changelog.write(ALIAS, [Change(echo.name, scope_of(twins[0]), "a test")])
    for _ in range(2):
        caches["statistics"].clear()
        assert [echo.is_fresh(word) for word in twins] == [False, True]
        assert changelog.fold(ALIAS) is not None
    changelog.write(ALIAS, [Change(echo.name, scope_of(word), "a test") for word in twins])
    assert len(changelog.fold(ALIAS) or ()) == 2
    names = set(map(scope_of, twins))
    assert set(StatisticScope.objects.using(ALIAS).filter(scope__in=names).values_list("scope", flat=True)) == names
    assert {scope for _, scope in changelog.moved_since(ALIAS, [echo.name], cold.time_for(0))} == names


@pytest.mark.parametrize("twins", TWINS, ids="-".join)
def test_a_part_that_is_cleared_is_no_other(twins: tuple[str, str], echo: Statistic[..., str]) -> None:
    """Clearing and invalidating by hand reach their own variant; what is swept and pruned afterwards is that alone."""
    for word in twins:
        echo(word)
    echo.clear(twins[0])
    assert [echo.get(word) for word in twins] == [None, twins[1]]
    echo(twins[0])
    echo.invalidate(twins[1])
    assert [echo.is_fresh(word) for word in twins] == [True, False]
    changelog.fold(ALIAS)
    assert sweeping.sweep(echo.declaration).deleted == 0
    changelog.write(ALIAS, [Change(echo.name, f"~{scope_of(twins[1])}", "a test")])
    assert sweeping.sweep(echo.declaration).deleted == 1
    changelog.fold(ALIAS)
    assert echo.is_fresh(twins[0])
    changelog.write(ALIAS, [Change(echo.name, f"~{scope_of(twins[1])}", "a test")])
    assert changelog.prune_parts(ALIAS, echo.name, cold.time_for(time() + A_DAY)) == 1


def test_names_and_schemas_are_themselves_alone() -> None:
    """Statistics and schemas that differ by case are two: in rows, sums, causes, and what a name chooses."""
    names = [("tests.Twin", "ABC"), ("tests.twin", "ABC"), ("tests.twin", "abc")]
    StatisticEntry.objects.using(ALIAS).bulk_create(
        StatisticEntry(key=name, schema=schema, statistic=name, params="{}") for name, schema in names
    )
    assert [cold.rows_of(ALIAS, name).count() for name in ("tests.Twin", "tests.twin", "TESTS.TWIN")] == [1, 2, 0]
    changelog.write(ALIAS, [Change(name, "*", "a test") for name in ("tests.Twin", "tests.twin")])
    assert len(changelog.fold(ALIAS) or ()) == 2
    assert history.find_causes(ALIAS, ["tests.twin"], ["*"]).keys() == {("tests.twin", "*")}
    assert [len(history.since(ALIAS, name, "*", cold.time_for(0), 9)) for name in ("tests.twin", "Tests.Twin")] == [
        1,
        0,
    ]
    assert cold.prune(ALIAS, "tests.twin", time()) == 2


def test_what_a_proof_reads_is_of_the_kind_that_was_stored(echo: Statistic[..., str]) -> None:
    """Numbers stay numbers and moments moments, beside those of other members of the statement."""
    echo("us")
    variant = echo.declaration.variant(("us",), {})
    cold.record_failure(echo.declaration, variant, 5, "an error", time())
    changelog.write(ALIAS, [Change(echo.name, scope_of("us"), "a test")])
    proof = (proving.prove(echo.declaration, [variant]) or {})[variant.key]
    assert proof.row is not None
    assert (proof.row.failures, proof.row.failed_generation) == (1, 5)
    assert all(isinstance(moment, datetime) for moment in proof.moves.logged)
    assert proof.moves.first_since(0.0, time()) > time() - A_DAY
    assert changelog.fold(ALIAS) is not None
    moves = (proving.prove(echo.declaration, [variant]) or {})[variant.key].moves
    assert [type(moment) for moment in moves.folded] == [datetime]


@pytest.mark.parametrize("write", [huge_jumps, a_refused_cause, insert_without_time])
def test_one_odd_log_row_never_stops_a_fold(write: Writing, echo: Statistic[..., str]) -> None:
    """It goes, and every scope of its statistic moves; the others are folded."""
    changelog.write(ALIAS, [Change(echo.name, scope_of("us"), "a test")])
    write(ALIAS, echo.name, scope_of("US"))
    try:
        assert len(upkeep.fold(ALIAS)) >= 2
    finally:
        if write is a_refused_cause:
            take_again(ALIAS)
    assert not StatisticInvalidation.objects.using(ALIAS).exists()
    moved = scope_of("US") if write is insert_without_time else "*"
    assert (echo.name, moved) in changelog.moved_since(ALIAS, [echo.name], cold.time_for(0))


def test_rows_that_the_database_counts_together_fall_together() -> None:
    """By its default collation "US" is counted as "us": a new "US" is a change of that, and of no member of an Enum but
    its own."""
    counted = statistic(name="tests.counted_words", depends_on={Paint: {"word": "color"}})(count)
    assert [counted("us"), stock(Color.RED).pots, stock(Color.BLUE).pots] == [0, 0, 0]
    Paint.objects.create(color="US")
    assert counted("us") == 1
    stock(Color.RED)
    stock(Color.BLUE)
    Paint.objects.create(color="red")
    assert [stock.is_fresh(color) for color in Color] == [False, True]
    Paint.objects.create(color="RED")
    assert [stock.is_fresh(color) for color in Color] == [False, False]


def test_what_the_checks_say_of_it(echo: Statistic[..., str]) -> None:
    """A scope that ends in such a column drops every variant; tables that somebody has converted are an error."""
    every = run_checks(databases=[ALIAS])
    assert {each.id for each in every if getattr(each.obj, "__module__", "") == MODELS[0].__module__} <= {"models.W037"}
    found = {each.id for each in every}
    assert "statistics_cache.W010" in found
    assert "statistics_cache.E030" not in found
    loosen()
    wrong = [each for each in run_checks(databases=[ALIAS]) if each.id == "statistics_cache.E030"]
    assert [each.msg.split()[3] for each in wrong] == sorted(TABLES)
    assert all("migrate statistics_cache 0007 --database mysql" in (each.hint or "") for each in wrong)
    call_command("migrate", "statistics_cache", "0007", database=ALIAS, verbosity=0)
    call_command("migrate", "statistics_cache", database=ALIAS, verbosity=0)
    assert "statistics_cache.E030" not in {each.id for each in run_checks(databases=[ALIAS])}


def test_triggers_are_refused_by_name() -> None:
    """It is said what to write instead."""
    statistic(name="tests.by_triggers", depends_on={Paint: {"word": "color"}}, capture="triggers")(say)
    (found,) = [each for each in run_checks() if each.id == "statistics_cache.E029"]
    assert "capture='signals'" in found.msg
    with pytest.raises(CommandError, match="capture='signals'"):
        call_command("statistics_triggers", "install", database=ALIAS)


def test_moments_are_of_utc_whatever_the_zone_of_the_server(echo: Statistic[..., str]) -> None:
    """MySQL's clock shows the session's zone, which Django leaves as the server has it."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute("SET time_zone = '+05:00'")
    try:
        changelog.write(ALIAS, [Change(echo.name, scope_of("us"), "a test")])
        logged = (changelog.fold(ALIAS) or [])[0]
        folded = StatisticScope.objects.using(ALIAS).get().folded_at
        assert all(abs(cold.seconds_of(moment) - time()) < 600 for moment in (logged.created_at, folded))
    finally:
        connections[ALIAS].close()


def test_the_search_overlooks_case(admin_client: Client, echo: Statistic[..., str]) -> None:
    """Who looks for `cafe` in the admin finds what is written in capitals, and nothing with an accent."""
    for word in ("CAFE", "CAFÉ", "tea"):
        echo(word)
    page = admin_client.get(LIST, {"q": "cafe"}).content.decode()
    assert [word in page for word in ("CAFE", "CAF%C3%89", "tea")] == [True, False, False]


def test_every_text_of_ours_is_exact() -> None:
    """With migrations and without: there Django makes the columns of the fields. An index is not too long for them."""
    connection = connections[ALIAS]
    assert inexact(connection, TABLES) == []
    assert charsets() == {collation_of(connection)}
    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.delete_model(model)
            editor.create_model(model)
    assert inexact(connection, TABLES) == []


def test_tables_of_an_older_version_are_mended(echo: Statistic[..., str]) -> None:
    """`migrate` gives their texts the collation, deletes values (one may lie in another's row), and has the hot tier
    begin anew; a second one does nothing."""
    connection = connections[ALIAS]
    call_command("migrate", "statistics_cache", "0007", database=ALIAS, verbosity=0)
    loosen()
    assert [echo(word) for word in ("us", "US")] == ["us", "US"]
    assert StatisticEntry.objects.using(ALIAS).count() == 1
    number = StatisticIdentity.objects.using(ALIAS).get().number
    call_command("migrate", "statistics_cache", database=ALIAS, verbosity=0)
    assert inexact(connection, TABLES) == []
    assert not StatisticEntry.objects.using(ALIAS).exists()
    assert StatisticIdentity.objects.using(ALIAS).get().number != number
    for _ in range(2):
        assert [echo(word) for word in ("us", "US")] == ["us", "US"]
        caches["statistics"].clear()
    call_command("migrate", "statistics_cache", "0007", database=ALIAS, verbosity=0)
    call_command("migrate", "statistics_cache", database=ALIAS, verbosity=0)
    assert StatisticEntry.objects.using(ALIAS).count() == 2


def loosen() -> None:
    """Give the tables the collation that an older version left them."""
    with connections[ALIAS].cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4 COLLATE {COLLATION}")


def charsets() -> set[str]:
    """Give the collations of our tables' texts."""
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = DATABASE() "
            "AND table_name LIKE 'statistics_cache%%' AND collation_name IS NOT NULL",
            [],
        )
        return {name for (name,) in cursor.fetchall()}
