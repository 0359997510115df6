"""`refresh_statistics`: what it computes, where, and how it ends."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections, transaction
from kombu.exceptions import OperationalError as BrokerOut
from time_machine import Traveller

from statistics_cache.broker import queue
from statistics_cache.cold import proving
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Variant
from statistics_cache.management import refreshing
from statistics_cache.models import StatisticEntry
from tests.commanding import Moods, declare, failed, helps, key, refuse, run, sizes
from tests.conftest import Backend
from tests.messages import Messages
from tests.samples import Color, Computed, shades, shelf, stock, total
from tests.spaces import lease_of
from tests.waiting import PATIENCE

databases = ["default", "postgres"]
pytestmark = [pytest.mark.django_db(databases=databases), pytest.mark.usefixtures("backend")]
in_commits = pytest.mark.django_db(transaction=True, databases=databases)  # for what other threads are to see

RED = '{"color": "red"}'
BOOM = "ValueError: no paint"


def refresh(*args: str, **options: Any) -> str:
    """Give what a refresh that ends well prints."""
    ended = run("refresh", *args, **options)
    assert (ended.code, ended.err) == (0, "")
    return ended.out


def fresh_stock() -> list[bool]:
    """Tell of each variant of `stock` whether it is fresh."""
    return [stock.is_fresh(color, doubled=doubled) for color in Color for doubled in (False, True)]


# What is refreshed


def test_stored_and_hydrated_variants_are_made_fresh() -> None:
    """A name means the variants that are stored and those that `hydrate=` names, each once; what is fresh is left."""
    moody = declare(hydrate=sizes(1, 2))
    moody(2)
    moody(3)
    moody(4)
    moody.invalidate(4)
    Moods.began.clear()
    assert refresh("tests.moody") == "tests.moody: refreshed 2, fresh 2, failed 0.\n"
    assert sorted(Moods.began) == [1, 4]
    assert all(moody.is_fresh(size) for size in (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("args", "computed"),
    [
        (("tests.stock",), {"stock": 4}),
        (("tests.s*",), {"stock": 4, "shelf": 1, "strict": 1}),
        (("tests.stock", "tests.shelf"), {"stock": 4, "shelf": 1}),
        (("tests.stock", "--params", RED), {"stock": 2}),
        (("tests.stock", "--params", '{"color": "red", "doubled": null}'), {"stock": 2}),
        (("tests.s*", "--params", '{"doubled": true}'), {"stock": 2}),
        (("tests.shelf", "--params", '{"color": "red"}'), {"shelf": 1}),
        (("tests.shelf", "--params", '{"color": "blue"}'), {"shelf": 1}),
    ],
)
def test_names_globs_and_parameters_choose(args: tuple[str, ...], computed: dict[str, int]) -> None:
    """Names and globs choose statistics, parameters their variants; a glob leaves out what has no such parameter."""
    shelf(Color.RED)
    shelf.invalidate()
    Computed.counts.clear()
    refresh(*args)
    assert Computed.counts == computed


def test_all_means_every_statistic() -> None:
    """With --all every statistic is refreshed, and each has a line."""
    shelf(Color.RED)
    shelf.invalidate()
    said = refresh("--all")
    assert "tests.shelf: refreshed 1, fresh 0, failed 0.\n" in said
    assert "tests.stock: refreshed 4, fresh 0, failed 0.\n" in said
    assert "tests.total: refreshed 1, fresh 0, failed 0.\n" in said


@pytest.mark.parametrize(
    ("params", "stored"),
    [
        ('{"size": 7}', ["tests.moody:size=7,doubled=false"]),
        ('{"size": 7, "doubled": null}', ["tests.moody:size=7,doubled=false"]),
        ('{"doubled": true, "size": 7}', ["tests.moody:size=7,doubled=true"]),
        ('{"doubled": true}', []),
        (None, []),
    ],
)
def test_a_whole_call_is_a_variant(params: str | None, stored: list[str]) -> None:
    """Where nothing matches, parameters that make a whole call are computed, defaults filled in; others are none."""
    declare()
    said = refresh("tests.moody", params=params)
    assert list(StatisticEntry.objects.values_list("key", flat=True)) == stored
    assert said.startswith("tests.moody: refreshed 1" if stored else "tests.moody: nothing to refresh")


def test_a_whole_call_is_no_variant_where_others_match() -> None:
    """Parameters that choose stored variants mean these, and no further one."""
    moody = declare()
    moody(7, doubled=True)
    assert refresh("tests.moody", "--params", '{"size": 7}') == "tests.moody: refreshed 0, fresh 1, failed 0.\n"
    assert StatisticEntry.objects.count() == 1


def test_rows_of_another_schema_are_not_refreshed() -> None:
    """What no read of this code would find is left out."""
    shelf(Color.RED)
    StatisticEntry.objects.update(schema="other")
    assert refresh("tests.shelf").startswith("tests.shelf: nothing to refresh")


def test_what_the_table_proves_is_promoted() -> None:
    """A variant that is fresh in the cold tier alone is promoted and not computed."""
    shelf(Color.RED)
    shelf.clear(tier="hot")
    Computed.counts.clear()
    assert refresh("tests.shelf") == "tests.shelf: refreshed 0, fresh 1, failed 0.\n"
    assert not Computed.counts
    assert shelf.answer(Color.RED).tier == "hot"


def test_force_computes_what_is_fresh() -> None:
    """With --force every variant is computed."""
    shelf(Color.RED)
    assert refresh("tests.shelf") == "tests.shelf: refreshed 0, fresh 1, failed 0.\n"
    assert refresh("tests.shelf", "--force") == "tests.shelf: refreshed 1, fresh 0, failed 0.\n"
    assert Computed.of("shelf") == 2


def test_due_is_what_will_soon_be_stale(clock: Traveller) -> None:
    """With --due hydrated variants are computed before they are stale; by name only those that are not fresh."""
    stock.hydrate()
    clock.shift(230)
    assert "tests.stock: nothing is due.\n" in refresh("--due")
    clock.shift(20)
    assert refresh("tests.stock") == "tests.stock: refreshed 0, fresh 4, failed 0.\n"
    assert "tests.stock: refreshed 4, fresh 0, failed 0.\n" in refresh("--due")
    assert "tests.stock: nothing is due.\n" in refresh("--due")


def test_due_is_what_was_never_computed_or_has_changed() -> None:
    """With --due what is missing or changed is computed, of hydrated statistics alone; parameters choose of it."""
    shelf(Color.RED)
    shelf.invalidate()
    assert "tests.stock: refreshed 2, fresh 0, failed 0.\n" in refresh("--due", "--params", RED)
    assert fresh_stock() == [True, True, False, False]
    stock.invalidate(Color.RED, doubled=True)
    said = refresh("--due")
    assert "tests.stock: refreshed 3, fresh 0, failed 0.\n" in said
    assert "tests.shelf" not in said
    assert not shelf.is_fresh(Color.RED)


def test_due_looks_at_the_whole_of_a_large_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike a tick, which looks at some in turn, --due finds everything that is due."""
    declare(hydrate=sizes(*range(250)))
    monkeypatch.setattr("statistics_cache.upkeep.LOOKED_AT", 10)
    assert "tests.moody: refreshed 250, fresh 0, failed 0.\n" in refresh("--due", "--params", '{"doubled": false}')


