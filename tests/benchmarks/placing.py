"""Which core a process runs on."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import redis


@contextmanager
def apart(url: str, clients: Iterable[int]) -> Iterator[None]:
    """Keep the server on a core of its own, and the clients on another.

    Where both share a core, a request wakes no other core, and a read takes a third of the time: the best of a row
    would be that of whoever had this luck once. Does nothing where the system cannot place processes, or has one core.
    """
    if not hasattr(os, "sched_setaffinity") or len(cores := sorted(os.sched_getaffinity(0))) == 1:
        yield
        return
    server = int(redis.Redis.from_url(url).info("server")["process_id"])
    places = {server: cores[-1:]} | dict.fromkeys(clients, cores[:1])
    try:
        for process, core in places.items():
            os.sched_setaffinity(process, core)
        yield
    finally:
        for process in places:
            os.sched_setaffinity(process, cores)
