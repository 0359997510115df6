"""What is stored of a value in each tier, what a read answers, and how old either may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from math import inf
from typing import Any, Generic, Literal, NamedTuple, TypeVar

T_co = TypeVar("T_co", covariant=True)

State = Literal["fresh", "stale", "expired"]
Reason = Literal["transaction", "clock", "source", "age", "unproven"]
Tier = Literal["hot", "cold", "computed"]

CLOCK_TOLERANCE = 1.0  # seconds; hosts that NTP keeps differ by milliseconds, and a step back is larger
LONGEST_BLOCK = 330.0  # seconds: the longest pause after a failure is 300, and up to a tenth more
A_DAY = 86_400.0  # seconds
MAX_HEADER = 1_000  # characters: a key of 200, a few generations of 19 digits each, three times
END_OF_TIME = 253_402_300_799.0  # seconds since the Unix epoch: the last of year 9999, which a datetime still holds
REMEMBERED = 1_000  # times and costs: each hit of an entry gives the same
HEADER_VERSION = "statistic/1"  # text that is no integer: django-redis stores and returns integers raw


class Generations(NamedTuple):
    """The database's sums for one entry: all its scopes, and the epoch alone."""

    generation: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Capture:
    """A token with its times: what was known before a compute read anything.

    `computed_at` and `proved_at` are seconds since the Unix epoch, whole microseconds; `hot` holds the hot tier's
    generations (`*` first, then each scope), None where the hot tier could not tell. `mark` says on which connection it
    was taken, and how many changes of the statistic that connection had logged. What was computed `before` a moment was
    cleared when it was taken. `identity` is the database's, None where it has none yet. `beyond` is a generation that
    was found stored above the database's own sum, `ahead` a time that was found stored and had not come. (Note [What
    the fence lets pass])
    """

    computed_at: float
    proved_at: float
    hot: tuple[int, ...] | None
    database: Generations
    mark: tuple[str, int] = ("", 0)
    before: float = 0.0
    identity: str | None = None
    beyond: int | None = None
    ahead: float | None = None


class Copy(NamedTuple):
    """One tier's copy of an entry."""

    payload: str
    computed_at: float
    cost: float
    database: Generations
    tier: Literal["hot", "cold"]
    hot: tuple[int, ...] | None = None
    proved_at: float = 0.0

    def age(self, now: float) -> float:
        """Give the seconds since the compute began; not below 0."""
        return max(0.0, now - self.computed_at)

    def is_of_the_future(self, now: float, ahead: float = 0.0) -> bool:
        """Tell whether a clock stepped back since, by more than hosts differ and more than `ahead`: seconds."""
        return self.computed_at > now + max(CLOCK_TOLERANCE, ahead)


class Row(NamedTuple):
    """What the table says of one variant; `copy` is None where only a failure is recorded."""

    copy: Copy | None
    failures: int
    last_error: str
    retry_at: float | None
    failed_generation: int | None

    def is_blocked(self, generation: int, now: float) -> bool:
        """Tell whether the last compute failed, is not to be tried again yet, and nothing has changed since.

        A time further ahead than anybody waits was noted under a clock that has been set back, and blocks nothing.
        """
        is_ahead = self.retry_at is not None and now < self.retry_at <= now + LONGEST_BLOCK
        return is_ahead and self.failed_generation == generation


class Answer(NamedTuple, Generic[T_co]):
    """What a read gives: a value and where it comes from.

    `state` is "fresh" or "stale"; a stale answer has one `reason`. `tier` is where it was found, or "computed".
    `age` and `cost` are timedeltas, `computed_at` is the moment before the compute read anything.
    """

    value: T_co
    state: State
    reason: Reason | None
    tier: Tier
    computed_at: datetime
    age: timedelta
    cost: timedelta


class Found(NamedTuple, Generic[T_co]):
    """The best copy there is, decoded, and what it is worth at a moment (`at`, seconds since the Unix epoch)."""

    value: T_co
    copy: Copy
    state: State
    reason: Reason | None
    at: float
    is_changed: bool = False  # whether its source has, whatever the reason is
    left: float = inf  # the seconds for which it may still be given although its source has

    @property
    def is_current(self) -> bool:
        """Tell whether it was proved to be current, fresh or only old."""
        return self.state == "fresh" or (self.state == "stale" and self.reason == "age" and not self.is_changed)

    def answer(self, tier: Tier | None = None) -> Answer[T_co]:
        """Give this to a reader: the age is that of the moment at which the state was judged."""
        copy = self.copy
        age, cost = timedelta(seconds=copy.age(self.at)), lasting(copy.cost)
        return Answer(self.value, self.state, self.reason, tier or copy.tier, moment(copy.computed_at), age, cost)


class Search(NamedTuple, Generic[T_co]):
    """What a search ended with; `captured` is a token, taken before anything was looked at.

    `identity` is given with what the hot tier has shown to be current, and old, by itself: nobody computes from that.
    """

    found: Found[T_co] | None
    captured: Capture | None = None
    row: Row | None = None
    identity: str | None = None

    @property
    def fresh(self) -> Found[T_co] | None:
        """Give what was found, if it is fresh."""
        return self.found if self.found is not None and self.found.state == "fresh" else None

    @property
    def is_blocked(self) -> bool:
        """Tell whether a compute is not to be tried yet."""
        captured = self.captured
        return bool(self.row and captured and self.row.is_blocked(captured.database.generation, captured.computed_at))


