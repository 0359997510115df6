"""What a probe is told: status and JSON, whatever is out."""

from datetime import UTC, datetime
from time import time
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError, connection
from django.test import Client

from statistics_cache import Statistic, statistic
from statistics_cache.broker import queue
from statistics_cache.hot import asking
from statistics_cache.hot import entries as hot
from statistics_cache.identity import known
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import count_secretly, orphan
from tests.samples import Color, stock

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def ask(status: int) -> dict[str, Any]:
    """Ask as a probe does, without a login; nothing keeps what it is told."""
    answer = Client().get("/health/")
    assert answer.status_code == status, answer.content
    assert "no-store" in answer.headers["Cache-Control"]
    told: dict[str, Any] = answer.json()
    return told


def tick(age: float = 0) -> None:
    """Have a tick ended some seconds ago."""
    hot.note_tick(known.find(known.home()), time() - age)


@pytest.mark.usefixtures("on_valkey")
def test_all_is_well() -> None:
    """With a tick seen, and nothing out, it is 200; the oldest entry that is kept warm has an age."""
    tick()
    stock(Color.RED)
    told = ask(200)
    assert (told["status"], told["problems"], told["failing_entries"]) == ("ok", [], 0)
    assert told["oldest_hydrated_age"] >= 0
    assert told["tick_age"] >= 0


def test_what_nobody_keeps_warm_has_no_say() -> None:
    """Neither another variant of a statistic of which some are hydrated, nor what older code has stored."""
    declare: Any = statistic(name="tests.one_colour", hydrate=[{"color": "red"}])
    one_colour: Statistic[..., Any] = declare(count_secretly)
    one_colour(Color.RED)
    one_colour(Color.BLUE)
    rows = StatisticEntry.objects.filter(statistic="tests.one_colour")
    rows.filter(key__contains="blue").update(computed_at=LONG_AGO)
    orphan("tests.one_colour", rows.get(key__contains="red").key, computed_at=LONG_AGO, failures=1)
    orphan("tests.gone", failures=1)
    told = ask(200)
    assert told["oldest_hydrated_age"] < 3_600
    assert told["failing_entries"] == 1


@pytest.mark.usefixtures("on_valkey")
@pytest.mark.parametrize("age", [None, 3_600])
def test_a_tick_that_is_missing_or_late_is_a_problem(age: float | None) -> None:
    """Where something is to be hydrated."""
    if age is not None:
        tick(age)
    assert ask(503)["problems"] == ["tick"]


def test_without_a_shared_cache_no_tick_is_awaited() -> None:
    """Who ends one in another process is not seen."""
    assert ask(200)["tick_age"] is None


@pytest.mark.parametrize(("breaker", "name"), [(asking.breaker, "cache"), (queue.breaker, "broker")])
def test_a_server_that_is_out_is_named(breaker: Any, name: str) -> None:
    """And nobody waits for it: its breaker is asked."""
    breaker.failed(ConnectionError())
    told = ask(503)
    assert told["problems"] == [name]
    assert told["breakers"][name] is True


def test_a_database_that_is_out_is_named() -> None:
    """Nothing is raised, and nothing that it alone knows is told."""

    def refuse(*_: Any) -> None:
        raise OperationalError

    with connection.execute_wrapper(refuse):
        told = ask(503)
    assert told["problems"] == ["database default"]
    assert told["oldest_hydrated_age"] is None


@pytest.mark.django_db(transaction=True)
def test_what_fails_is_counted_and_is_no_reason() -> None:
    """One statistic's failure is told, by number alone."""
    with (
        patch("tests.samples.count_stock", side_effect=ValueError("secret")),
        pytest.raises(ValueError, match="secret"),
    ):
        stock(Color.RED)
    assert ask(200)["failing_entries"] == 1
    assert "secret" not in Client().get("/health/").content.decode()
