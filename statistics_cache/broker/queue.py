"""Asking a worker for a refresh: one message per entry and state, behind a breaker of the broker's own."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from time import time
from typing import Any, Literal, TypeVar

from celery import current_app
from django.core.cache import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.db import connections
from kombu.exceptions import OperationalError

from statistics_cache.breaker import Breaker
from statistics_cache.cold import rows as cold
from statistics_cache.cold.transactions import after_commit_together, in_transaction, is_manual
from statistics_cache.conf import bounded, limits, settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import queued_key
from statistics_cache.entry import Copy, Generations, Row
from statistics_cache.hot import asking, naming

from .schedule import REFRESH

R = TypeVar("R")
Published = Literal["queued", "already queued", "refused"]

# The header of a message that is forced, or has a floor; other code that reads the message does not mind one.
ASKED_AT = "asked_at"
ASKED_BY = "asked_by"  # the header of a message that the tick sends
ANY = "any"  # how a note is named that is of no state
OUTLIVES = 1.0  # seconds that a note outlives the lease, so that who queues again finds the lease expired
GRACE = 10.0  # seconds between the exception that ends a compute at its time limit and the kill
TURN = 0.4  # seconds that a thread waits for its turn: with the broker's own timeout of 0.5, less than a second

breaker = Breaker("broker", lambda: settings().BREAKER_PAUSE)
OWN_NOTES = 10_000  # of some 300 bytes each; Django's 300 would forget some while readers go round
_own = LocMemCache("statistics_cache.queued", {"max_entries": OWN_NOTES})  # this process's, while the hot tier is out


ASKED_FOR = 1.0  # seconds that a process asks nobody about what it found queued: else each stale hit is two round trips
MOST_ASKED = 10_000  # entries of which it remembers that
asked_until: dict[tuple[object, ...], float] = {}  # when to ask again, by entry and what was found of it


takers: list[Callable[["Wanted"], None]] = []  # in tests: the last one takes what is wanted, in the broker's place


def forget() -> None:
    """Begin anew, with a broker that is not known to be out."""
    breaker.forget()
    _own.clear()
    asked_until.clear()


class NoTransport(Exception):
    """Celery has no transport of the broker's scheme, or not the packages that it needs; W009 says so."""


class Turn:
    """The right of one thread of this process to talk to the broker. (Note [In turn])"""

    def __init__(self) -> None:
        """Begin with nobody's; in a forked child, too, for who had it stayed in the parent."""
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Take it from whoever has it."""
        self.lock = Lock()

    @contextmanager
    def taken(self) -> Iterator[bool]:
        """Wait for it; False if it did not come in time. Where tasks run eagerly there is nobody to talk to."""
        if current_app.conf.task_always_eager:
            yield True
            return
        lock = self.lock
        is_mine = lock.acquire(timeout=TURN)
        try:
            yield is_mine
        finally:
            if is_mine:
                lock.release()


turn = Turn()


@dataclass(frozen=True)
class Wanted:
    """A refresh that is wanted of an entry, and the state the entry was found in: what the database knew of it.

    `identity` is the database's. A `forced` one computes although the entry is fresh by then. With a `floor`, seconds,
    nobody queues another one for so long, whatever becomes of the state. (Note [At most so often]) One that
    `is_of_tick` was asked for by no reader.
    """

    declaration: Declaration[..., Any]
    variant: Variant
    database: Generations
    row: Row | None
    identity: str | None
    forced: bool = False
    floor: float = 0.0
    is_of_tick: bool = False

    @property
    def state(self) -> str:
        """Spell the state: another one when the source changes, when a compute is stored, and when one fails."""
        if self.floor:
            return ANY
        computed_at = self.row.copy.computed_at if self.row and self.row.copy else 0.0
        failures = self.row.failures if self.row else 0
        forced = ".forced" if self.forced else ""
        return f"{self.database.generation}.{self.database.epoch}.{computed_at:.6f}.{failures}{forced}"

    @property
    def note(self) -> str:
        """Name the note that it is queued. (Note [Queued once])"""
        names = self.declaration.name, self.declaration.fingerprint, self.variant.key, self.state
        return queued_key(naming.own_space(self.identity or ""), *names)

    @property
    def lasts(self) -> float:
        """Give the seconds for which its note stands."""
        return bounded(self.floor) or settings().LEASE_TTL + OUTLIVES


def later(wanted: Wanted) -> bool:
    """Queue a refresh unless one is queued for this state, after the commit if there is a transaction.

    Tells whether one is queued, or will be: False means that the broker is out, or that the commit cannot be seen
    (`set_autocommit(False)`). Never raises for that.
    """
    if takers:
        return publish(wanted) != "refused"
    alias = cold.alias_of(wanted.declaration)
    if not in_transaction(alias):
        return publish(wanted) != "refused"
    after_commit_together(alias, publish_all, wanted.note, wanted)
    return not is_manual(connections[alias])


def wanted_by_itself(declaration: Declaration[..., Any], variant: Variant, copy: Copy, identity: str | None) -> Wanted:
    """Name the refresh of an entry of which no more is known than a current copy."""
    row, floor = Row(copy, 0, "", None, None), declaration.floor(copy.cost)
    return Wanted(declaration, variant, copy.database, row, identity, floor=floor)


def later_by_itself(declaration: Declaration[..., Any], variant: Variant, copy: Copy, identity: str) -> None:
    """Queue a refresh of what the hot tier alone has shown to be old, as `later` does; while one reader asks, and for a
    second after it was found queued, the others of this process ask nobody."""
    asked = identity, declaration.fingerprint, variant.key, copy.computed_at, copy.hot
    if 0.0 < asked_until.get(asked, 0.0) - (now := time()) <= ASKED_FOR:  # else a clock was set back
        return
    wanted = wanted_by_itself(declaration, variant, copy, identity)
    if in_transaction(cold.alias_of(declaration)):
        later(wanted)
        return
    if len(asked_until) >= MOST_ASKED:
        asked_until.clear()
    asked_until[asked] = now + ASKED_FOR  # before it is asked: fifty readers at once leave that to the first
    published: Published = "refused"
    try:
        published = publish(wanted)
    finally:
        if published == "refused":
            asked_until.pop(asked, None)


def publish_all(several: Mapping[str, Wanted]) -> None:
    """Publish what was wanted in a transaction that has committed."""
    for wanted in several.values():
        publish(wanted)


def publish(wanted: Wanted) -> Published:
    """Publish one message unless the note says that it was; asks a broker that is out once per pause."""
    if takers:
        return hand_over(takers[-1], wanted)
    task = current_app.tasks[REFRESH]  # one that is not registered is no outage
    return publish_once(wanted.note, wanted.lasts, lambda: send(task, wanted))


def hand_over(take: Callable[[Wanted], None], wanted: Wanted) -> Published:
    """In a test have what is wanted taken in the broker's place, unless the note says that it was."""
    if not take_note(wanted.note, wanted.lasts):
        return "already queued"
    take(wanted)
    return "queued"


