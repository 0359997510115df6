"""What others do meanwhile, on connections of their own, and what is said to the database."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from tests.conftest import Backend


def closing(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in a thread, and close the thread's connections."""
    try:
        return function(*args)
    finally:
        connections.close_all()


def elsewhere(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in another thread, on a connection of its own, and wait for it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(closing, function, *args).result()


def wait_for_lock(backend: Backend, number: int = 1) -> None:
    """Wait until so many other connections to a PostgreSQL wait for a lock."""
    with connections[backend.database].cursor() as cursor:
        for _ in range(10_000):
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= number:
                return
    raise AssertionError("nobody waits")


def statements(backend: Backend, act: Callable[[], object]) -> list[str]:
    """Give the statements of something, in the order in which they begin, as users' wrappers see them."""
    seen: list[str] = []

    def note(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        seen.append(sql)
        return run(sql, params, many, context)

    with connections[backend.database].execute_wrapper(note):
        act()
    return seen
