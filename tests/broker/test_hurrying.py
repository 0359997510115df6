"""Asking for a tick: once, by whoever sums very many log rows; never the reader's own work."""

from typing import Any

import pytest
from django.core.cache import caches
from kombu.exceptions import OperationalError

from statistics_cache.broker import hurrying
from statistics_cache.models import StatisticInvalidation
from tests.celery_conf import set_celery
from tests.conftest import BACKENDS, Backend
from tests.messages import Messages
from tests.samples import Color, stock

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]


@pytest.fixture(autouse=True)
def other_process() -> None:
    """Be a process that has asked for nothing."""
    hurrying._next.clear()


def log(database: str, rows: int) -> None:
    """Log so many changes of one scope, each by itself."""
    jumps = [StatisticInvalidation(statistic=stock.name, scope='color="red"', jump=1) for _ in range(rows)]
    StatisticInvalidation.objects.using(database).bulk_create(jumps)


def asked(messages: Messages) -> list[str]:
    """Take what is queued, and give the names of the tasks, refreshes left out."""
    return [name for name in (message.headers["task"] for message in messages) if name != "statistics_cache.refresh"]


def read(color: Color = Color.RED) -> None:
    """Ask the database."""
    stock.get(color)


@pytest.mark.parametrize(("rows", "ticks"), [(1_000, 0), (1_001, 1)])
def test_a_reader_that_sums_many_rows_asks_for_a_tick(
    rows: int, ticks: int, backend: Backend, messages: Messages
) -> None:
    """More than 1,000 log rows in one proof queue one tick, however many readers meet them, and fold nothing."""
    log(backend.database, rows)
    for _ in range(3):
        read()
    assert asked(messages) == ["statistics_cache.tick"] * ticks
    assert StatisticInvalidation.objects.count() == rows


def test_many_readers_of_few_rows_ask_for_nothing(backend: Backend, messages: Messages) -> None:
    """Rows of scopes that a proof does not look for are nobody's concern."""
    log(backend.database, 1_001)
    read(Color.BLUE)
    assert asked(messages) == []


def test_several_processes_ask_once(backend: Backend, messages: Messages) -> None:
    """Who finds that another process has asked does not; once the note is gone, somebody does again."""
    log(backend.database, 1_001)
    for _ in range(3):
        read()
        hurrying._next.clear()
    assert len(asked(messages)) == 1
    caches["statistics"].clear()
    read()
    assert len(asked(messages)) == 1


def test_a_process_asks_once_a_minute(backend: Backend, messages: Messages) -> None:
    """It remembers by itself that it has asked: the note may be lost."""
    log(backend.database, 1_001)
    for _ in range(3):
        read()
        caches["statistics"].clear()
    assert len(asked(messages)) == 1


def test_the_tick_that_is_asked_for_folds(backend: Backend, messages: Messages) -> None:
    """A worker that takes the message empties the log."""
    log(backend.database, 1_001)
    read()
    messages.work()
    assert not StatisticInvalidation.objects.exists()


def test_no_reader_folds_where_tasks_run_eagerly(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, messages: Messages
) -> None:
    """Without a worker nobody is asked: the reader would do it all."""
    log(backend.database, 1_001)
    set_celery(monkeypatch, task_always_eager=True)
    read()
    assert StatisticInvalidation.objects.count() == 1_001


def test_a_broker_that_is_out_is_left_alone(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, messages: Messages
) -> None:
    """The reader has its answer, and the process asks once a minute at most."""
    log(backend.database, 1_001)
    tried: list[Any] = []

    def refuse() -> None:
        tried.append(None)
        raise OperationalError("no broker")

    monkeypatch.setattr(hurrying, "send", refuse)
    for _ in range(3):
        read()
    assert len(tried) == 1
