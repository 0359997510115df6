"""The compute path: one flight per entry; capture a token, call the function, store behind the fence."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import uniform
from time import monotonic, perf_counter, time
from typing import Any, TypeVar

from django.db import connections

from .broker import queue
from .broker.queue import Wanted
from .changing import checking
from .changing.watching import models_of
from .cold import rows as cold
from .cold.transactions import after_commit, in_transaction, is_dirty, is_overtaken, mark
from .conf import check_size, limits, limits_of, may_serve, settings
from .declaring.declaration import Declaration, Variant
from .entry import Answer, Capture, Copy, Found, Limits, Search, microseconds, moment
from .exceptions import ComputeFailed, ComputeTimeout
from .hot import entries as hot
from .hot import lease
from .hot.lease import Flight, Landing
from .signals import refresh_failed, refresh_finished, source_undeclared, store_failed

T = TypeVar("T")
Look = Callable[[], Search[T]]

FIRST_RETRY, LAST_RETRY = 1.0, 300.0  # seconds after a failure until the next try: doubled each time, at most the ttl
MAX_ERROR = 1_000  # characters of an exception's text that a row keeps


class DatabaseOut(Exception):
    """A compute met a database that is out: it raised what the database did, and that could not be recorded."""


@dataclass
class Frame:
    """One compute under way: `oldest` is the earliest capture of anything it used."""

    declaration: Declaration[..., Any]
    oldest: float


_frame: ContextVar[Frame | None] = ContextVar("statistics_cache_frame", default=None)


def running() -> Frame | None:
    """Give the compute that the caller is part of, if it is."""
    return _frame.get()


def use(computed_at: float) -> None:
    """Note that the compute under way used a value of this age: it is itself no newer."""
    if (under_way := _frame.get()) is not None:
        under_way.oldest = min(under_way.oldest, computed_at)


_told: set[tuple[str, str]] = set()


def use_statistic(inner: Declaration[..., Any]) -> None:
    """Tell once of a statistic that is computed from another one without being computed from its sources.

    A change of what it does not name would never reach it.
    """
    if (under_way := _frame.get()) is None:
        return
    outer = under_way.declaration
    missing = models_of(inner) - models_of(outer)
    if missing and (outer.name, inner.name) not in _told:
        _told.add((outer.name, inner.name))
        names = ", ".join(sorted(model._meta.label for model in missing))
        source_undeclared.send_robust(sender=type(outer), outer=outer.name, inner=inner.name, missing=names)


@contextmanager
def frame(declaration: Declaration[..., Any], started: float) -> Iterator[Frame]:
    """Mark what is called inside as part of a compute, and of the one around it."""
    inner = Frame(declaration, started)
    reset = _frame.set(inner)
    try:
        yield inner
    finally:
        _frame.reset(reset)
        use(inner.oldest)


def settle(
    declaration: Declaration[..., T], variant: Variant, ended: Search[T], look: Look[T], *, takes_stale: bool = True
) -> Answer[T]:
    """Give what a search found fresh; what it found stale, if policy allows it, and have it refreshed by a worker.

    Else compute it, or take what another caller's compute brings: waits at most WAIT_TIMEOUT for that. Raises
    ComputeFailed, ComputeTimeout, or what the function raises.
    """
    deadline = monotonic() + settings().WAIT_TIMEOUT
    while (fresh := ended.fresh) is None:
        if takes_stale and ended.found is not None and may_give(declaration, ended.found):
            revalidate(declaration, variant, ended)
            return ended.found.answer()
        if ended.captured is None or not may_wait(declaration):
            return compute(declaration, variant, ended)
        if ended.is_blocked:
            return give_despite_failure(declaration, variant, ended)
        if (answer := fly_or_follow(declaration, variant, ended, look, deadline)) is not None:
            return answer
        if monotonic() >= deadline:
            return give_overdue(declaration, variant, ended, look)
        ended = look()
    return fresh.answer()


def may_give(declaration: Declaration[..., Any], found: Found[Any]) -> bool:
    """Tell whether a stale value answers a call; in a transaction that changed its source, a call computes."""
    return found.reason != "transaction" and may_serve(declaration, found)


def revalidate(declaration: Declaration[..., Any], variant: Variant, ended: Search[Any]) -> None:
    """Have a worker refresh what a search ended with: one message, however many readers there are.

    Nothing is queued where nothing could be stored (the database is out, or a transaction changed a source), nor while
    a compute that failed is not to be tried again.
    """
    if ended.captured is not None and not ended.is_blocked:
        queue.later(Wanted(declaration, variant, ended.captured.database, ended.row))


def may_wait(declaration: Declaration[..., Any]) -> bool:
    """Tell whether to wait for another's compute: not inside a transaction of SQLite, which may lock that one out."""
    alias = cold.alias_of(declaration)
    return connections[alias].vendor != "sqlite" or not in_transaction(alias)


