"""Migrations and flushes change rows in ways that nobody sees: every scope moves, unless there was nothing to do."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connections
from django.db.migrations import Migration
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from statistics_cache.changing.ongoing import ongoing
from statistics_cache.models import StatisticInvalidation
from tests.changing.meanwhile import statements
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Order, Paint, Region
from tests.samples import shades, tints

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]


@pytest.fixture
def warm(backend: Backend) -> None:
    """Have a pot and an item of red, counted."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    Item.objects.create(order=order, color="red")
    Paint.objects.create(color="red")
    assert (shades("red"), tints("red"), shades("blue"), tints("blue")) == (1, 1, 0, 0)


def fresh() -> list[bool]:
    """Tell which of the four are fresh."""
    return [each.is_fresh(color) for each in (shades, tints) for color in ("red", "blue")]


@contextmanager
def migrating(backend: Backend) -> Iterator[None]:
    """Do what `migrate` does around its work, when there is some."""
    plan = [(Migration("0001_initial", "tests"), False)]
    emit_pre_migrate_signal(0, False, backend.database, plan=plan, apps=apps)  # noqa: FBT003  (as Django calls it)
    yield
    emit_post_migrate_signal(0, False, backend.database, plan=plan, apps=apps)  # noqa: FBT003


def test_after_migrations_every_scope_has_moved(warm: None, backend: Backend) -> None:
    """A data migration writes by models of its time, which send nothing to anybody: all is computed anew."""
    with migrating(backend):
        recolor(backend)
    assert fresh() == [False] * 4
    assert (shades("red"), tints("red"), shades("blue"), tints("blue")) == (0, 0, 1, 1)


def recolor(backend: Backend) -> None:
    """Make all that is red blue, by models of a migration's time."""
    past = ProjectState.from_apps(apps).apps
    for name in ("Paint", "Item"):
        past.get_model("tests", name).objects.using(backend.database).filter(color="red").update(color="blue")


def test_where_there_was_nothing_to_migrate_nothing_moves(warm: None, backend: Backend) -> None:
    """`migrate` at each start of a container costs nobody a computation."""
    before = StatisticInvalidation.objects.count()
    call_command("migrate", database=backend.database, verbosity=0)
    assert StatisticInvalidation.objects.count() == before
    assert fresh() == [True] * 4


def test_a_migration_of_any_app_moves_every_scope(warm: None, backend: Backend) -> None:
    """Its own data, or those of the source: nobody knows what it did, faked or not."""
    MigrationRecorder(connections[backend.database]).record_unapplied("sessions", "0001_initial")
    call_command("migrate", "sessions", database=backend.database, fake=True, verbosity=0)
    assert fresh() == [False] * 4


def test_a_flush_moves_every_scope(warm: None, backend: Backend) -> None:
    """What was computed before the tables were emptied is not fresh after it."""
    call_command("flush", database=backend.database, interactive=False, verbosity=0)
    assert fresh() == [False] * 4
    assert (shades("red"), tints("red")) == (0, 0)


def test_while_migrations_run_no_rows_are_read(warm: None, backend: Backend) -> None:
    """Tables may lack what models have: a write of a source is left as it is, and drops every scope."""
    with migrating(backend):
        assert ongoing(backend.database).is_migrating
        said = statements(backend, lambda: Item._base_manager.filter(color="red").update(amount=2))
        assert [sql for sql in said if sql.startswith("SELECT") and "tests_item" in sql] == []
    assert not ongoing(backend.database).is_migrating
    assert fresh() == [False] * 4


def test_after_migrations_rows_are_read_again(warm: None, backend: Backend) -> None:
    """What a write concerns is exact again."""
    with migrating(backend):
        pass
    assert (shades("red"), tints("red"), shades("blue"), tints("blue")) == (1, 1, 0, 0)
    Item.objects.filter(color="red").update(amount=3)
    assert fresh() == [True, True, False, True]
