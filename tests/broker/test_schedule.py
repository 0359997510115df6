"""The one beat entry: importable from a settings module, as often as TICK says, whatever beat has kept of it."""

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import current_app
from celery.beat import PersistentScheduler
from django.conf import settings as django_settings
from time_machine import Traveller

from statistics_cache import BEAT_SCHEDULE
from statistics_cache.broker.schedule import REFRESH, TICK
from tests.messages import Messages

ROOT = Path(__file__).parent.parent.parent
(ENTRY,) = BEAT_SCHEDULE.values()
SCRIPT = """
from django.conf import settings
from statistics_cache import BEAT_SCHEDULE
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
print(*CELERY_BEAT_SCHEDULE, settings.configured)
"""


def test_it_is_importable_while_settings_are_read() -> None:
    """A settings module names it before there are any settings."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (ran.stdout.split(), ran.stderr) == ([TICK, "False"], "")


def test_the_project_has_it() -> None:
    """Spread into CELERY_BEAT_SCHEDULE it is what Celery's app knows, beside whatever else is there."""
    assert {**BEAT_SCHEDULE} == django_settings.CELERY_BEAT_SCHEDULE
    assert current_app.conf.beat_schedule == BEAT_SCHEDULE


def test_it_names_a_task_that_a_worker_finds() -> None:
    """The names are fixed: beat, readers and workers of other versions must find them."""
    assert (ENTRY["task"], REFRESH) == ("statistics_cache.tick", "statistics_cache.refresh")
    assert {TICK, REFRESH} <= set(current_app.tasks)


def test_it_follows_the_setting(conf: Any) -> None:
    """TICK is read when it is used: 30 seconds, or what the settings say by now."""
    assert ENTRY["schedule"].run_every == timedelta(seconds=30)
    for tick, expected in ((7, 7.0), (timedelta(minutes=2), 120.0)):
        conf(TICK=tick)
        assert ENTRY["schedule"].seconds == ENTRY["schedule"].run_every.total_seconds() == expected


def test_a_copy_follows_the_setting(conf: Any) -> None:
    """Pickled and read again, as beat's shelf does, it keeps no interval of its own, and equals the first."""
    conf(TICK=7)
    copy = pickle.loads(pickle.dumps(ENTRY))  # noqa: S301  (our own bytes)
    conf(TICK=9)
    assert copy["schedule"].run_every == timedelta(seconds=9)
    assert copy == ENTRY


@contextmanager
def beat(folder: Path) -> Iterator[PersistentScheduler]:
    """Start beat's own scheduler on a file."""
    scheduler = PersistentScheduler(app=current_app, schedule_filename=str(folder / "schedule"))
    try:
        yield scheduler
    finally:
        scheduler.close()


def sent_by(scheduler: PersistentScheduler, messages: Messages) -> list[str]:
    """Let beat do what is due, and give the names of the tasks it sent."""
    scheduler.tick()
    return [message.headers["task"] for message in messages]


def test_beat_sends_it_every_tick(clock: Traveller, conf: Any, messages: Messages, tmp_path: Path) -> None:
    """Beat itself sends the tick when TICK seconds have passed, once; a restarted one, and after TICK has changed."""
    with beat(tmp_path) as scheduler:
        assert sent_by(scheduler, messages) == []
        for _ in range(2):
            clock.shift(29)
            assert sent_by(scheduler, messages) == []
            clock.shift(1.5)
            assert [sent_by(scheduler, messages) for _ in range(2)] == [[TICK], []]
    conf(TICK=300)
    with beat(tmp_path) as scheduler:
        clock.shift(200)
        assert sent_by(scheduler, messages) == []
        clock.shift(101)
        assert sent_by(scheduler, messages) == [TICK]


def test_a_tick_that_nobody_took_ends(clock: Traveller, messages: Messages, tmp_path: Path) -> None:
    """While no worker is there ticks do not pile up: each one says when it is of no use any more."""
    with beat(tmp_path) as scheduler:
        scheduler.tick()
        clock.shift(31)
        scheduler.tick()
    (message,) = messages
    assert message.headers["expires"] == "2026-03-01T12:01:31+00:00"
    assert message.headers["ignore_result"] is True


def test_a_scheduler_that_keeps_no_options_has_it_end_all_the_same(clock: Traveller, messages: Messages) -> None:
    """The database scheduler of django-celery-beat sends the task with a column of its own, or without any option."""
    current_app.tasks[TICK].apply_async()
    (message,) = messages
    assert message.headers["expires"] == "2026-03-01T12:01:00+00:00"
    assert ENTRY["options"]["expire_seconds"] == ENTRY["options"]["expires"]
