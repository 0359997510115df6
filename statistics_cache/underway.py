"""What is being computed in this process, and which threads may be at work for it (Note [Whose a thread is])."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import inf
from threading import Lock, get_ident
from typing import Any

from asgiref.sync import SyncToAsync
from django.core.signals import request_started
from django.db.models import Model
from django.dispatch import receiver

from .changing.watching import model_of, models_of, traced_sources
from .declaring.declaration import Declaration, Variant
from .signals import source_undeclared


@dataclass(eq=False)
class Frame:
    """One compute under way: `used` is the earliest capture of anything it used, its own included; `suspected` of what
    threads got meanwhile that may be at work for it."""

    declaration: Declaration[..., Any]
    variant: Variant
    used: float
    around: "Frame | None"
    suspected: float = inf
    is_over: bool = False
    inner: set[Declaration[..., Any]] = field(default_factory=set)  # other statistics that it asked

    @property
    def oldest(self) -> float:
        """Give the moment that the value is of: it is no newer than anything that may be in it."""
        return min(self.used, self.suspected)

    def is_of(self, declaration: Declaration[..., Any], variant: Variant) -> bool:
        """Tell whether this computes an entry: then it does not read it."""
        return self.variant.key == variant.key and self.declaration.fingerprint == declaration.fingerprint


listeners: list[Callable[[Declaration[..., Any], Variant], None]] = []  # in tests: who is told of each compute
_frame: ContextVar[Frame | None] = ContextVar("statistics_cache_frame", default=None)
_stands_alone: ContextVar[int | None] = ContextVar("statistics_cache_stands_alone", default=None)


class _Process:
    """All frames of this process."""

    def __init__(self) -> None:
        """Begin with none; a forked child has those of the thread that forked."""
        self.begin()
        os.register_at_fork(after_in_child=self.begin)

    def begin(self) -> None:
        """Begin anew."""
        self.lock = Lock()
        self.frames: set[Frame] = set()
        found = running()
        while found is not None:
            self.frames.add(found)
            found = found.around


def running() -> Frame | None:
    """Give the compute that the caller is part of, if it is.

    A context that was copied within a compute may outlive it, and then says nothing of it any more.
    """
    found = _frame.get()
    while found is not None and found.is_over:
        found = found.around
    return found


_process = _Process()


@contextmanager
def frame(declaration: Declaration[..., Any], variant: Variant, started: float) -> Iterator[Frame]:
    """Mark what is called inside as part of a compute, and of the one around it."""
    for each in listeners:
        each(declaration, variant)
    inner = Frame(declaration, variant, started, running())
    reset = _frame.set(inner)
    with _process.lock:
        _process.frames.add(inner)
    try:
        yield inner
    finally:
        with _process.lock:
            _process.frames.discard(inner)
        inner.is_over = True
        _frame.reset(reset)
        use(declaration, variant, inner.used)


def use(declaration: Declaration[..., Any], variant: Variant, computed_at: float) -> None:
    """Note that the compute under way used an entry of this age: it is itself no newer.

    Where it is not known for which compute a thread is at work, it may be any.
    """
    mine = running()
    others = () if mine is not None else suspects(declaration, variant)
    with _process.lock:
        if mine is not None:
            mine.used = min(mine.used, computed_at)
        for other in others:
            other.suspected = min(other.suspected, computed_at)


def suspects(declaration: Declaration[..., Any], variant: Variant) -> list[Frame]:
    """Give the computes of other threads that may be about to use an entry which this thread asks for."""
    if not _process.frames or stands_alone():
        return []
    with _process.lock:
        return [found for found in _process.frames if not found.is_of(declaration, variant)]


def stand_alone() -> None:
    """Say that this thread is at work for no compute of another thread: it serves requests of its own."""
    _stands_alone.set(get_ident())


def stands_alone() -> bool:
    """Tell whether it is known that this thread is at work for no compute but those of its own context."""
    whose = _stands_alone.get()
    return whose is not None and (whose == get_ident() or hasattr(SyncToAsync.threadlocal, "main_event_loop"))


@receiver(request_started)
def serve_request(**_: Any) -> None:
    """Know the threads in which Django answers requests."""
    stand_alone()


_told: set[tuple[str, str]] = set()


def use_statistic(inner: Declaration[..., Any]) -> None:
    """Tell once of a statistic that is computed from another one without being computed from its sources.

    A change of what it does not name would never reach it.
    """
    if (mine := running()) is None:
        return
    outer = mine.declaration
    mine.inner.add(inner)
    missing = models_of(inner) - models_of(outer) - ignored_by(outer)
    if missing and (outer.name, inner.name) not in _told:
        _told.add((outer.name, inner.name))
        names = ", ".join(sorted(model._meta.label for model in missing))
        line = f"Name it in depends_on, or {names}."
        facts = {"statistic": outer.name, "source": inner.name, "database": None, "line": line}
        source_undeclared.send_robust(sender=type(outer), **facts)


def ignored_by(outer: Declaration[..., Any]) -> frozenset[type[Model]]:
    """Give the models that a statistic reads and wants to be told nothing of."""
    found = (model_of(traced.source) for traced in traced_sources(outer.ignored))
    return frozenset(model for model in found if model is not None)


# Note [Whose a thread is]
# A compute may ask other statistics from threads: what they get is in its value. Its frame is a context variable, which
# reaches what copies the context (asyncio, `asyncio.to_thread`, asgiref), and no `threading.Thread` and no pool. Python
# does not tell who has started a thread, nor who has given it its work: a pool may be older than the compute. So it is
# known of some threads that they are at work for nobody else: the one that started Django, those that answer requests,
# those of a Celery worker (`tasks.do_task`), and those that say so (`stand_alone`); also what runs in a thread of
# asgiref's and was called from one of these, for there the context is always the caller's. Every other thread may be at
# work for any compute under way in this process. What it reads meanwhile is proved by the database, never believed and
# never stale, and those computes are as old as what it got. That costs a statement where a hot hit costs none, and no
# answer is wrong. An entry that is itself being computed is none of its own compute's business.
# What was only suspected is not passed on to the compute around: that was under way, too, and is suspected itself.