def publish_once(note: str, lasts: float, deed: Callable[[], None]) -> Published:
    """Publish a message of any kind, unless its note says that it was so many seconds ago at most."""
    if breaker.rests:
        return "refused"
    if not take_note(note, lasts):
        return "already queued"
    probes = breaker.is_open
    with turn.taken() as is_mine:
        if is_mine and (breaker.allows() if probes else not breaker.is_open) and is_sent(deed):
            return "queued"
    drop_note(note)
    return "refused"


def is_sent(deed: Callable[[], None]) -> bool:
    """Send, tell the breaker what came of it, and give whether the broker took it."""
    if (error := refusal(deed)) is not None:
        breaker.failed(error)
        return False
    breaker.succeeded()
    return True


def refusal(deed: Callable[[], None]) -> Exception | None:
    """Send, and give what the broker has against it, or that there is no way to talk to it; raise all else."""
    try:
        named = outages()
    except NoTransport as error:
        return error
    try:
        deed()
    except named as error:
        return error
    return None


def send(task: Any, wanted: Wanted) -> None:
    """Hand the message to Celery: names and JSON text alone. It expires as the note does, and is then queued anew.

    A forced one waits for as long as what is stored may be served, and says when it was asked for (Note
    [Asked for again]); one with a floor says so, too.
    """
    declaration = wanted.declaration
    lasts = bounded(wanted.floor) or settings().LEASE_TTL
    options: dict[str, Any] = {"expires": lasts, "ignore_result": True, "retry": False}
    if headers := headers_of(wanted):
        options["headers"] = headers
    options["shadow"] = f"{REFRESH} {declaration.name}"  # what Celery's own log lines call it
    if wanted.forced:
        options["expires"] = limits(declaration).stale_ttl
    if queue := declaration.queue or settings().QUEUE:
        options["queue"] = queue
    if limit := declaration.time_limit:
        seconds = bounded(limit.total_seconds())
        options |= {"soft_time_limit": seconds, "time_limit": seconds + GRACE}
    if current_app.conf.task_always_eager:
        options["throw"] = False  # what fails there is recorded on the entry, and is not the reader's
    task.apply_async(kwargs=arguments_of(wanted), **options)


def arguments_of(wanted: Wanted) -> dict[str, Any]:
    """Give what a message says: names and JSON text alone."""
    arguments = {"statistic": wanted.declaration.name, "parameters": wanted.variant.json}
    return arguments | ({"forced": True} if wanted.forced else {})


