"""Verbs for async callers: the same code, in a thread that may wait."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import close_old_connections

from .overrides import overridden

P = ParamSpec("P")
T = TypeVar("T")

THREADS = 32  # of a process, at most: what a loop's own executor has at most; each may hold a connection


class _Threads:
    """The threads of this process that may wait, made as they are needed."""

    def __init__(self) -> None:
        """Begin with none; a forked child has none of its parent's."""
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Begin anew."""
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="statistics_cache")


_threads = _Threads()


async def apart(verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a verb in a thread of the app's own, where it is no part of a transaction of the caller's.

    Who waits there for another's compute holds up neither the loop, nor its executor, nor the one thread that
    `sync_to_async` gives to everybody.
    """
    return await sync_to_async(tidily, thread_sensitive=False, executor=_threads.pool)(verb, *args, **kwargs)


def tidily(verb: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a verb, and leave no connection that is older than CONN_MAX_AGE: no request ends in this thread.

    Beside an override nothing is closed: its test may have no database, and pytest-django refuses even to look at
    a connection that an earlier test left in this thread.
    """
    try:
        return verb(*args, **kwargs)
    finally:
        if not overridden:
            close_old_connections()