def test_nothing_is_due_without_hydration(conf: Any) -> None:
    """While HYDRATION_ENABLED is False nothing is due, and that is said."""
    conf(HYDRATION_ENABLED=False)
    assert refresh("--due") == "HYDRATION_ENABLED is False: nothing was done.\n"
    assert "tests.stock: refreshed 4," in refresh("tests.stock")


def test_nothing_is_refreshed_while_the_app_is_off(conf: Any) -> None:
    """While ENABLED is False nothing is computed, for nothing could be stored, and that is said."""
    conf(ENABLED=False)
    assert refresh("--all").startswith("ENABLED is False: nothing was refreshed")
    assert not Computed.counts


# Nothing but words


@pytest.mark.parametrize("tier", ["hot", "cold"])
def test_a_dry_run_changes_nothing(tier: str, messages: Messages) -> None:
    """With --dry-run what would be computed is named and counted; nothing is computed, promoted or queued."""
    moody = declare(hydrate=sizes(1, 2, 3))
    moody(1)
    if tier == "cold":
        caches["statistics"].clear()
    before = list(StatisticEntry.objects.values())
    Moods.began.clear()
    named = f"would refresh {key(2)}\nwould refresh {key(3)}\n"
    assert refresh("tests.moody", "--dry-run") == f"{named}tests.moody: would refresh 2, fresh 1, failed 0.\n"
    assert f"{named}tests.moody: would refresh 2, fresh 0, failed 0.\n" in refresh("--due", "--dry-run")
    assert f"would queue {key(1)}\n" in refresh("tests.moody", "--dry-run", "--async", "--force")
    assert not Moods.began
    assert messages.take() == []
    assert list(StatisticEntry.objects.values()) == before
    assert (entry := moody.entry(1)) is not None
    assert entry.tier == tier


