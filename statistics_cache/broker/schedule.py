"""The names of the tasks, and the one entry of Celery's beat schedule; importable from a settings module."""

from datetime import timedelta
from time import time
from typing import Any

from celery.schedules import schedule

from statistics_cache.conf import settings

REFRESH = "statistics_cache.refresh"  # a worker of another version must find them
TICK = "statistics_cache.tick"
JSON = "json"  # whatever CELERY_TASK_SERIALIZER is: no message of ours is a pickle
LATE = 3  # ticks; one may be lost, or wait while a worker is restarted
EXPIRES = 60  # seconds until a tick that no worker has taken is dropped: the next one does its work


def is_late(seen: float) -> bool:
    """Tell whether the last tick, seen at a time in seconds since the Unix epoch, is too long ago."""
    return time() - seen > LATE * settings().TICK


class EveryTick(schedule):
    """Every TICK seconds, as the settings say at run time: a settings module that names it is still being read."""

    def __init__(self) -> None:
        """Take no interval."""
        super().__init__()

    @property
    def run_every(self) -> timedelta:
        """Give the interval."""
        return timedelta(seconds=settings().TICK)

    @run_every.setter
    def run_every(self, _: object) -> None:
        """Leave it to the settings; Celery assigns one."""

    def __reduce__(self) -> tuple[type["EveryTick"], tuple[()]]:
        """Keep no interval where beat keeps its schedule."""
        return EveryTick, ()


IN_DATABASE = {"expire_seconds": EXPIRES}  # what django-celery-beat keeps of the options; nobody else minds it

BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    TICK: {"task": TICK, "schedule": EveryTick(), "options": {"expires": EXPIRES, "serializer": JSON} | IN_DATABASE}
}
