"""A model that begins to inherit from `StatisticsSource` stays what it was: tables, order, managers."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from statistics_cache import StatisticsQuerySet, StatisticsSource
from statistics_cache.checks.sources import manager_faults

ROOT = Path(__file__).parent.parent.parent
SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "statistics_cache", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "shop.Member"
CELERY_TASK_ALWAYS_EAGER = True
"""
BEFORE = """
from django.contrib.auth.models import AbstractUser, UserManager
from django.db import models
from statistics_cache import StatisticsQuerySet, StatisticsSource

class Stamped(models.Model):
    at = models.IntegerField()
    class Meta:
        abstract = True
        ordering = ["at"]

class Live(models.Manager): pass
class Named(models.Manager): use_in_migrations = True

class MemberManager(UserManager.from_queryset(StatisticsQuerySet)): pass
class Member(AbstractUser): objects = MemberManager()

class Alone(models.Model): pass
class Sorted(models.Model):
    class Meta:
        ordering = ["pk"]
        base_manager_name = "objects"
class First(Stamped): pass
class Last(Stamped): pass
class Managed(models.Model): things = Live()
class Known(models.Model): things = Named()
class Child(Sorted): pass
class Lastly(Sorted): objects = models.Manager()
class Seen(Sorted):
    class Meta: proxy = True
"""
AFTER = [
    ("class Live(models.Manager)", "class Live(models.Manager.from_queryset(StatisticsQuerySet))"),
    ("class Named(models.Manager)", "class Named(models.Manager.from_queryset(StatisticsQuerySet))"),
    ("class Member(AbstractUser)", "class Member(StatisticsSource, AbstractUser)"),
    ("class Alone(models.Model)", "class Alone(StatisticsSource)"),
    ("class First(Stamped)", "class First(StatisticsSource, Stamped)"),
    ("class Last(Stamped)", "class Last(Stamped, StatisticsSource)"),
    ("class Managed(models.Model)", "class Managed(StatisticsSource)"),
    ("class Known(models.Model)", "class Known(StatisticsSource)"),
    ("class Child(Sorted)", "class Child(StatisticsSource, Sorted)"),
    ("class Lastly(Sorted): objects = models.Manager()", "class Lastly(StatisticsSource, Sorted): pass"),
    ("class Seen(Sorted)", "class Seen(StatisticsSource, Sorted)"),
]


def makemigrations(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command on the app in a folder."""
    environment = os.environ | {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "shop.settings"}
    command = [sys.executable, "-B", "-m", "django", "makemigrations", "shop", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_needs_no_migration(tmp_path: Path) -> None:
    """`makemigrations` finds nothing to do: beside abstract parents, parents with tables, managers, and for proxies."""
    shop = tmp_path / "shop"
    shop.mkdir()
    for name, text in {"__init__": "", "settings": SETTINGS, "models": BEFORE}.items():
        (shop / f"{name}.py").write_text(text)
    made = makemigrations(tmp_path)
    assert made.returncode == 0, made.stderr
    after = BEFORE
    for plain, source in AFTER:
        assert plain in after
        after = after.replace(plain, source)
    (shop / "models.py").write_text(after)
    done = makemigrations(tmp_path, "--check")
    assert (done.returncode, done.stdout) == (0, "No changes detected in app 'shop'\n"), done.stdout + done.stderr


def made(name: str, *bases: type[Any], **members: Any) -> type[models.Model]:
    """Make a model of the app `tests`."""
    members["Meta"] = type("Meta", (), {"app_label": "tests", **members.get("Meta", {})})
    return type(name, bases, {"__module__": __name__, **members})


@pytest.mark.parametrize("is_first", [True, False])
@isolate_apps("tests")
def test_rows_come_in_the_order_they_had(is_first: bool) -> None:
    """The order of a parent with a table is inherited, wherever the base stands."""
    parent = made("Parent", models.Model, Meta={"ordering": ["-pk"]})
    child = made("Child", *((StatisticsSource, parent) if is_first else (parent, StatisticsSource)))
    assert child._meta.ordering == ["-pk"]


@isolate_apps("tests")
def test_what_a_source_takes_over_is_an_error() -> None:
    """Where the default manager of another base would give way to that of StatisticsSource, E026 says so."""
    things = models.Manager.from_queryset(StatisticsQuerySet)()
    thing = made("Thing", models.Model, things=things, Meta={"abstract": True})
    [fault] = manager_faults(made("First", StatisticsSource, thing))
    assert fault.id == "statistics_cache.E026"
    assert fault.msg == "tests.First: the default manager is that of StatisticsSource, in place of 'things'."
    assert list(manager_faults(made("Last", thing, StatisticsSource))) == []


@isolate_apps("tests")
def test_a_manager_that_migrations_know_keeps_a_name() -> None:
    """The line to write is a class with a name: one made on the fly no migration can import."""
    known = type("Known", (models.Manager,), {"use_in_migrations": True})
    [fault] = manager_faults(made("Owner", StatisticsSource, objects=known()))
    assert "`class SourceKnown(Known.from_queryset(StatisticsQuerySet)): pass`" in str(fault.hint)
