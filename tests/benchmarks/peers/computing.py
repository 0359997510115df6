"""What happens while the statistic is computed: it is counted, takes its time, fails, or its data changes."""

from collections.abc import Callable
from threading import Lock, local
from time import sleep
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

MARK = 'ORDER BY "peers_share"."tag"'  # of the SELECT that every compute consists of


class NoPrices(Exception):
    """The compute fails."""


class State:
    """What computes do at the moment."""

    def __init__(self) -> None:
        """Begin with computes that do nothing but ask the database."""
        self.cost = 0.0  # seconds
        self.count = 0
        self.is_failing = False
        self.is_filling = False
        self.meanwhile: Callable[[], object] | None = None  # is done once, after the rows were read
        self.lock = Lock()
        self.aside = local()  # threads whose SELECTs are no computes

    def begin(self) -> None:
        """Count a compute, or have it fail."""
        with self.lock:
            self.count += 1
        if self.is_failing:
            raise NoPrices("no prices")

    def end(self) -> None:
        """Let happen what happens meanwhile."""
        with self.lock:
            meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile:
            meanwhile()
        sleep(self.cost)


STATE = State()


def accompany(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
    """Be there for each statement; only a compute's counts."""
    if MARK not in sql or getattr(STATE.aside, "on", False):
        return execute(sql, params, many, context)
    STATE.begin()
    result = execute(sql, params, many, context)
    STATE.end()
    return result


def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Accompany the statements of a new connection."""
    if accompany not in connection.execute_wrappers:
        connection.execute_wrappers.append(accompany)


connection_created.connect(watch)