# By workers


def test_async_leaves_the_work_to_workers(messages: Messages) -> None:
    """With --async what is not fresh is queued, once, and a worker computes it."""
    stock(Color.RED)
    Computed.counts.clear()
    assert refresh("tests.stock", "--async") == "tests.stock: queued 3, fresh 1, failed 0.\n"
    assert refresh("tests.stock", "--async") == "tests.stock: queued 3, fresh 1, failed 0.\n"
    assert not Computed.counts
    assert messages.work() == 3
    assert Computed.counts == {"stock": 3}
    assert fresh_stock() == [True] * 4


def test_async_with_force_queues_what_is_fresh(messages: Messages) -> None:
    """With --async --force the worker computes whatever is stored by then."""
    stock.hydrate()
    assert refresh("tests.stock", "--async", "--force") == "tests.stock: queued 4, fresh 0, failed 0.\n"
    assert [sent["forced"] for sent in messages.take()] == [True] * 4


def test_due_variants_can_be_queued(messages: Messages) -> None:
    """With --due --async what is due is queued, with --force to be computed whatever is stored by then."""
    of_stock = ("--due", "--async", "--params", '{"doubled": false}')
    assert "tests.stock: queued 2, fresh 0, failed 0.\n" in refresh(*of_stock)
    messages.work()
    assert fresh_stock() == [True, False] * 2
    stock.invalidate()
    refresh(*of_stock, "--force")
    assert [sent.get("forced") for sent in messages.take()] == [True] * 2


def test_without_the_broker_nothing_is_queued(messages: Messages) -> None:
    """A broker that is out ends the command with 1, saying so."""
    queue.breaker.failed(ConnectionError())
    queue.breaker.retry_at += 1000
    ended = run("refresh", "tests.stock", "--async")
    assert (ended.code, ended.out) == (1, "")
    assert ended.message == "The broker is down. Start it, or omit --async to compute here."
    assert not Computed.counts
    assert messages.take() == []


def test_a_broker_that_goes_away_ends_it(monkeypatch: pytest.MonkeyPatch, messages: Messages) -> None:
    """What was queued before the broker went is told."""

    def send(_: object, wanted: queue.Wanted) -> None:
        if len(sent) == 2:
            raise BrokerOut
        sent.append(wanted.variant.key)

    sent: list[str] = []
    monkeypatch.setattr(queue, "send", send)
    ended = run("refresh", "tests.stock", "--async")
    assert (ended.code, ended.out) == (1, "tests.stock: queued 2, fresh 0, failed 0.\n")
    assert len(sent) == 2


# What fails


