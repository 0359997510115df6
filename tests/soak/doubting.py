"""The oracle's memory under outages: what is due also depends on whether a change was delivered, and when.

(Note [What is due under outages])
"""

from collections.abc import Iterable
from ctypes import c_double, c_int64
from math import inf
from multiprocessing.sharedctypes import RawArray
from time import time
from typing import Any, Literal, NamedTuple

from tests.soak.chaos_settings import LEASE_TTL, PROOF_INTERVAL
from tests.soak.declared import SCOPES, TARGETS
from tests.soak.ledger import NOTHING, Due, Ledger

Hurt = Literal["database", "undone"]
HURTS = ("database", "undone")  # the database is out; deliveries are undone: the cache has an older state again


class Dues(NamedTuple):
    """What was noted before a read began, at a time: what is committed, and what of it is delivered."""

    at: float
    committed: Due
    delivered: Due


class DoubtingLedger(Ledger):
    """A ledger that tells what is committed from what is delivered, and knows when servers were hurt."""

    def __init__(self, writers: int) -> None:
        """Begin with nothing hurt."""
        super().__init__(writers)
        places, entries = writers * len(SCOPES), writers * len(TARGETS)
        self.delivered: Any = RawArray(c_int64, places)
        self.dropped_noted: Any = RawArray(c_double, entries)
        self.cleared_noted: Any = RawArray(c_double, entries)
        self.dropped_delivered: Any = RawArray(c_double, entries)
        self.cleared_delivered: Any = RawArray(c_double, entries)
        self.active: Any = RawArray(c_int64, len(HURTS))
        self.ended: Any = RawArray(c_double, len(HURTS))
        self.killed: Any = RawArray(c_double, 1)  # when a process was killed that may have held leases

    def note_delivered(self, writer: int, scopes: Iterable[int]) -> None:
        """Note that what is committed is delivered: from now on hot answers must contain it, too."""
        for scope in scopes:
            place = self.place(writer, scope)
            self.delivered[place] = self.noted[place]

    def note_dropped(self, writer: int, entries: Iterable[int], at: float, *, cleared: bool) -> None:
        """Note that entries were invalidated or cleared, and when that was known."""
        noted = self.cleared_noted if cleared else self.dropped_noted
        for entry in entries:
            noted[writer * len(TARGETS) + entry] = inf  # until the other number is there
            super().note_dropped(writer, [entry], at, cleared=cleared)
            noted[writer * len(TARGETS) + entry] = time()

    def note_drops_delivered(self, writer: int, entries: Iterable[int], at: float, *, cleared: bool) -> None:
        """Note that such a command is delivered."""
        times = self.cleared_delivered if cleared else self.dropped_delivered
        for entry in entries:
            times[writer * len(TARGETS) + entry] = at

    def take_back(self, writer: int) -> list[int]:
        """Forget what was planned and never committed; give the scopes."""
        scopes = self.in_doubt(writer)
        for scope in scopes:
            place = self.place(writer, scope)
            self.planned[place] = self.noted[place]
        return scopes

    def in_doubt(self, writer: int) -> list[int]:
        """Give the scopes of what is planned and not noted."""
        places = {scope: self.place(writer, scope) for scope in SCOPES.values()}
        return [scope for scope, place in places.items() if self.planned[place] != self.noted[place]]

    def begin(self, hurt: Hurt) -> None:
        """Note that something is about to be hurt."""
        self.active[HURTS.index(hurt)] += 1

    def end(self, hurt: Hurt) -> None:
        """Note that it is no more."""
        self.ended[HURTS.index(hurt)] = time()
        self.active[HURTS.index(hurt)] -= 1

    def was_hurt(self, hurt: Hurt, since: float) -> bool:
        """Tell whether something is hurt, or was at any time since a moment."""
        number = HURTS.index(hurt)
        return bool(self.active[number]) or self.ended[number] >= since

    def note_killed(self) -> None:
        """Note that a process that computes has just been killed."""
        self.killed[0] = time()

    def may_hold_leases(self, since: float) -> bool:
        """Tell whether a lease that a killed process has left may have stood at any time since a moment."""
        return bool(self.killed[0] >= since - LEASE_TTL)

    def dues(self, entry: int) -> Dues:
        """Give what answers must contain if one is asked for now."""
        scope, places = SCOPES[TARGETS[entry].scope], [writer * len(TARGETS) + entry for writer in self.writers]
        numbers = [self.delivered[self.place(writer, scope)] for writer in self.writers]
        dropped = max(self.dropped_delivered[at] for at in places)
        cleared = max(self.cleared_delivered[at] for at in places)
        return Dues(time(), super().due(entry), Due(numbers, dropped, cleared))

    def noticed(self, entry: int, due: Due) -> Due:  # noqa: ARG002
        """Give what is due as it is: `believed` has seen to it that nobody delivers what another program writes."""
        return due

    def believed(self, entry: int, dues: Dues) -> Due:
        """Give what a hot copy must contain that is believed by itself."""
        proved = self.proved(entry, dues)
        if self.was_hurt("undone", dues.at - PROOF_INTERVAL):
            return proved
        numbers = [max(pair) for pair in zip(proved.numbers, dues.delivered.numbers, strict=True)]
        dropped = max(proved.dropped, dues.delivered.dropped)
        return Due(numbers, dropped, max(proved.cleared, dues.delivered.cleared))

    def proved(self, entry: int, dues: Dues) -> Due:
        """Give what every fresh answer must contain: what was known to be committed PROOF_INTERVAL before."""
        scope, before = SCOPES[TARGETS[entry].scope], dues.at - PROOF_INTERVAL
        numbers = [self.known_by(writer, scope, before, dues.committed.numbers[writer]) for writer in self.writers]
        places = [writer * len(TARGETS) + entry for writer in self.writers]
        dropped = max(self.dropped[at] if self.dropped_noted[at] <= before else NOTHING for at in places)
        cleared = max(self.cleared[at] if self.cleared_noted[at] <= before else NOTHING for at in places)
        return Due(numbers, min(dropped, dues.committed.dropped), min(cleared, dues.committed.cleared))

    def committed_by(self, entry: int, due: Due, before: float) -> Due:
        """Give what of that was known to be committed before a time, also by hand."""
        places = [writer * len(TARGETS) + entry for writer in self.writers]
        dropped = max(self.dropped[at] if self.dropped_noted[at] <= before else NOTHING for at in places)
        return super().committed_by(entry, due, before)._replace(dropped=min(dropped, due.dropped))

    def unproven(self, dues: Dues) -> Due:
        """Give what a hot copy must contain while nobody can prove it: what was cleared and delivered is gone."""
        cleared = dues.delivered.cleared
        return Due(dues.delivered.numbers, NOTHING, NOTHING if self.was_hurt("undone", cleared) else cleared)


# Note [What is due under outages]
# A change is committed when its writer knows so: at once, or after an outage by looking at the database past the app.
# It is delivered when the writer's own breaker is closed after it: then its bump, and any that were owed, came through.
# A commit whose reply was lost is committed and never delivered.
# What the database proves or computes in a read (tier cold or computed, reason source) holds all that is committed.
# A hot copy that is believed, fresh or only old, was proved less than PROOF_INTERVAL before the read: it holds all that
# was committed that long before, whatever happened since (P3, P4); and all that was delivered (P1), unless the cache
# got an older state back within that time: then deliveries are undone, and the first alone counts. No other outage
# weakens P1: a cache that was flushed, killed or evicted from knows no generations, and unknown is never believed.
# With the database out a stale hot copy may miss what was not delivered for as long as it may be served.
