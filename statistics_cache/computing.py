"""The compute path: capture a token, call the function, store behind the fence."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import uniform
from time import perf_counter, time
from typing import Any, TypeVar

from django.db import connections

from .broker import queue
from .broker.queue import wanted_by_itself
from .changing import checking
from .cold import rows as cold
from .cold.transactions import after_commit, has_changed, in_transaction, is_dirty, is_overtaken, mark
from .conf import check_size, limits, settings
from .declaring.declaration import Declaration, Variant
from .entry import Answer, Capture, Copy, Limits, Search, microseconds, moment
from .hot import asking, generations
from .hot import entries as hot
from .hot.lease import Flight, Landing
from .identity import known
from .noting import undeclared
from .overrides import Override, override_of
from .signals import refresh_failed, refresh_finished, store_failed
from .tracing import span
from .underway import frame, running

T = TypeVar("T")

FIRST_RETRY, LAST_RETRY = 1.0, 300.0  # seconds after a failure until the next try: doubled each time, at most the ttl
MAX_ERROR = 1_000  # characters of an exception's text that a row keeps


class DatabaseOut(Exception):
    """A compute met a database that is out: it raised what the database did, and that could not be recorded."""


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
    the database's own and could not be recorded. What a test has put in the statistic's place is given instead.
    """
    if (override := override_of(declaration.name)) is not None:
        return give_instead(declaration, override)
    if ended.captured is not None and not ended.captured.hot and may_start(declaration, ended.captured):
        ended = ended._replace(captured=capture(declaration, variant).captured)
    captured = ended.captured
    began = captured.computed_at if captured else microseconds(time())
    started = perf_counter()
    try:
        with frame(declaration, variant, began) as used, undeclared.watched(declaration), span(declaration.name):
            returned = declaration.call(variant)
        cost = perf_counter() - started
        payload, value = declaration.encode(returned)
        check_size(declaration, payload)
    except Exception as error:
        is_recorded = captured is not None and fail(declaration, variant, ended, captured, error, flight)
        if retries and not is_recorded and isinstance(error, cold.OUTAGES):
            raise DatabaseOut from error
        raise
    if captured is not None:
        copy = copy_of(replace(captured, computed_at=used.oldest), payload, cost)
        if flight is not None:
            flight.land(Landing(copy) if may_share(declaration, captured) else None)
        why = (ended.found and ended.found.reason) or reason
        is_stored = keep(declaration, variant, copy, why, captured)
        finished = {"key": variant.key, "cost": cost, "reason": why, "is_stored": is_stored}
        refresh_finished.send_robust(sender=type(declaration), statistic=declaration.name, **finished)
    return answer_computed(value, used.oldest, cost)


def give_instead(declaration: Declaration[..., T], override: Override) -> Answer[T]:
    """Give what a test has put in the statistic's place, or raise it; it is stored nowhere."""
    if override.error is not None:
        raise override.error
    return answer_computed(declaration.decode(override.payload), microseconds(time()), 0.0)


def may_start(declaration: Declaration[..., Any], captured: Capture) -> bool:
    """Tell whether a search that found no generations can have some: who only reads what is not there makes none."""
    is_known = captured.identity is not None and captured.identity == known.in_force(cold.alias_of(declaration))
    return (
        is_known
        and declaration.consistency != "committed"
        and not asking.breaker.is_open
        and not in_transaction(cold.alias_of(declaration))
    )


def may_share(declaration: Declaration[..., Any], captured: Capture) -> bool:
    """Tell whether others may have what was computed now: not where it may hold what a transaction has not committed.

    The function may have written, and its caller may have changed what another statistic is computed from.
    """
    alias = cold.alias_of(declaration)
    return not (has_changed(alias) or is_overtaken(alias, declaration.name, captured.mark))


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
        flight.land(Landing(copy_of(captured, "", 0.0), error) if may_share(declaration, captured) else None)
    if in_transaction(cold.alias_of(declaration)):
        return False
    retry_at = time() + pause_after(ended.row.failures if ended.row else 0, limits(declaration))
    try:
        record(declaration, variant, captured.database.generation, text_of(error), retry_at)
    except cold.OUTAGES as outage:
        store_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=outage)
        return False
    if ended.row and ended.row.copy:
        queue.hold_note(wanted_by_itself(declaration, variant, ended.row.copy, captured.identity), retry_at - time())
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


def keep(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str, captured: Capture) -> bool:
    """Store a value, after the commit if there is a transaction: what may be rolled back is nobody else's to read.

    Tells whether it was stored, or will be tried; where the user's own transactions hide the commit it never is.
    Nothing is stored from a transaction that changed a source, nor where this connection changed one since the token
    was taken, though that may have been rolled back.
    """
    alias = cold.alias_of(declaration)
    if is_dirty(alias, declaration.name) or is_overtaken(alias, declaration.name, captured.mark):
        return False
    if in_transaction(alias):
        return after_commit(alias, partial(store, declaration, variant, copy._replace(hot=None), reason, captured))
    return store(declaration, variant, copy, reason, captured)


def store(declaration: Declaration[..., Any], variant: Variant, copy: Copy, reason: str, captured: Capture) -> bool:
    """Store cold, then hot, and tell whether it was done.

    What the fence refuses, and what was captured on another database, is stored nowhere; what the database cannot take
    is signalled.
    """
    try:
        if captured.identity != known.find(cold.alias_of(declaration)):
            return False
        passed = cold.store(declaration, variant, copy, reason, captured)
    except cold.OUTAGES as error:
        store_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
        return False
    if passed and captured.identity is not None:
        hot.write(declaration, variant, copy, captured.identity)
    return passed


def capture(declaration: Declaration[..., Any], variant: Variant) -> Search[Any]:
    """Take the token of a compute that begins now: times, then hot generations, then the database's.

    There is none while the database is out (nothing that is computed could be proved), nor in a transaction that
    changed a source (nobody else may see what is computed), nor while a change is unchecked: then nothing is stored.
    Within a transaction it has no hot part: the snapshot may be older than what was delivered since.
    """
    alias = cold.alias_of(declaration)
    if is_dirty(alias, declaration.name):
        return Search(None)
    at = microseconds(time())
    taken = mark(alias, declaration.name)
    identity = known.in_force(alias)
    tokens = None if in_transaction(alias) else hot_tokens_of(declaration, variant, identity)
    proofs = checking.prove(declaration, [variant])
    if proofs is None:
        return Search(None)
    proof = proofs[variant.key]
    if proof.identity != identity:
        if known.in_force(alias) == proof.identity:  # now it is known: from the start
            return capture(declaration, variant)
        tokens = None
    if not proof.is_checked:
        return Search(None)
    return Search(None, proof.capture(at, tokens, taken), proof.row)


def hot_tokens_of(declaration: Declaration[..., Any], variant: Variant, identity: str | None) -> tuple[int, ...] | None:
    """Give the hot generations of now, begun where they are missing; None while there is no hot tier, or it is out, and
    for a statistic whose readers always ask the database."""
    if identity is None or declaration.consistency == "committed":
        return None
    return (
        hot.read(declaration, variant, identity).tokens or generations.start_tokens(declaration, [variant], identity)[0]
    )


def refresh(declaration: Declaration[..., T], variant: Variant) -> Answer[T]:
    """Compute and store now, whatever is stored; within another compute, compute only."""
    is_stored = settings().ENABLED and running() is None and override_of(declaration.name) is None
    ended = capture(declaration, variant) if is_stored else Search(None)
    return compute(declaration, variant, ended, reason="refresh")
