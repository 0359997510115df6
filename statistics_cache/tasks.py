"""The two tasks that a Celery worker runs: names and JSON text come in, nothing goes out."""

from random import uniform
from time import time
from typing import Any

from celery import Task, shared_task
from celery.signals import task_prerun, worker_process_shutdown

from . import computing, upkeep
from .actor import acting
from .api import registry
from .broker.queue import ASKED_AT, ASKED_BY
from .broker.schedule import EXPIRES, JSON, REFRESH, TICK
from .changing import checking
from .declaring.declaration import Declaration, Variant
from .entry import CLOCK_TOLERANCE
from .exceptions import ParameterError, UnknownStatistic
from .hot import counters
from .signals import refresh_refused
from .underway import stand_alone

MAX_RETRIES = 5
FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # seconds until a refresh that met a database that is out is tried again


@shared_task(bind=True, name=REFRESH, serializer=JSON, ignore_result=True, acks_late=True, max_retries=MAX_RETRIES)
def refresh(self: "Task[..., Any]", statistic: str, parameters: str, forced: bool = False) -> None:
    """Refresh one variant; `parameters` is JSON text, as the database keeps it.

    What is fresh is promoted and no more, unless it is due and hydrated, or `forced` and not computed since that was
    asked for. What has a floor is left alone if it was computed since it was asked for, though it has changed again.
    While the database is out, and while another computes what is forced, it is tried again, with backoff and jitter;
    what can be recorded on the entry is, and raised (Note [What is tried again]). A message that names no statistic, or
    no variant of one, is logged and dropped: other code has sent it.
    """
    try:
        declaration = registry.get(str(statistic)).declaration
        variant = declaration.restore(parameters)
    except (UnknownStatistic, ParameterError) as error:
        refresh_refused.send_robust(sender=type(self), statistic=statistic, error=error)
        return
    if is_computed_since(declaration, variant, self.request.get(ASKED_AT), forced):
        return
    retries = self.request.retries < MAX_RETRIES
    try:
        with acting("tick" if (self.request.headers or {}).get(ASKED_BY) == "tick" else "worker"):
            outcome = upkeep.refresh(declaration, variant, forced=forced, retries=retries)
    except computing.DatabaseOut as error:
        raise self.retry(countdown=pause_after(self.request.retries)) from error
    if (outcome == "unproven" or (forced and outcome == "busy")) and retries:
        raise self.retry(countdown=pause_after(self.request.retries))


def is_computed_since(
    declaration: Declaration[..., Any], variant: Variant, asked_at: object, is_to_be_current: bool
) -> bool:
    """Tell whether what is stored was computed after a moment, for certain: clocks differ a little. Not where it is to
    be current and is not."""
    if not isinstance(asked_at, float) or (proofs := checking.prove(declaration, [variant], payloads=False)) is None:
        return False
    copy, database = proofs[variant.key].copy, proofs[variant.key].database
    if copy is None or (is_to_be_current and copy.database != database):
        return False
    return asked_at + CLOCK_TOLERANCE < copy.computed_at <= time() + CLOCK_TOLERANCE


def pause_after(retries: int) -> float:
    """Give the seconds until the next try: doubled each time, and up to a half more by chance."""
    return min(LAST_RETRY, FIRST_RETRY * 2.0**retries) * uniform(1.0, 1.5)


@shared_task(name=TICK, serializer=JSON, ignore_result=True, expires=EXPIRES)
def tick() -> None:
    """Fold, queue what is due, prune; the one periodic task."""
    upkeep.tick([found.declaration for found in registry.all()])


@worker_process_shutdown.connect
def add_up_counts(**_: Any) -> None:
    """Add up what a process of a prefork pool counted: it ends without Python's own `atexit`."""
    counters.flush()


@task_prerun.connect
def do_task(task: "Task[..., Any]", **_: Any) -> None:
    """Know the threads of a Celery worker; an eager task runs in its caller's, whosever that is."""
    if not task.request.is_eager:
        stand_alone()


# Note [What is tried again]
# A message is tried again for a database that is out alone: nothing could be computed, or what the compute raised could
# not be recorded. Every try records what it can, so the last one needs no care, and a message that expires between two
# loses nothing that could have been kept. What is recorded is not tried again here, not even what the database calls
# transient (a deadlock, a serialization failure, a statement it has cancelled): the entry has its own backoff and
# jitter, which all processes share, which outlasts the message, and which readers and the tick end; with retries on top
# an expensive statement that the database ends each time would run six times for one failure.