def test_one_that_fails_keeps_no_other_from_its_own() -> None:
    """All are tried; each failure is a line on standard error, and the command ends with 1."""
    declare(hydrate=sizes(1, 2, 3, 4))
    Moods.does |= {2: refuse(ValueError("no\npaint")), 3: refuse(ValueError("no paint"))}
    ended = run("refresh", "tests.moody", "tests.total")
    assert (ended.code, ended.message) == (1, "2 failed.")
    assert ended.err.splitlines() == failed(BOOM, 2, 3)
    assert ended.out == "tests.moody: refreshed 2, fresh 0, failed 2.\ntests.total: refreshed 1, fresh 0, failed 0.\n"


def test_fail_fast_stops_at_the_first_failure() -> None:
    """With --fail-fast nothing is begun after a failure, of other statistics neither."""
    declare(hydrate=sizes(1, 2, 3, 4))
    Moods.does[2] = refuse(ValueError("no paint"))
    ended = run("refresh", "tests.moody", "tests.total", "--fail-fast")
    assert (ended.code, ended.err) == (1, f"{key(2)} failed: {BOOM}\n")
    assert ended.out == "tests.moody: refreshed 1, fresh 0, failed 1.\n"
    assert Moods.began == [1, 2]
    assert not Computed.counts


def test_what_failed_lately_is_not_repeated_without_force(messages: Messages) -> None:
    """Until it is time to try again a failure stands, with its text, here, by a worker and in words; --force tries."""
    moody = declare(hydrate=sizes(1, 2))
    moody(2)
    moody.invalidate()
    Moods.does[1] = refuse(ValueError("no paint"))
    run("refresh", "tests.moody", "--params", '{"size": 1}')
    Moods.forget()
    for args in (["--dry-run"], ["--async"], ["--fail-fast"], []):
        ended = run("refresh", "tests.moody", "--params", '{"size": 1}', *args)
        assert (ended.code, ended.err.count("\n")) == (1, 1)
        assert ended.err.startswith(f"{key(1)} failed: its last compute failed")
        assert ended.err.endswith(f"--force tries at once. It was {BOOM}\n")
    assert run("refresh", "tests.moody", "--fail-fast").code == 1
    assert not Moods.began
    assert messages.take() == []
    assert refresh("tests.moody", "--force") == "tests.moody: refreshed 2, fresh 0, failed 0.\n"
    assert moody.is_fresh(1)


def test_variants_that_cannot_be_named_are_a_failure() -> None:
    """A `hydrate=` that raises is told of, and what is stored is refreshed all the same, unless failing fast."""
    moody = declare(hydrate=refuse(ValueError("no paint")))
    moody(1)
    moody.invalidate()
    told = f"tests.moody failed: its hydrate= cannot be read: {BOOM}\n"
    ended = run("refresh", "tests.moody", "--fail-fast")
    assert (ended.code, ended.err, ended.out) == (1, told, "tests.moody: refreshed 0, fresh 0, failed 1.\n")
    assert run("refresh", "--due", "--params", '{"size": 1}').err == told
    ended = run("refresh", "tests.moody")
    assert (ended.code, ended.err, ended.out) == (1, told, "tests.moody: refreshed 1, fresh 0, failed 1.\n")
    assert moody.is_fresh(1)


