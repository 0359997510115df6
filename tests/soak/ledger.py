"""The oracle's memory: outside the database and the cache, shared by all processes, written by writers alone."""

from collections.abc import Iterable, Mapping
from ctypes import c_double, c_int64
from multiprocessing.sharedctypes import RawArray
from time import time
from typing import Any, NamedTuple

from statistics_cache.conf import settings
from tests.soak.declared import SCOPES, SHARED_ITEMS, SHARED_ORDERS, STRANGER, TARGETS, Seen
from tests.soak.sharing import Versions

KEPT = 4_096  # states of one writer and scope; no read takes so long that as many follow
FIELDS = 3  # numbers that make a state
NOTHING = 0.0

NOTHING_SHARED: Mapping[int, int] = dict.fromkeys((*SHARED_ITEMS, *SHARED_ORDERS), 0)


class State(NamedTuple):
    """What a writer has in a scope."""

    rows: int = 0
    amount: int = 0
    tags: int = 0


class Due(NamedTuple):
    """What was noted before a read began: each writer's change number, and since when a value must have been made.

    `dropped` binds fresh answers, `cleared` all; `shared` are the versions of rows that all writers move. `at` is when
    it was noted, in seconds since the Unix epoch.
    """

    numbers: list[int]
    dropped: float
    cleared: float
    shared: Mapping[int, int] = NOTHING_SHARED
    at: float = NOTHING


class Ledger:
    """Every state that was or is about to be committed, by its change number, and which of them is known to be."""

    def __init__(self, writers: int) -> None:
        """Begin with no rows anywhere: change 0 of every scope."""
        self.writers = range(writers)
        self.states: Any = RawArray(c_int64, writers * len(SCOPES) * KEPT * FIELDS)
        self.planned: Any = RawArray(c_int64, writers * len(SCOPES))
        self.noted: Any = RawArray(c_int64, writers * len(SCOPES))
        self.times: Any = RawArray(c_double, writers * len(SCOPES) * KEPT)
        self.dropped: Any = RawArray(c_double, writers * len(TARGETS))
        self.cleared: Any = RawArray(c_double, writers * len(TARGETS))
        self.versions = Versions(writers)

    def plan(self, writer: int, scope: int, state: State) -> None:
        """Take the next change number for a state that is about to be committed."""
        place = self.place(writer, scope)
        number = self.planned[place] + 1
        start = (place * KEPT + number % KEPT) * FIELDS
        self.states[start : start + FIELDS] = state
        self.planned[place] = number

    def note(self, writer: int, scopes: Iterable[int]) -> None:
        """Note that what was planned is committed: from now on every fresh answer must contain it."""
        for scope in scopes:
            place = self.place(writer, scope)
            self.times[place * KEPT + self.planned[place] % KEPT] = time()
            self.noted[place] = self.planned[place]

    def note_dropped(self, writer: int, entries: Iterable[int], at: float, *, cleared: bool) -> None:
        """Note that entries were invalidated or cleared by a command that began at a time."""
        times = self.cleared if cleared else self.dropped
        for entry in entries:
            times[writer * len(TARGETS) + entry] = at

    def due(self, entry: int) -> Due:
        """Give what an answer must contain if it is asked for now."""
        scope = SCOPES[TARGETS[entry].scope]
        numbers = [self.noted[self.place(writer, scope)] for writer in self.writers]
        places = [writer * len(TARGETS) + entry for writer in self.writers]
        dropped, cleared = max(self.dropped[at] for at in places), max(self.cleared[at] for at in places)
        return Due(numbers, dropped, cleared, self.versions.due(), time())

    def noticed(self, entry: int, due: Due) -> Due:
        """Give what of that a hot copy must hold: of another program's changes those that its proof has seen."""
        numbers, scope = list(due.numbers), SCOPES[TARGETS[entry].scope]
        before = due.at - settings().PROOF_INTERVAL
        numbers[STRANGER] = self.known_by(STRANGER, scope, before, numbers[STRANGER])
        return due._replace(numbers=numbers)

    def committed_by(self, entry: int, due: Due, before: float) -> Due:
        """Give what of that was known to be committed before a time; of what was dropped by hand nothing."""
        scope = SCOPES[TARGETS[entry].scope]
        numbers = [self.known_by(writer, scope, before, due.numbers[writer]) for writer in self.writers]
        return Due(numbers, NOTHING, due.cleared)

    def known_by(self, writer: int, scope: int, before: float, latest: int) -> int:
        """Give the last change, up to one, that was noted before a time."""
        start = self.place(writer, scope) * KEPT
        numbers = range(latest, max(0, latest - KEPT + 1), -1)
        return next((number for number in numbers if self.times[start + number % KEPT] <= before), 0)

    def faults(self, entry: int, seen: Seen, due: Due, *, fresh: bool) -> list[str]:
        """Give what is wrong with an answer."""
        scope = SCOPES[TARGETS[entry].scope]
        found = {share.owner: State(share.rows, share.amount, share.tags) for share in seen.shares}
        faults = [
            self.fault_of(writer, scope, found.get(writer, State()), due.numbers[writer], fresh=fresh)
            for writer in self.writers
        ]
        since = max(due.cleared, due.dropped) if fresh else due.cleared
        faults.append(f"made {since - seen.at:.3f} s before it was dropped" if seen.at < since else "")
        if TARGETS[entry].tells_items:
            faults += self.versions.faults(TARGETS[entry], seen.shared, due.shared if fresh else NOTHING_SHARED)
        return [fault for fault in faults if fault]

    def fault_of(self, writer: int, scope: int, state: State, due: int, *, fresh: bool) -> str:
        """Say what is wrong with one writer's share: of a change before the one due, or of none that ever was."""
        latest = self.planned[self.place(writer, scope)]
        if self.number_of(writer, scope, state, due if fresh else latest - KEPT + 1, latest) is not None:
            return ""
        old = self.number_of(writer, scope, state, latest - KEPT + 1, latest)
        what = "a state that never was (torn, or rolled back)" if old is None else f"change {old}"
        return f"writer {writer}: read {what}, {state}; due was change {due}, {self.state(writer, scope, due)}"

    def number_of(self, writer: int, scope: int, state: State, first: int, last: int) -> int | None:
        """Give the latest change number of a state among these, None if it has none."""
        numbers = range(last, max(first, 0) - 1, -1)
        return next((number for number in numbers if self.state(writer, scope, number) == state), None)

    def state(self, writer: int, scope: int, number: int) -> State:
        """Give the state of a change."""
        start = (self.place(writer, scope) * KEPT + number % KEPT) * FIELDS
        return State(*self.states[start : start + FIELDS])

    @staticmethod
    def place(writer: int, scope: int) -> int:
        """Give the place of a writer's numbers of a scope."""
        return writer * len(SCOPES) + scope
