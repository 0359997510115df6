"""What a command does to many variants: finds them fresh, computes or queues them; and what became of each."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from threading import get_ident
from time import time
from typing import Any, Literal, NamedTuple

from django.core.management.base import CommandError
from django.db import connections

from statistics_cache import peeking, reading, upkeep
from statistics_cache.broker import queue
from statistics_cache.broker.queue import Wanted
from statistics_cache.changing import checking
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Row
from statistics_cache.signals import store_failed
from statistics_cache.underway import stand_alone

from .base import FAILED, database_out

Outcome = Literal["found", "promoted", "computed", "queued", "kept", "failed"]

FOUND: dict[str, Outcome] = {"hot": "found", "cold": "promoted"}
ENDED: dict[str, Outcome] = {"refreshed": "computed", "fresh": "found"}
FAILURES = {
    "busy": "another compute of it took longer than WAIT_TIMEOUT. Try again, or raise WAIT_TIMEOUT.",
    "blocked": "its last compute failed, and it is not tried again yet. refresh_statistics --force tries at once.",
    "unproven": "the database is down, or this transaction changed its source: nothing could be stored.",
}


class Tried(NamedTuple):
    """What became of a variant, named by its key; a failure says why."""

    name: str
    outcome: Outcome
    failure: str = ""


class Batch(NamedTuple):
    """Variants that were looked at: those that are done with, and those that are to be refreshed."""

    done: list[Tried]
    wanted: list[Wanted]


@dataclass(frozen=True)
class Way:
    """How variants are refreshed: fresh ones too, by a worker, only in words, so many at once, to the first failure."""

    forced: bool = False
    is_queued: bool = False
    is_foreseen: bool = False
    jobs: int = 1
    fail_fast: bool = False


def read_grid(declaration: Declaration[..., Any]) -> tuple[Mapping[str, Variant], list[Tried]]:
    """Give the variants that `hydrate=` names; none, and a failure, where it cannot be read."""
    try:
        return declaration.hydrated(), []
    except Exception as error:  # noqa: BLE001  (a callable of the user's; reported by name)
        return {}, [failure(declaration.name, f"its hydrate= cannot be read: {describe(error)}")]


def refresh_all(batches: Iterable[Batch], way: Way) -> Generator[Tried, None, None]:
    """Refresh what is wanted of each batch, and tell of every variant; to the end, unless failing fast."""
    for batch in batches:
        has_failed = False
        for tried in chain(batch.done, refresh_batch(batch, way)):
            yield tried
            has_failed = has_failed or tried.outcome == "failed"
        if has_failed and way.fail_fast:
            return


def refresh_batch(batch: Batch, way: Way) -> Iterator[Tried]:
    """Do, in one way or another, what is wanted of a batch."""
    if way.fail_fast and any(each.outcome == "failed" for each in batch.done):
        return
    if way.is_foreseen:
        outcome: Outcome = "queued" if way.is_queued else "computed"
        yield from (Tried(each.variant.key, outcome) for each in batch.wanted)
    elif way.is_queued:
        yield from map(enqueue, batch.wanted)
    elif way.jobs > 1 and all(map(is_seen_by_threads, batch.wanted)):
        yield from in_threads(batch.wanted, way)
    else:
        yield from one_by_one(batch.wanted, way)


def sort_out(declaration: Declaration[..., Any], variants: Sequence[Variant], way: Way) -> Batch:
    """Tell variants that are fresh, and those that are not to be tried again yet, from those to be refreshed.

    What the database proves is promoted, unless this is only in words.
    """
    fresh = {} if way.forced else find_fresh(declaration, variants, way)
    left = [variant for variant in variants if variant.key not in fresh]
    proofs = checking.prove(declaration, left, payloads=False)
    if proofs is None:
        raise database_out()
    now = time()
    done = [Tried(key, outcome) for key, outcome in fresh.items()]
    wanted = []
    for variant in left:
        row, database, identity = (proof := proofs[variant.key]).row, proof.database, proof.identity
        if row and not way.forced and row.is_blocked(database.generation, now):
            done.append(failure(variant.key, describe_block(row)))
        else:
            wanted.append(Wanted(declaration, variant, database, row, identity, way.forced))
    return Batch(done, wanted)


def find_fresh(declaration: Declaration[..., Any], variants: Sequence[Variant], way: Way) -> dict[str, Outcome]:
    """Tell by key which variants are fresh, and in which tier they were."""
    look: Callable[..., Sequence[Any]] = peeking.peek_many if way.is_foreseen else reading.search_many
    pairs = zip(variants, (each.found for each in look(declaration, variants)), strict=True)
    return {variant.key: FOUND[found.copy.tier] for variant, found in pairs if found and found.state == "fresh"}


def enqueue(wanted: Wanted) -> Tried:
    """Queue a refresh. Raises CommandError while the broker is out: what follows could not be queued either."""
    if queue.later(wanted):
        return Tried(wanted.variant.key, "queued")
    raise CommandError("The broker is down. Start it, or omit --async to compute here.", returncode=FAILED)


def is_seen_by_threads(wanted: Wanted) -> bool:
    """Tell whether other threads see the same data: not in a transaction, nor in a SQLite that is in memory."""
    connection: Any = connections[cold.alias_of(wanted.declaration)]
    is_private = connection.vendor == "sqlite" and connection.is_in_memory_db()
    return not (connection.in_atomic_block or is_private)


def one_by_one(wanted: Iterable[Wanted], way: Way) -> Iterator[Tried]:
    """Refresh in this thread."""
    for each in wanted:
        tried = refresh_one(each)
        yield tried
        if way.fail_fast and tried.outcome == "failed":
            return


def in_threads(wanted: Iterable[Wanted], way: Way) -> Iterator[Tried]:
    """Refresh in threads; what has begun is told of to the end, also when failing fast."""
    executor = ThreadPoolExecutor(way.jobs, "statistics", stand_alone)
    try:
        futures = [executor.submit(refresh_apart, each) for each in wanted]
        for future in as_completed(futures):
            if future.cancelled():
                continue
            tried = future.result()
            if way.fail_fast and tried.outcome == "failed":
                for other in futures:
                    other.cancel()
            yield tried
    finally:
        executor.shutdown(cancel_futures=True)


def refresh_apart(wanted: Wanted) -> Tried:
    """Refresh in a thread that leaves no connection open."""
    try:
        return refresh_one(wanted)
    finally:
        connections.close_all()


def refresh_one(wanted: Wanted) -> Tried:
    """Refresh a variant, waiting for another's compute of it; whatever is raised is a failure of this one alone."""
    key = wanted.variant.key
    with noting_unstored() as unstored:
        try:
            outcome = upkeep.refresh(wanted.declaration, wanted.variant, forced=wanted.forced, waits=True)
        except Exception as error:  # noqa: BLE001  (of the user's function; reported by name)
            return failure(key, describe(error))
    if unstored:
        return failure(key, f"it was computed and could not be stored: {describe(unstored[0])}")
    return Tried(key, ENDED[outcome]) if outcome in ENDED else failure(key, FAILURES[outcome])


@contextmanager
def noting_unstored() -> Iterator[list[Exception]]:
    """Note what keeps this thread from storing what it computes: no reader minds, so that it is only signalled."""
    errors: list[Exception] = []
    thread = get_ident()

    def note(error: Exception, **_: Any) -> None:
        if get_ident() == thread:
            errors.append(error)

    store_failed.connect(note)
    try:
        yield errors
    finally:
        store_failed.disconnect(note)


def failure(name: str, text: str) -> Tried:
    """Give what failed, and why."""
    return Tried(name, "failed", text)


def describe(error: Exception) -> str:
    """Give an exception's type and text in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def describe_block(row: Row) -> str:
    """Say what failed last, and how to have it tried again."""
    return f"{FAILURES['blocked']} It was {' '.join(row.last_error.split())}"