def fly_or_follow(
    declaration: Declaration[..., T],
    variant: Variant,
    ended: Search[T],
    look: Look[T],
    deadline: float,
    retries: bool = False,
) -> Answer[T] | None:
    """Compute as the one of this process who does, or wait for that one; None if there is nothing to take."""
    name = lease.name_of(declaration, variant)
    flight, flies = lease.flights.board(name)
    if not flies:
        return follow(declaration, variant, flight, ended, deadline)
    try:
        return fly(declaration, variant, flight, look, deadline, retries)
    finally:
        lease.flights.end(name, flight)


def fly(
    declaration: Declaration[..., T],
    variant: Variant,
    flight: Flight,
    look: Look[T],
    deadline: float,
    retries: bool = False,
) -> Answer[T] | None:
    """Under the lease look again, and compute what still is not there; None if another process keeps the lease."""
    with lease.held(lease.name_of(declaration, variant), deadline) as is_mine:
        if not is_mine:
            return None
        again = look()
        if again.fresh is not None:
            return again.fresh.answer()
        if again.is_blocked:
            return give_despite_failure(declaration, variant, again)
        return compute(declaration, variant, again, flight, retries=retries)


def follow(
    declaration: Declaration[..., T], variant: Variant, flight: Flight, ended: Search[T], deadline: float
) -> Answer[T] | None:
    """Wait for a flight of this process and take what it brings, value or exception, if the follower may."""
    if not flight.landed.wait(max(0.0, deadline - monotonic())) or (landing := flight.landing) is None:
        return None
    if ended.captured is None or not shares(landing.copy, ended.captured, limits_of(declaration, variant)):
        flight.ended.wait(max(0.0, deadline - monotonic()))  # until then the next look would find this flight again
        return None
    if landing.error is not None:
        raise landing.error
    return Found(declaration.decode(landing.copy.payload), landing.copy, "fresh", None, time()).answer("computed")


def shares(copy: Copy, mine: Capture, bounds: Limits) -> bool:
    """Tell whether a value computed for another is fresh for a follower: its tokens equal those the follower read
    itself when it began, in both tiers, and its age is below the ttl. (Note [What a follower may take])"""
    same = (copy.hot, copy.database) == (mine.hot, mine.database)
    return same and mine.computed_at - copy.computed_at < bounds.ttl


def give_despite_failure(declaration: Declaration[..., T], variant: Variant, ended: Search[T]) -> Answer[T]:
    """While a failed compute is not to be tried again, give what is stale if policy allows it. Raises ComputeFailed."""
    if ended.found is not None and may_serve(declaration, ended.found):
        return ended.found.answer()
    text = ended.row.last_error if ended.row else ""
    raise ComputeFailed(
        f"{declaration.name} {variant.json}: its last compute failed ({text}). It is tried again soon; "
        "call .refresh(…) to try at once."
    )