def test_what_cannot_be_stored_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that the database does not take is not refreshed, though readers would be given it."""
    monkeypatch.setattr(cold, "store", refuse(OperationalError("disk full")))
    ended = run("refresh", "tests.total")
    assert (ended.code, ended.out) == (1, "tests.total: refreshed 0, fresh 0, failed 1.\n")
    assert ended.err == "tests.total: failed: it was computed and could not be stored: OperationalError: disk full\n"


def test_what_this_transaction_changed_cannot_be_refreshed(backend: Backend) -> None:
    """In a transaction that changed a source nothing can be stored, and that is a failure."""
    with transaction.atomic(using=backend.database):
        total.invalidate()
        ended = run("refresh", "tests.total")
        transaction.set_rollback(True, using=backend.database)
    assert (ended.code, ended.out) == (1, "tests.total: refreshed 0, fresh 0, failed 1.\n")
    assert "this transaction changed its source" in ended.err
    assert not Computed.counts


@pytest.mark.parametrize("args", [[], ["--force"]])
def test_another_s_compute_is_waited_for(args: list[str]) -> None:
    """While another process computes a variant, the command waits for it, and computes if nothing came of it."""
    name = lease_of(total)
    caches["statistics"].add(name, "another's", timeout=0.1)
    assert refresh("tests.total", *args) == "tests.total: refreshed 1, fresh 0, failed 0.\n"


def test_another_s_compute_is_not_waited_for_for_ever(conf: Any) -> None:
    """A compute that another process does not end within WAIT_TIMEOUT is a failure."""
    conf(WAIT_TIMEOUT=0.01)
    name = lease_of(total)
    caches["statistics"].add(name, "another's", timeout=60)
    ended = run("refresh", "tests.total")
    assert (ended.code, ended.out) == (1, "tests.total: refreshed 0, fresh 0, failed 1.\n")
    assert "longer than WAIT_TIMEOUT" in ended.err


# Several at a time


@in_commits
def test_jobs_are_done_at_the_same_time(backend: Backend) -> None:
    """With --jobs N so many are computed at once, and the threads leave no connection open."""
    declare(hydrate=sizes(1, 2, 3, 4))
    meeting = threading.Barrier(2)
    used: list[Any] = []

    def meet() -> None:
        used.append(connections[backend.database])
        assert shades.compute("red") == 0  # which asks the database
        meeting.wait(PATIENCE)

    Moods.does |= dict.fromkeys((1, 2, 3, 4), meet)
    assert refresh("tests.moody", "--jobs", "2") == "tests.moody: refreshed 4, fresh 0, failed 0.\n"
    assert len({id(connection) for connection in used}) > 1
    assert [connection.connection for connection in used] == [None] * 4
    assert refresh("tests.moody", "--jobs", "2") == "tests.moody: refreshed 0, fresh 4, failed 0.\n"


class Telling(StringIO):
    """A standard error that opens a gate when something is written."""

    def __init__(self) -> None:
        """Begin shut."""
        super().__init__()
        self.told = threading.Event()

    def write(self, text: str) -> int:
        """Write, and open."""
        self.told.set()
        return super().write(text)

    def wait(self) -> None:
        """Wait until something is written."""
        assert self.told.wait(PATIENCE)


@in_commits
def test_threads_fail_fast() -> None:
    """With --jobs and --fail-fast what has begun when one fails is ended and counted, and nothing more is begun."""
    declare(hydrate=sizes(1, 2, 3, 4, 5, 6))
    err = Telling()
    Moods.does |= dict.fromkeys((2, 3, 4, 5, 6), err.wait) | {1: refuse(ValueError("no paint"))}
    ended = run("refresh", "tests.moody", "--jobs", "2", "--fail-fast", stderr=err)
    assert (ended.code, ended.err) == (1, f"{key(1)} failed: {BOOM}\n")
    began = len(Moods.began)
    assert began in {2, 3}
    assert ended.out == f"tests.moody: refreshed {began - 1}, fresh 0, failed 1.\n"


@in_commits
def test_threads_try_all() -> None:
    """Without --fail-fast threads try all, and each failure has its line."""
    declare(hydrate=sizes(1, 2, 3, 4, 5, 6))
    Moods.does |= dict.fromkeys((1, 4, 6), refuse(ValueError("no paint")))
    ended = run("refresh", "tests.moody", "--jobs", "3")
    assert (ended.code, ended.out) == (1, "tests.moody: refreshed 3, fresh 0, failed 3.\n")
    assert sorted(ended.err.splitlines()) == failed(BOOM, 1, 4, 6)


class Stoppable(ThreadPoolExecutor):
    """An executor that tells when all of ten variants wait for its threads, and when it is shut down."""

    full, stopped = threading.Event(), threading.Event()

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Tell, for CPython forgets a thread when it is interrupted while it starts one."""
        future = super().submit(*args, **kwargs)
        if args[1].variant.texts["size"] == "9":
            self.full.set()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Tell when what waits is dealt with."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        self.stopped.set()
        super().shutdown(wait)


