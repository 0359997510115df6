"""One compute per entry at a time: who flies computes, others wait for what lands, or take what is stale."""

from collections.abc import Callable
from time import monotonic, time
from typing import Any, TypeVar

from django.db import connections

from . import computing
from .broker import queue
from .broker.queue import Wanted
from .cold import rows as cold
from .cold.transactions import in_transaction
from .conf import limits_of, may_serve, settings
from .declaring.declaration import Declaration, Variant
from .entry import CLOCK_TOLERANCE, Answer, Capture, Copy, Found, Limits, Search
from .exceptions import ComputeFailed, ComputeTimeout
from .hot import lease
from .hot.lease import Flight
from .underway import use

T = TypeVar("T")
Look = Callable[[], Search[T]]


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
        if ended.captured is None or ended.captured.identity is None or not may_wait(declaration):
            return computing.compute(declaration, variant, ended)
        if ended.is_blocked:
            return give_despite_failure(declaration, variant, ended)
        answer = fly_or_follow(declaration, variant, ended, look, deadline, takes_stale=takes_stale)
        if answer is not None:
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
    a compute that failed is not to be tried again, nor before what was found is as old as `refresh_every` says. Who has
    read the hot tier alone cannot know of a failure, and finds it queued until then.
    """
    found, captured = ended.found, ended.captured
    if ended.is_blocked or (found and is_early(declaration, found.copy, found.at)):
        return
    if captured is not None:
        floor = declaration.floor(found.copy.cost) if found else 0.0
        queue.later(Wanted(declaration, variant, captured.database, ended.row, captured.identity, floor=floor))
    elif found is not None and ended.identity is not None:
        queue.later_by_itself(declaration, variant, found.copy, ended.identity)


def is_early(declaration: Declaration[..., Any], copy: Copy, now: float) -> bool:
    """Tell whether a copy is younger than its floor; one that is of the future is not."""
    return -CLOCK_TOLERANCE <= now - copy.computed_at < declaration.floor(copy.cost)


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
    takes_stale: bool = False,
) -> Answer[T] | None:
    """Compute as the one of this process who does, or wait for that one; None if there is nothing to take."""
    name = lease_of(declaration, variant, ended)
    flight, flies = lease.flights.board(name)
    if not flies:
        return follow(declaration, variant, flight, ended, deadline)
    try:
        return fly(declaration, variant, name, flight, ended, look, deadline, retries, takes_stale)
    finally:
        lease.flights.end(name, flight)


def lease_of(declaration: Declaration[..., Any], variant: Variant, ended: Search[Any]) -> str:
    """Name the lease of an entry under the identity that a search has captured."""
    identity = ended.captured.identity if ended.captured else None
    return lease.name_of(declaration, variant, identity or "")


def fly(
    declaration: Declaration[..., T],
    variant: Variant,
    name: str,
    flight: Flight,
    ended: Search[T],
    look: Look[T],
    deadline: float,
    retries: bool = False,
    takes_stale: bool = False,
) -> Answer[T] | None:
    """Under the lease look again, and compute what still is not there; None if another process keeps the lease, or if
    what it has stored meanwhile is stale again and may be given."""
    with lease.held(name, deadline, cost_of(ended)) as is_mine:
        if not is_mine:
            return None
        again = look()
        if again.fresh is not None:
            return again.fresh.answer()
        if again.is_blocked:
            return give_despite_failure(declaration, variant, again)
        if takes_stale and again.found is not None and may_give(declaration, again.found):
            return None
        return computing.compute(declaration, variant, again, flight, retries=retries)


def cost_of(ended: Search[Any]) -> float:
    """Give what the last compute of an entry cost, in seconds; 0 where nobody knows."""
    copy = (ended.row and ended.row.copy) or (ended.found and ended.found.copy)
    return copy.cost if copy else 0.0


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
    use(declaration, variant, landing.copy.computed_at)
    return Found(declaration.decode(landing.copy.payload), landing.copy, "fresh", None, time()).answer("computed")


def shares(copy: Copy, mine: Capture, bounds: Limits) -> bool:
    """Tell whether a value computed for another is fresh for a follower: its tokens equal those the follower read
    itself when it began, in both tiers, nobody has cleared it by its age, and that is below the ttl.
    (Note [What a follower may take])"""
    same = copy.database == mine.database and mine.hot in (None, copy.hot) and copy.computed_at >= mine.before
    return same and mine.computed_at - copy.computed_at < bounds.ttl


def give_despite_failure(declaration: Declaration[..., T], variant: Variant, ended: Search[T]) -> Answer[T]:
    """While a failed compute is not to be tried again, give what is stale if policy allows it. Raises ComputeFailed."""
    if ended.found is not None and may_serve(declaration, ended.found):
        return ended.found.answer()
    text = ended.row.last_error if ended.row else ""
    raise ComputeFailed(
        f"{declaration.name} {variant.shown}: its last compute failed ({text}). It is tried again soon; "
        "call .refresh(…) to try at once."
    )


def give_overdue(declaration: Declaration[..., T], variant: Variant, ended: Search[T], look: Look[T]) -> Answer[T]:
    """After WAIT_TIMEOUT give what is stale if policy allows it, else try once for the lease. Raises ComputeTimeout."""
    if ended.found is not None and may_serve(declaration, ended.found):
        return ended.found.answer()
    name, flight = lease_of(declaration, variant, ended), Flight()  # nobody follows this one
    if (answer := fly(declaration, variant, name, flight, ended, look, monotonic())) is not None:
        return answer
    raise ComputeTimeout(
        f"{declaration.name} {variant.shown}: another compute of it took longer than WAIT_TIMEOUT "
        f"({settings().WAIT_TIMEOUT:g} s). Raise WAIT_TIMEOUT, hydrate it, or give it a stale_ttl above its ttl."
    )


# Note [What a follower may take]
# A flight may have begun long before its follower: before a change that the follower knows was delivered. The flight's
# tokens were captured before its function read anything; the follower read its own when it began. Equal sums in the
# database mean that nothing was committed in between, so the value holds all that was committed before the follower
# began. That is a proof, not a belief, so no proof age is asked for; a follower that could not ask the database has
# no token and takes nothing. A value that misses the test is of no use to the follower, which looks again.