def give_overdue(declaration: Declaration[..., T], variant: Variant, ended: Search[T], look: Look[T]) -> Answer[T]:
    """After WAIT_TIMEOUT give what is stale if policy allows it, else try once for the lease. Raises ComputeTimeout."""
    if ended.found is not None and may_serve(declaration, ended.found):
        return ended.found.answer()
    flight = Flight()  # nobody follows this one
    if (answer := fly(declaration, variant, flight, look, monotonic())) is not None:
        return answer
    raise ComputeTimeout(
        f"{declaration.name} {variant.json}: another compute of it took longer than WAIT_TIMEOUT "
        f"({settings().WAIT_TIMEOUT:g} s). Raise WAIT_TIMEOUT, hydrate it, or give it a stale_ttl above its ttl."
    )


def compute(
    declaration: Declaration[..., T],
    variant: Variant,
    ended: Search[T],
    flight: Flight | None = None,
    reason: str = "missing",
    *,
    retries: bool = False,
) -> Answer[T]:
    """Compute a value, share it with the flight, store it if a token was captured before, and give it as fresh.

    What the function raises is recorded on the entry. Raises DatabaseOut if the caller `retries`, and what it raised is
    the database's own and could not be recorded.
    """
    captured = ended.captured
    began = captured.computed_at if captured else microseconds(time())
    started = perf_counter()
    try:
        with frame(declaration, began) as used:
            value = declaration.call(variant)
        cost = perf_counter() - started
        payload = check_size(declaration, declaration.encode(value))
    except Exception as error:
        is_recorded = captured is not None and fail(declaration, variant, ended, captured, error, flight)
        if retries and not is_recorded and isinstance(error, cold.OUTAGES):
            raise DatabaseOut from error
        raise
    if captured is not None:
        copy = copy_of(replace(captured, computed_at=used.oldest), payload, cost)
        if flight is not None:
            flight.land(Landing(copy))
        why = (ended.found and ended.found.reason) or reason
        is_stored = keep(declaration, variant, copy, why, captured.mark)
        finished = {"key": variant.key, "cost": cost, "reason": why, "is_stored": is_stored}
        refresh_finished.send_robust(sender=type(declaration), statistic=declaration.name, **finished)
    return answer_computed(value, used.oldest, cost)


def copy_of(captured: Capture, payload: str, cost: float) -> Copy:
    """Give a value as the hot tier keeps it."""
    return Copy(payload, captured.computed_at, cost, captured.database, "hot", captured.hot, captured.proved_at)


def answer_computed(value: T, computed_at: float, cost: float) -> Answer[T]:
    """Give a value computed in this very read: fresh whatever it cost."""
    age = timedelta(seconds=max(0.0, time() - computed_at))
    return Answer(value, "fresh", None, "computed", moment(computed_at), age, timedelta(seconds=cost))


def fail(
    declaration: Declaration[..., Any],
    variant: Variant,
    ended: Search[Any],
    captured: Capture,
    error: Exception,
    flight: Flight | None,
) -> bool:
    """Share an exception with the flight, and note it on the row unless a transaction may be broken by it.

    Tells whether it is noted.
    """
    if flight is not None:
        flight.land(Landing(copy_of(captured, "", 0.0), error))
    if in_transaction(cold.alias_of(declaration)):
        return False
    retry_at = time() + pause_after(ended.row.failures if ended.row else 0, limits(declaration))
    try:
        record(declaration, variant, captured.database.generation, text_of(error), retry_at)
    except cold.OUTAGES as outage:
        store_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=outage)
        return False
    facts = {"key": variant.key, "error": error, "parameters": tuple(variant.texts.values())}
    refresh_failed.send_robust(sender=type(declaration), statistic=declaration.name, **facts)
    return True


def text_of(error: Exception) -> str:
    """Write an exception as every database can keep it: bounded, without NUL, "?" for what is no character."""
    name = type(error).__name__
    try:
        text = f"{name}: {error}"
    except Exception:  # noqa: BLE001  (whatever a class of the user's own raises when it is written)
        text = name
    return text[:MAX_ERROR].encode("utf-8", "replace").decode().replace("\0", "")


