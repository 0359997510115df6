"""Statistics that note each compute, and a worker that notes what it is asked for."""

import os
import signal
from select import select
from threading import Thread
from time import monotonic, sleep
from typing import Any

from celery.signals import beat_init, task_prerun, task_revoked, worker_ready
from django.db import connection

from statistics_cache import statistic
from tests.models import Paint
from tests.worker.agreed import BRIEF, BRIEF_STALE, COLORS, HOUR, TIME_LIMIT, WARM
from tests.worker.notebook import Notebook

STDIN = 0
LOOK = 0.02  # seconds until a slow compute looks again how slow it is to be
notebook = Notebook(os.environ.get("NOTEBOOK_URL", "redis://127.0.0.1:1"))


def count(name: str, color: str) -> int:
    """Count the pots of a colour and note that, then be as slow as the notebook says; it may say otherwise later."""
    pots = Paint.objects.filter(color=color).count()
    notebook.note("began", name, color)
    began = monotonic()
    while monotonic() - began < notebook.slowness:
        sleep(LOOK)
    notebook.note("ended", name, color)
    return pots


@statistic(ttl=HOUR, stale_ttl=2 * HOUR, depends_on={Paint: "color"}, on_change="revalidate")
def pots(color: str) -> int:
    """Changes with its source alone."""
    return count("pots", color)


@statistic(ttl=BRIEF, stale_ttl=HOUR)
def aging(color: str) -> int:
    """Changes with time alone."""
    return count("aging", color)


@statistic(ttl=BRIEF, stale_ttl=BRIEF_STALE, depends_on={Paint: "color"}, on_change="revalidate")
def brief(color: str) -> int:
    """May soon be served no more."""
    return count("brief", color)


@statistic(ttl=WARM, stale_ttl=HOUR, hydrate=[{"color": color} for color in COLORS])
def warm(color: str) -> int:
    """Is soon too old, and refreshed before anyone asks."""
    return count("warm", color)


@statistic(
    ttl=HOUR,
    stale_ttl=2 * HOUR,
    depends_on={Paint: "color"},
    on_change="revalidate",
    hydrate=[{"color": color} for color in COLORS],
)
def followed(color: str) -> int:
    """Is refreshed when its source has changed, before anyone asks."""
    return count("followed", color)


@statistic(ttl=HOUR, stale_ttl=2 * HOUR, depends_on={Paint: "color"}, on_change="revalidate", time_limit=TIME_LIMIT)
def limited(color: str) -> int:
    """Is ended by a worker after half a second."""
    return count("limited", color)


@statistic(ttl=HOUR, stale_ttl=2 * HOUR, depends_on={Paint: "color"}, on_change="revalidate", time_limit=TIME_LIMIT)
def limited_in_sql(color: str) -> int:
    """Is ended by a worker in the middle of a statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [notebook.slowness])
    return count("limited_in_sql", color)


def note_ready(**_: Any) -> None:
    """Note that a worker takes messages, or that a beat sends them."""
    Thread(target=end_with_parent, daemon=True).start()
    notebook.note("ready")


def end_with_parent() -> None:
    """End the whole group when nobody is left who could write to its standard input: the tests were killed."""
    while select([STDIN], [], []) and os.read(STDIN, 1):  # where threads are greenlets a read alone blocks them all
        pass
    os.killpg(0, signal.SIGKILL)


def note_task(task: Any, kwargs: dict[str, Any], **_: Any) -> None:
    """Note that a worker begins a task; an expired message is none."""
    notebook.note("task", task.name, kwargs.get("statistic", ""), kwargs.get("parameters", ""))


def note_dropped(expired: bool, **_: Any) -> None:
    """Note that a worker has dropped a message that was too old."""
    notebook.note("dropped", str(expired))


worker_ready.connect(note_ready)
beat_init.connect(note_ready)
task_prerun.connect(note_task)
task_revoked.connect(note_dropped)
