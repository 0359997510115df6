"""Triggers are made by `migrate` or by hand; what is missing or altered is told; a migration meets none."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connections, migrations
from django.db.migrations.state import ModelState, ProjectState

from statistics_cache import Source, Statistic, statistic
from statistics_cache.changing import receiving
from statistics_cache.triggering import installing
from tests.models import Item, Paint
from tests.triggering.conftest import run

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])
committed = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])


def pots(color: str) -> int:
    """Count pots of a colour."""
    return Paint.objects.filter(color=color).count()


def declare(name: str = "tests.pots", model: Any = Paint) -> Statistic[..., int]:
    """Declare a statistic by triggers."""
    return statistic(name=name, depends_on=[Source(model, "color")], capture="triggers")(pots)


@pytest.fixture
def asked(database: str) -> Statistic[..., int]:
    """Have one pot of red, hot."""
    found = declare()
    installing.install(database)
    Paint.objects.create(color="red")
    assert (found("red"), found.answer("red").tier) == (1, "hot")
    return found


def triggers(database: str) -> dict[tuple[str, str], str]:
    """Give the triggers that are there."""
    return installing.look(database).found


def command(*arguments: str) -> str:
    """Run the command as a shell does, system checks first, and give what it wrote."""
    out = StringIO()
    call_command("statistics_triggers", *arguments, stdout=out, skip_checks=False)
    return out.getvalue()


def test_the_command_installs_compares_and_removes(database: str) -> None:
    """Twice is as good as once; `check` ends with 1 where anything is missing."""
    declare()
    with pytest.raises(CommandError, match="not as declared"):
        command("check")
    assert "all triggers are installed" in command("install", "--database", database)
    before = triggers(database)
    assert len(before) >= 3
    assert "as declared" in command("check")
    command("install")
    assert triggers(database) == before
    assert f"{len(before)} triggers removed" in command("remove")
    assert triggers(database) == {}


@committed
def test_the_sql_that_is_printed_is_what_is_installed(database: str) -> None:
    """A DBA who owns the tables runs it, and `check` is content."""
    declare()
    sql = command("sql", "--database", database)
    if database == "default":
        connections[database].ensure_connection()
        connections[database].connection.executescript(sql)
    else:
        run(database, sql)
    assert installing.faults(database) == []


def test_migrate_is_the_cure_for_what_check_finds(database: str) -> None:
    """It runs the checks of the database first, and their error does not keep it from installing."""
    declare()
    with pytest.raises(SystemCheckError, match="E028"):
        call_command("check", databases=[database])
    call_command("migrate", database=database, verbosity=0, skip_checks=False)
    call_command("check", databases=[database])


@committed
def test_what_is_there_already_is_left_alone(database: str, asked: Statistic[..., int]) -> None:
    """`migrate` at each start of a container computes nothing anew, and locks no table."""
    call_command("migrate", database=database, verbosity=0)
    assert asked.answer("red").tier == "hot"


@committed
def test_what_is_altered_is_told_and_mended(database: str, asked: Statistic[..., int]) -> None:
    """Dropped, disabled, or with another body: each is a fault, and `install` makes it good."""
    for alter in ALTER[database]:
        (_, name) = next(place for place in triggers(database) if "update" in place[1])
        run(database, alter.format(name))
        assert len(installing.faults(database)) >= 1
        installing.install(database)
        assert installing.faults(database) == []


ALTER = {
    "default": ['DROP TRIGGER "{}"'],
    "postgres": [
        'DROP TRIGGER "{}" ON tests_paint',
        'ALTER TABLE tests_paint DISABLE TRIGGER "{}"',
        'ALTER TABLE tests_paint ENABLE TRIGGER "{}"',
        "CREATE OR REPLACE FUNCTION statistics_cache_tests_paint() RETURNS trigger LANGUAGE plpgsql "  # noqa: ISC004
        "AS 'BEGIN RETURN NULL; END'",
        "ALTER FUNCTION statistics_cache_tests_paint() SECURITY INVOKER",
    ],
}


@committed
def test_what_is_declared_no_more_goes(database: str, asked: Statistic[..., int]) -> None:
    """With its source, or with the statistic; what another one needs of the table stays."""
    other = declare("tests.other", Item)
    installing.install(database)
    receiving.unwatch(asked.declaration)
    assert installing.faults(database)
    call_command("migrate", database=database, verbosity=0)
    assert {table.strip('"').removeprefix("public.") for table, _ in triggers(database)} == {"tests_item"} | through(
        other
    )
    assert installing.faults(database) == []


def through(_: Any) -> set[str]:
    """Give the many-to-many table of items, which is watched with them."""
    return {"tests_item_tags"}


def test_ten_statistics_on_a_table_are_one_trigger_for_each_event(database: str) -> None:
    """However many watch it, a statement calls one."""
    declare()
    installing.install(database)
    before = triggers(database).keys()
    for number in range(9):
        declare(f"tests.pots_{number}")
    installing.install(database)
    assert triggers(database).keys() == before


@contextmanager
def migrating(database: str) -> Iterator[None]:
    """Do what `migrate` does around its work, when there is some."""
    plan = [(migrations.Migration("0001_initial", "tests"), False)]
    emit_pre_migrate_signal(0, False, database, plan=plan, apps=apps)  # noqa: FBT003  (as Django calls it)
    yield
    emit_post_migrate_signal(0, False, database, plan=plan, apps=apps)  # noqa: FBT003


def migrate(database: str, operation: Any, *, back: bool = False) -> None:
    """Do, or undo, one operation as a migration does."""
    before = ProjectState()
    before.add_model(ModelState.from_model(Paint))
    after = before.clone()
    operation.state_forwards("tests", after)
    with connections[database].schema_editor() as editor:
        if back:
            operation.database_backwards("tests", editor, after, before)
        else:
            operation.database_forwards("tests", editor, before, after)


OPERATIONS = [migrations.RenameField("paint", "color", "tone"), migrations.RemoveField("paint", "litres")]


@committed
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: type(each).__name__)
def test_a_migration_runs_as_without_triggers(database: str, asked: Statistic[..., int], operation: Any) -> None:
    """Columns are renamed and dropped, and rows written between; afterwards all is computed anew, and seen."""
    is_renamed = isinstance(operation, migrations.RenameField)
    columns, values = ("tone, litres", "'red', 1") if is_renamed else ("color", "'red'")
    with migrating(database):
        assert triggers(database) == {}
        migrate(database, operation)
        run(database, f"INSERT INTO tests_paint ({columns}) VALUES ({values})")
        migrate(database, operation, back=True)
    assert (asked("red"), asked.answer("red").tier) == (2, "hot")
    run(database, "DELETE FROM tests_paint")
    asked.clear(tier="hot")
    assert asked("red") == 0


@committed
def test_while_a_migration_has_not_ended_reads_are_live(database: str, asked: Statistic[..., int]) -> None:
    """One that failed half-way is told by `check`, and nobody believes anything until triggers are installed."""
    with pytest.raises(ZeroDivisionError), migrating(database):
        raise ZeroDivisionError
    run(database, "DELETE FROM tests_paint")
    assert installing.faults(database)
    assert [asked.answer("red").tier for _ in range(2)] == ["computed"] * 2
    assert asked("red") == 0
    installing.install(database)
    assert installing.faults(database) == []
    assert [asked.answer("red").tier for _ in range(2)] == ["computed", "hot"]


@committed
def test_a_table_that_lacks_a_column_has_no_trigger(database: str, asked: Statistic[..., int]) -> None:
    """After a migration back to another time: a trigger would fail every write. Only its own statistic is live."""
    other = declare("tests.other", Item)
    operation = migrations.RemoveField("paint", "litres")
    with migrating(database):
        migrate(database, operation)
    try:
        assert [fault for fault in installing.faults(database) if "litres" in fault]
        run(database, "INSERT INTO tests_paint (color) VALUES ('red')")
        assert [asked.answer("red").tier for _ in range(2)] == ["computed"] * 2
        assert [other.answer("red").tier for _ in range(2)] == ["computed", "hot"]
    finally:
        migrate(database, operation, back=True)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_view_is_refused(database: str) -> None:
    """It has no rows of its own: the command says so, and ends with 1."""
    declare(model="tests.Reading")
    run(database, "CREATE VIEW tests_reading AS SELECT id, current_date AS taken, color FROM tests_paint")
    try:
        with pytest.raises(CommandError, match="not as declared"):
            command("install")
        assert "is a view" in installing.faults(database)[0]
    finally:
        run(database, "DROP VIEW tests_reading")


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_a_table_that_a_subscription_fills_is_refused(database: str) -> None:
    """What it writes calls no trigger of statements: the command says so, and installs nothing on that table."""
    declare()
    with subscribed(database, "tests_paint"):
        with pytest.raises(CommandError, match="not as declared"):
            command("install")
        assert "is filled by a subscription" in installing.faults(database)[0]
        assert not [name for _, name in triggers(database) if "tests_paint" in name]


@contextmanager
def subscribed(database: str, table: str) -> Iterator[None]:
    """Have a subscription that is never connected fill a table."""
    run(
        database,
        "CREATE SUBSCRIPTION tests CONNECTION '' PUBLICATION tests WITH (connect = false, slot_name = NONE)",
        "SET LOCAL allow_system_table_mods = on",
        "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) "
        f"SELECT oid, '{table}'::regclass, 'r' FROM pg_subscription WHERE subname = 'tests'",
    )
    try:
        yield
    finally:
        run(database, "DROP SUBSCRIPTION tests")