@pytest.fixture
def stoppable(monkeypatch: pytest.MonkeyPatch) -> type[Stoppable]:
    """Have a command use such an executor."""
    monkeypatch.setattr(refreshing, "ThreadPoolExecutor", Stoppable)
    Stoppable.full.clear()
    Stoppable.stopped.clear()
    return Stoppable


@in_commits
def test_what_one_thread_cannot_store_is_not_another_s_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --jobs a value that the database does not take fails its own variant alone."""
    declare(hydrate=sizes(1, 2))
    err, store, meeting = Telling(), cold.store, threading.Barrier(2)

    def store_one(declaration: Any, variant: Variant, *args: Any) -> bool:
        if variant.texts["size"] == "1":
            raise OperationalError("disk full")
        err.wait()
        return store(declaration, variant, *args)

    Moods.does |= dict.fromkeys((1, 2), lambda: meeting.wait(PATIENCE))
    monkeypatch.setattr(cold, "store", store_one)
    ended = run("refresh", "tests.moody", "--jobs", "2", stderr=err)
    assert (ended.code, ended.out) == (1, "tests.moody: refreshed 1, fresh 0, failed 1.\n")
    assert ended.err.startswith(f"{key(1)} failed: it was computed and could not be stored")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have SIGINT raise KeyboardInterrupt, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@in_commits
@pytest.mark.usefixtures("ctrl_c")
def test_interrupted_threads_begin_nothing_more(stoppable: type[Stoppable]) -> None:
    """With --jobs, Ctrl-C lets what has begun end, begins nothing more, and ends the command with 130."""
    declare(hydrate=sizes(*range(10)))

    def interrupt() -> None:
        assert stoppable.full.wait(PATIENCE)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        wait()

    def wait() -> None:
        assert stoppable.stopped.wait(PATIENCE)

    Moods.does |= dict.fromkeys(range(1, 10), wait) | {0: interrupt}
    ended = run("refresh", "tests.moody", "--jobs", "2")
    assert (ended.code, ended.message) == (130, "Interrupted.")
    assert set(Moods.began) <= {0, 1}


class Interrupting(StringIO):
    """A standard error on which Ctrl-C is pressed when something is written."""

    def write(self, *_: Any) -> int:
        """Raise."""
        raise KeyboardInterrupt


@in_commits
def test_threads_are_stopped_before_the_command_ends(stoppable: type[Stoppable]) -> None:
    """With --jobs, Ctrl-C while something is written stops the threads as well, before anything else is done."""
    declare(hydrate=sizes(1, 2, 3))
    Moods.does |= dict.fromkeys((1, 2, 3), refuse(ValueError("no paint")))
    with pytest.raises(CommandError) as caught:  # whose traceback holds on to everything
        call_command("refresh_statistics", "tests.moody", "--jobs", "2", stdout=StringIO(), stderr=Interrupting())
    assert caught.value.returncode == 130
    assert stoppable.stopped.is_set()


def test_in_a_transaction_one_thread_does_all() -> None:
    """With --jobs in a transaction, as in a TestCase, all is computed where the transaction is seen."""
    declare(hydrate=sizes(1, 2, 3))
    threads = []
    Moods.does |= dict.fromkeys((1, 2, 3), lambda: threads.append(threading.current_thread()))
    assert refresh("tests.moody", "--jobs", "3") == "tests.moody: refreshed 3, fresh 0, failed 0.\n"
    assert set(threads) == {threading.main_thread()}


@in_commits
@pytest.mark.parametrize("backend", [Backend("default", "locmem")], indirect=True, ids="-".join)
def test_a_database_in_memory_has_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """With --jobs on a database in memory, which is each thread's own, all is computed in one thread."""
    declare(hydrate=sizes(1, 2))
    monkeypatch.setattr(connections["default"], "is_in_memory_db", lambda: True)
    threads = []
    Moods.does |= dict.fromkeys((1, 2), lambda: threads.append(threading.current_thread()))
    refresh("tests.moody", "--jobs", "2")
    assert threads == [threading.main_thread()] * 2


# What it refuses


