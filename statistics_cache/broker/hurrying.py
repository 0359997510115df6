"""Asking a worker for a tick before its time: the log has grown so long that each proof takes longer."""

from time import monotonic

from celery import current_app

from statistics_cache.declaring.keys import hurried_key
from statistics_cache.hot.naming import own_space
from statistics_cache.identity import known

from .queue import publish_once
from .schedule import EXPIRES, TICK

MANY = 1_000  # log rows that one proof sums: about as long as the rest of it takes
_next: dict[str, float] = {}  # when this process may ask again, by what it says to the cache


def forget() -> None:
    """Begin anew: nobody was asked yet."""
    _next.clear()


def hurry_if_many(summed: int) -> None:
    """Queue a tick where more than 1,000 log rows were summed, about once a minute; nothing is folded here.

    Where tasks run eagerly there is no worker, and none is asked.
    """
    if summed <= MANY or current_app.conf.task_always_eager:
        return
    note, now = hurried_key(own_space(known.default() or "")), monotonic()
    if now >= _next.get(note, 0.0):
        _next.clear()
        _next[note] = now + EXPIRES
        publish_once(note, EXPIRES, send)


def send() -> None:
    """Hand the message to Celery, as beat does."""
    current_app.tasks[TICK].apply_async(expires=EXPIRES, ignore_result=True, retry=False)
