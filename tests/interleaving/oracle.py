"""What the promise says of answers, from the changes themselves: it knows nothing of tokens, tiers or generations.

A change is a number: a row of the source, or a hand's invalidation or clearing (above ERASURES).
"""

from typing import NamedTuple

PROOF_INTERVAL = 30.0  # seconds, as in the settings that the actors run under
ERASURES = 100  # changes that are no rows of the source
MOVED = 150  # erasures by writes of rows that stay, move or go: no change where what is told stays the same
CLEARED = 200  # erasures after which no earlier value is given, not even as stale


class Reading(NamedTuple):
    """An answer that an actor waits for: what had been delivered, and at what time, when it began.

    Where the actor asks for what `is_committed`, it is what had been committed, whatever becomes of the cache.
    """

    delivered: frozenset[int]
    began: float
    is_committed: bool = False


def counted(marks: frozenset[int], *, is_told: bool) -> frozenset[int]:
    """Give the marks of a commit that are changes; those of moves only where what is told is another afterwards."""
    return frozenset(mark for mark in marks if is_told or not MOVED < mark <= CLEARED)


class Given(NamedTuple):
    """An answer: the changes that its value was computed from, and how it was marked."""

    changes: frozenset[int]
    state: str
    reason: str | None
    age: float


class Notes(NamedTuple):
    """What the oracle has seen; `kept` is what had been delivered when the replica was in step."""

    commits: tuple[tuple[int, float], ...] = ()
    delivered: frozenset[int] = frozenset()
    kept: frozenset[int] = frozenset()
    readings: tuple[tuple[int, Reading], ...] = ()

    @property
    def erasures(self) -> frozenset[int]:
        """Give the erasures that are committed."""
        return frozenset(change for change, _ in self.commits if change > ERASURES)

    def commit(self, changes: frozenset[int], now: float) -> "Notes":
        """Note that changes are committed."""
        known = {change for change, _ in self.commits}
        added = tuple((change, now) for change in sorted(changes - known))
        return self._replace(commits=tuple(sorted(self.commits + added)))

    def deliver(self, change: int) -> "Notes":
        """Note that a change's delivery is done."""
        return self._replace(delivered=self.delivered | {change})

    def begin(self, actor: int, now: float, is_committed: bool = False) -> "Notes":
        """Note that an actor begins to read."""
        there = frozenset(change for change, _ in self.commits) if is_committed else self.delivered
        return self._replace(readings=(*self.readings, (actor, Reading(there, now, is_committed))))

    def end(self, actor: int) -> "Notes":
        """Forget a reading."""
        return self._replace(readings=tuple(pair for pair in self.readings if pair[0] != actor))

    def lose(self) -> "Notes":
        """Note that the cache went back: what it was told since counts as not delivered, for readings under way too."""
        readings = tuple(
            (actor, reading if reading.is_committed else reading._replace(delivered=reading.delivered & self.kept))
            for actor, reading in self.readings
        )
        return self._replace(delivered=self.delivered & self.kept, readings=readings)

    def required(self, actor: int) -> frozenset[int]:
        """P1 and P3: what a fresh answer must hold."""
        reading = dict(self.readings)[actor]
        committed = {change for change, _ in self.commits}
        proved = {change for change, at in self.commits if reading.began - at > PROOF_INTERVAL}
        return (reading.delivered & committed) | proved

    def fault(self, actor: int, given: Given) -> str | None:
        """Tell what is wrong with an answer, if anything is."""
        required = self.required(actor)
        missing = required - given.changes
        uncommitted = given.changes - {change for change, _ in self.commits}
        if (given.state == "fresh" or given.reason == "age") and missing:  # what is only old is current
            return f"P1/P3: marked {given.reason or 'fresh'} without {sorted(missing)}"
        if missing and dict(self.readings)[actor].is_committed:
            return f"committed: {given.state} without {sorted(missing)}"
        if any(change > CLEARED for change in missing):
            return f"P4: what {sorted(missing)} cleared came back"
        if uncommitted:
            return f"P5: holds {sorted(uncommitted)}, which is not committed"
        if given.state != "fresh" and (given.state != "stale" or not given.reason or given.age >= 3600):
            return f"P2: {given.state} without a reason, or too old"
        return None