@pytest.mark.parametrize(
    ("args", "named"),
    [
        ((), "one of NAME, --all and --due"),
        (("tests.stock", "--all"), "NAME and --all exclude each other"),
        (("tests.stock", "--due"), "NAME and --due exclude each other"),
        (("--all", "--due"), "--all and --due exclude each other"),
        (("--all", "--jobs", "2", "--async"), "--async leaves the work to Celery's workers"),
        (("--all", "--jobs", "0"), "--jobs is 0"),
        (("--all", "--jobs", "-2"), "--jobs is -2"),
        (("tests.stok",), "Did you mean 'tests.stock'?"),
        (("nothing.*",), "'nothing.*'"),
        (("tests.stock", "--params", "{"), "tests.stock: '{' is not JSON"),
        (("tests.stock", "--params", '{"colour": "red"}'), "Did you mean 'color'?"),
        (("--all", "--params", '{"colour": "red"}'), "'colour'"),
        (("--due", "--params", '{"color": "green"}'), "'green'"),
        (("tests.total", "--params", RED), "tests.total: there is no parameter 'color'"),
    ],
)
def test_wrong_usage_ends_with_2(args: tuple[str, ...], named: str) -> None:
    """What makes no sense is wrong usage, told by name, and nothing is computed."""
    ended = run("refresh", *args)
    assert (ended.code, ended.out) == (2, "")
    assert named in ended.message
    assert not Computed.counts


@pytest.mark.parametrize("args", [("tests.stock",), ("tests.stock", "--async"), ("--due",)])
def test_an_interruption_ends_with_130(args: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C ends a command as a shell expects."""
    monkeypatch.setattr(proving, "prove_at_once", refuse(KeyboardInterrupt()))
    assert run("refresh", *args).code == 130


def test_an_interrupted_refresh_says_what_was_done() -> None:
    """What was refreshed before Ctrl-C is told."""
    declare(hydrate=sizes(1, 2, 3))
    Moods.does[3] = refuse(KeyboardInterrupt())
    ended = run("refresh", "tests.moody")
    assert (ended.code, ended.out) == (130, "tests.moody: refreshed 2, fresh 0, failed 0.\n")


REFUSED, OUT = "The database refused: no such table", "The database is down."


@pytest.mark.parametrize(
    ("module", "place", "args", "message"),
    [
        (cold, "rows_of", ("tests.stock",), REFUSED),
        (proving, "prove_at_once", ("tests.stock",), OUT),
        (proving, "prove_at_once", ("tests.stock", "--async"), OUT),
        (proving, "prove_at_once", ("tests.stock", "--force"), OUT),
        (proving, "prove_at_once", ("tests.stock", "--dry-run"), OUT),
        (proving, "prove_at_once", ("--due",), OUT),
    ],
)
def test_without_its_database_it_ends_with_1(
    module: Any, place: str, args: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that is out is one line that says so, and nothing is computed."""
    monkeypatch.setattr(module, place, refuse(OperationalError("no such table")))
    ended = run("refresh", *args)
    assert (ended.code, ended.out, ended.err) == (1, "", "")
    assert ended.message.startswith(message)
    assert not Computed.counts


def test_help_is_readable_by_itself() -> None:
    """Every option says what it does, and the whole says what is to be chosen and how it ends."""
    told = helps("refresh")
    assert set(told) == {
        "refresh",
        "names",
        "params",
        "all",
        "due",
        "async",
        "force",
        "jobs",
        "fail_fast",
        "dry_run",
        "skip_checks",
    }
    assert all(told.values())
    assert "NAME..., --all and --due" in told["refresh"]
    assert "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted." in told["refresh"]


@pytest.mark.parametrize("backend", [Backend("default", "locmem")], indirect=True, ids="-".join)
def test_a_number_that_is_none_ends_the_process_with_2() -> None:
    """A shell sees wrong usage as 2."""
    ended = subprocess.run(
        [sys.executable, "manage.py", "refresh_statistics", "--all", "--jobs", "two"],
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "--jobs: invalid int value: 'two'" in ended.stderr