def record(declaration: Declaration[..., Any], variant: Variant, *facts: Any) -> None:
    """Note a failure on the row; on a new connection if the compute has left one that is of no use any more.

    A worker that ends a compute at its time limit leaves the connection in the middle of a statement.
    """
    try:
        cold.record_failure(declaration, variant, *facts)
    except cold.OUTAGES:
        if not is_dropped(cold.alias_of(declaration)):
            raise
        cold.record_failure(declaration, variant, *facts)


def is_dropped(alias: str) -> bool:
    """Close a connection that is of no use any more, and tell whether it was; not in the blocks of a `TestCase`."""
    connection = connections[alias]
    if connection.connection is None or connection.in_atomic_block:
        return False
    connection.close_if_unusable_or_obsolete()
    return connection.connection is None


def pause_after(failures: int, bounds: Limits) -> float:
    """Give the seconds until a compute that failed so often before is tried again; up to a tenth is added."""
    doubled = FIRST_RETRY * 2.0 ** min(failures, 20)
    return min(doubled, LAST_RETRY, bounds.ttl) * uniform(1.0, 1.1)


def keep(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str, taken: tuple[str, int]) -> bool:
    """Store a value, after the commit if there is a transaction: what may be rolled back is nobody else's to read.

    Tells whether it was stored, or will be tried. Nothing is stored from a transaction that changed a source, nor
    where this connection changed one since the token was taken, though that may have been rolled back.
    """
    alias = cold.alias_of(declaration)
    if is_dirty(alias, declaration.name) or is_overtaken(alias, declaration.name, taken):
        return False
    if in_transaction(alias):
        after_commit(alias, partial(store, declaration, variant, copy._replace(hot=None), reason))
        return True
    return store(declaration, variant, copy, reason)


def store(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str) -> bool:
    """Store cold, then hot, and tell whether it was done.

    What the fence refuses is stored nowhere; what the database cannot take is signalled.
    """
    try:
        passed = cold.store(declaration, variant, copy, time(), reason)
    except cold.OUTAGES as error:
        store_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
        return False
    if passed:
        hot.write(declaration, variant, copy)
    return passed


def capture(declaration: Declaration[..., Any], variant: Variant) -> Search[Any]:
    """Take the token of a compute that begins now: times, then hot generations, then the database's.

    There is none while the database is out (nothing that is computed could be proved), nor in a transaction that
    changed a source (nobody else may see what is computed), nor while a change is unchecked: then nothing is stored.
    """
    alias = cold.alias_of(declaration)
    if is_dirty(alias, declaration.name):
        return Search(None)
    at = microseconds(time())
    taken = mark(alias, declaration.name)
    hot_tokens = hot.read(declaration, variant).tokens or hot.start_tokens(declaration, [variant])[0]
    proofs = checking.prove(declaration, [variant])
    if proofs is None:
        return Search(None)
    proof = proofs[variant.key]
    if not proof.is_checked:
        return Search(None)
    return Search(None, Capture(at, at, hot_tokens, proof.database, taken), proof.row)


def refresh(declaration: Declaration[..., T], variant: Variant) -> Answer[T]:
    """Compute and store now, whatever is stored; within another compute, compute only."""
    is_stored = settings().ENABLED and running() is None
    ended = capture(declaration, variant) if is_stored else Search(None)
    return compute(declaration, variant, ended, reason="refresh")


# Note [What a follower may take]
# A flight may have begun long before its follower: before a change that the follower knows was delivered. The flight's
# tokens were captured before its function read anything; the follower read its own when it began. Equal sums in the
# database mean that nothing was committed in between, so the value holds all that was committed before the follower
# began. That is a proof, not a belief, so no proof age is asked for; a follower that could not ask the database has
# no token and takes nothing. A value that misses the test is of no use to the follower, which looks again.