def headers_of(wanted: Wanted) -> dict[str, Any]:
    """Give what a message says beside that, to whoever knows of it."""
    asked_at = {ASKED_AT: time()} if wanted.floor or wanted.forced else {}
    return asked_at | ({ASKED_BY: "tick"} if wanted.is_of_tick else {})


def outages() -> tuple[type[Exception], ...]:
    """Give the errors that the broker's transport names as its own: a closed list. Raises NoTransport."""
    if current_app.conf.task_always_eager:
        return ()
    transport = load_transport(current_app.conf.broker_write_url)
    return (OperationalError, *transport.connection_errors, *transport.channel_errors)


def load_transport(url: str | None) -> Any:
    """Give kombu's transport to a broker; connects to nothing. Raises NoTransport."""
    try:
        return current_app.connection_for_write(url).transport
    except (LookupError, ImportError, AttributeError, ValueError) as error:  # what finding and importing a class raises
        raise NoTransport(lack_of(error)) from error


def lack_of(error: Exception) -> str:
    """Name what a transport lacks in words of our own: the error's may hold a part of a URL, and that of a password."""
    if isinstance(error, ImportError):
        return f"there is no module {error.name!r}" if error.name else "its module cannot be imported"
    return "Celery knows no transport of its scheme" if isinstance(error, LookupError) else "its URL cannot be read"


def take_note(name: str, lasts: float) -> bool:
    """Note for so many seconds that a message is queued; False if that is noted already."""
    return on_notes(lambda cache: cache.add(name, 1, timeout=lasts))


def keep_note(wanted: Wanted) -> None:
    """Let the note last as long as the lease that is taken now: who computes it needs nobody else to.

    That of a forced refresh is forgotten instead: whoever asks for another one from now on wants what is new by then.
    What has a floor is not asked for again until so long after now.
    """
    of_state = replace(wanted, floor=0.0)
    drop_note(replace(of_state, forced=True).note)
    for each in (of_state, wanted) if wanted.floor else (of_state,):
        on_notes(partial(set_note, wanted=each))


def set_note(cache: BaseCache, wanted: Wanted) -> None:
    """Let a note stand for its whole time from now."""
    cache.set(wanted.note, 1, timeout=wanted.lasts)


def hold_note(wanted: Wanted, seconds: float) -> None:
    """Let the note stand for so long, and no longer: until a failed compute may be tried again; its floor at least."""
    on_notes(lambda cache: cache.set(wanted.note, 1, timeout=max(seconds, wanted.floor, 0.001)))


def drop_note(name: str) -> None:
    """Forget that a refresh is queued: it is not."""
    on_notes(lambda cache: cache.delete(name))


def on_notes(operation: Callable[[BaseCache], R]) -> R:
    """Run an operation on the notes that all processes share; while the hot tier is out, on this process's own."""
    nothing: list[R] = []
    answered = asking.ask(lambda cache: [operation(cache)], default=nothing)
    return answered[0] if answered else operation(_own)


# Note [Queued once]
# However many readers find an entry stale, the first to add the note publishes. The note is of one state of the entry:
# its key holds the generations, the time of the stored compute and the number of failures. So what is queued for an
# earlier state never hides that the source has changed since, a stored refresh needs nobody to delete the note, and
# an entry that is stale again as soon as it is stored (its compute outlives its ttl) is queued again by its next
# reader. A note without the state would be deleted by whoever ends first, or block for its whole timeout. The message
# expires when the note does, so there is about one live message per entry and state, whatever becomes of workers.

# Note [Asked for again]
# A forced message outlives its note, so while no worker takes them there may be one a minute of an entry. Each says
# when it was asked for, and a worker drops those that were asked for before the stored compute began: the first one
# computes for all. Who asks while a compute is under way is served by a later one. A note that lasted as long as the
# message would do so, too, but would hide for as long that a message was lost.

# Note [At most so often]
# A source that is written all the time gives an entry another state with each write, and each would be asked for. Where
# `refresh_every` is declared the note is of no state: it stands until the floor is over, counted from when it was asked
# for, then from when a worker begins, and nobody asks before the stored compute is as old. The message expires with the
# note. One that a broker delivers twice, or that comes when somebody else has computed since it was sent, is dropped.

# Note [In turn]
# Celery lends ten connections per process (`broker_pool_limit`), and who finds none waits for one without a limit. Of
# thirty threads that found thirty stale entries as a broker stopped answering, ten waited for its timeout, ten for
# theirs and then their own: 1.7 s. In turn the first waits for the timeout and opens the breaker, and nobody else
# waits for longer than TURN. A message takes a broker that answers about a millisecond.