@dataclass(frozen=True, slots=True)
class Entry(Generic[T_co]):
    """Everything known of one stored value; a peek that changes nothing.

    `generation` and `epoch` are those it was computed at; `expires_in` is the time until no policy may serve it.
    """

    statistic: str
    parameters: dict[str, Any]
    value: T_co
    state: State
    reason: Reason | None
    tier: Tier
    computed_at: datetime
    age: timedelta
    cost: timedelta
    expires_in: timedelta
    generation: int
    epoch: int
    schema: str
    size: int
    failures: int
    last_error: str


class Limits(NamedTuple):
    """How long an entry is fresh, servable, and believed without proof: seconds."""

    ttl: float
    stale_ttl: float
    proof: float


def judge(copy: Copy, now: float, limits: Limits, *, current: bool | None) -> tuple[State, Reason | None]:
    """Give the state of a copy and the reason; `current` is what the database says of its token, None if it is out.

    The first reason that holds is given: clock, source, age, unproven. Of what is further ahead than the proof interval
    nobody can tell the age: it may be older than any stale_ttl allows.
    """
    if copy.age(now) >= limits.stale_ttl:
        return "expired", "age"
    if copy.is_of_the_future(now, limits.proof):
        return "expired", "clock"
    if copy.is_of_the_future(now):
        return "stale", "clock"
    if current is False:
        return "stale", "source"
    if copy.age(now) >= limits.ttl:
        return "stale", "age"
    return ("fresh", None) if current else ("stale", "unproven")


def microseconds(seconds: float) -> float:
    """Round a time to whole microseconds, which every tier keeps exactly."""
    return round(seconds, 6)


@lru_cache(REMEMBERED)
def moment(seconds: float) -> datetime:
    """Give a time in seconds since the Unix epoch as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


@lru_cache(REMEMBERED)
def lasting(seconds: float) -> timedelta:
    """Give a number of seconds as a timedelta."""
    return timedelta(seconds=seconds)


def write_header(key: str, copy: Copy) -> str:
    """Give the text of a hot copy: one line that says what it is, then the payload."""
    tokens = ",".join(map(str, copy.hot or ()))
    times = f"{copy.computed_at:.6f} {copy.proved_at:.6f} {copy.cost:.6f}"
    database = f"{copy.database.generation} {copy.database.epoch}"
    return f"{HEADER_VERSION} {key} {tokens} {database} {times} {len(copy.payload)}\n{copy.payload}"


def read_header(key: str, text: object, most: int) -> Copy | None:
    """Read a hot copy with a payload of at most so many characters; None for anything else, whatever it is: another
    key's, truncated, foreign or hostile."""
    if not isinstance(text, str) or len(text) > most + MAX_HEADER:
        return None
    header, _, payload = text.partition("\n")
    try:
        version, named, tokens, generation, epoch, computed_at, proved_at, cost, length = header.split(" ")
        generations = Generations(int(generation), int(epoch))
        hot = tuple(map(int, tokens.split(",")))
        copy = Copy(payload, float(computed_at), float(cost), generations, "hot", hot, float(proved_at))
        is_whole = int(length) == len(payload)  # a number cut short is a number
    except ValueError:
        return None
    are_times = is_time(copy.computed_at) and is_time(copy.proved_at) and is_time(copy.cost)
    return copy if is_whole and are_times and version == HEADER_VERSION and named == key else None


class Header(NamedTuple):
    """The first line of a hot copy, taken apart: the same text under the same tokens means the same.

    `copy` is without its payload, of which `length` tells the characters.
    """

    line: bytes
    tokens: Sequence[bytes]
    length: int
    copy: Copy


def read_line(key: str, text: bytes, tokens: Sequence[bytes]) -> Header | None:
    """Read the first line of a hot copy that holds just these tokens; None for anything else, whatever it is."""
    line = text[: text.find(b"\n") + 1]
    header = line.decode(errors="replace").removesuffix("\n")
    copy = read_header(key, f"{header.rpartition(' ')[0]} 0\n", 0)
    length = header.rpartition(" ")[2]
    if copy is None or b",".join(tokens).decode(errors="replace") != ",".join(map(str, copy.hot or ())):
        return None
    return Header(line, tokens, int(length), copy) if length.isdecimal() else None


def is_known(copy: Copy, at: float, limits: Limits) -> bool:
    """Tell whether a hot copy under the tokens of now is known to be current: its proof is young, and neither that nor
    the copy is of the future."""
    is_proved = -CLOCK_TOLERANCE <= at - copy.proved_at < limits.proof
    return is_proved and at - copy.computed_at >= -CLOCK_TOLERANCE


def is_time(seconds: float) -> bool:
    """Tell whether a number of seconds is one that a datetime holds; nan is none."""
    return 0.0 <= seconds < END_OF_TIME


# Note [What the fence lets pass]
# After a restore or a failover that lost transactions a row may have a generation above the sum: no capture of this
# database can have it, and it would refuse every store until it is pruned. The proof that finds it notes the very
# number, and a store passes over a row of exactly that one. Not over any row above the sum of that moment: while it
# waits for another's store, that sum grows old, and an earlier capture would win. The same goes for a row of the
# future, left by a clock since set back: a clock that is read before a store that then stands still for half a minute
# would call another's new row one of the future. The clock is read after the row, and the store passes over that time
# alone.
