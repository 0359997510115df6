"""How a story is told: each fact has its words, and no combination has none."""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import Any, get_args

import pytest

from statistics_cache.entry import Reason, State
from statistics_cache.explaining import sentences
from statistics_cache.explaining.facts import Change, ColdCopy, Facts, HotCopy, NextRead, Refresher
from tests.conftest import NOON

MINUTE = timedelta(minutes=1)
FACTS = Facts(
    statistic="tests.stock",
    parameters='{"color":"red"}',
    at=NOON,
    ttl=5 * MINUTE,
    stale_ttl=60 * MINUTE,
    changed_ttl=2 * MINUTE,
    sources=("tests.Paint",),
    state="fresh",
    computed_at=NOON - 3 * MINUTE,
    age=3 * MINUTE,
    cost=timedelta(seconds=1.25),
    by="read",
    why="missing",
    next_read="hot",
    refresher="worker",
    refresh_at=NOON + 2 * MINUTE,
)
NOTHING: dict[str, Any] = {"state": "missing", "computed_at": None, "age": None, "cost": None, "by": "", "why": ""}


def say(about: str, **facts: Any) -> str:
    """Give what is said about one thing."""
    return dict(sentences.told(replace(FACTS, **facts)))[about]


STATES = [
    ("missing", None, "Nothing is stored that a read could be given."),
    ("fresh", None, "Fresh: 3 min old, below its ttl of 5 min, and its source is as it was."),
    ("stale", "age", "Stale by its age: 3 min old, past its ttl of 5 min and below its stale_ttl of 1 h."),
    ("stale", "source", "Stale: its source has changed since it was computed."),
    ("stale", "clock", "Stale: it is of the future, so a clock was set back."),
    ("stale", "transaction", "Stale here: this transaction has changed its source and is not over yet."),
    ("stale", "unproven", "Stale: the database is down, so nobody can tell whether it is current."),
    ("expired", "age", "Expired: 3 min old, which is past its stale_ttl of 1 h."),
    ("expired", "source", "Expired: it has lacked a change for longer than its changed_ttl of 2 min."),
    ("expired", "clock", "Expired: it is so far in the future that nobody can tell its age."),
]


@pytest.mark.parametrize(("state", "reason", "text"), STATES)
def test_each_state_and_reason_has_its_words(state: str, reason: str | None, text: str) -> None:
    """Why a value is fresh, stale or expired is said in one sentence."""
    assert say("State", state=state, reason=reason) == text


def test_no_state_and_no_reason_is_left_out() -> None:
    """The table above has all there are."""
    told = {(state, reason) for state, reason, _ in STATES}
    assert told == set(sentences.STATES)
    assert {state for state, _ in told} == {*get_args(State), "missing"}
    assert {reason for _, reason in told} == {*get_args(Reason), None}


COMPUTED = [
    ({"by": "read", "why": "missing"}, "by a reader, because nothing was stored"),
    ({"by": "worker", "why": "age"}, "by a worker, because what was stored was older than its ttl"),
    ({"by": "tick", "why": "source"}, "by a worker that the tick had asked, because its source had changed"),
    ({"by": "command", "why": "refresh"}, "by a command, because .refresh() was called"),
    ({"by": "", "why": ""}, "by an unknown caller"),
    ({"by": "what another version wrote", "why": "for its own reasons"}, "by an unknown caller"),
]


@pytest.mark.parametrize(("facts", "text"), COMPUTED, ids=lambda given: str(given)[:20])
def test_when_by_whom_and_from_what(facts: dict[str, str], text: str) -> None:
    """A compute has a time, somebody who did it, a reason, a cost and its sources."""
    whole = f"3 min ago (2026-03-01 11:57:00 UTC), {text}, in 1.2 s, from tests.Paint."
    assert say("Computed", **facts) == whole


def test_what_was_never_computed() -> None:
    """Where nothing is known of a compute, that is said, and nothing of changes since."""
    told = dict(sentences.told(replace(FACTS, **NOTHING)))
    assert told["Computed"] == "Never, as far as is known."
    assert "Changed since" not in told
    assert say("Computed", sources=()).endswith("from no declared source.")


def test_what_changed_since() -> None:
    """The newest causes with their numbers and times, and how many more there are."""
    assert say("Changed since") == "Nothing."
    assert say("Changed since", is_changed=True) == "Something, but its cause is no longer kept."
    assert say("Changed since", is_database_out=True) == "The database is down, so nobody can tell."
    changes = tuple(Change("*", f"tests.Paint {at} saved", 1, NOON) for at in range(7))
    few = (Change("*", "by hand", 2, NOON), Change("*", "", 3, NOON), Change("", "", 1, NOON))
    at = "2026-03-01 12:00:00 UTC"
    assert say("Changed since", is_changed=True, changes=few) == (
        f"At least 6 changes: by hand (2 times, {at}); others (3 times, {at}); cleared ({at})."
    )
    assert say("Changed since", is_changed=True, changes=changes).endswith(f"tests.Paint 4 saved ({at}); 2 more.")
    assert (
        say("Changed since", is_changed=True, changes=changes[:1]) == f"At least 1 change: tests.Paint 0 saved ({at})."
    )


@pytest.mark.parametrize("name", get_args(NextRead))
def test_each_next_read_has_its_words(name: NextRead) -> None:
    """What a call does now is said; of what is given stale also when a worker is asked."""
    assert say("Next read", next_read=name).startswith(sentences.READS[name])
    assert set(sentences.READS) == set(get_args(NextRead))


def test_when_a_stale_read_asks_a_worker() -> None:
    """At once, later, or never."""
    said = [say("Next read", next_read="stale", asks_at=at) for at in (NOON, NOON + MINUTE, None)]
    assert said == [
        "It is given as stale. A worker is asked from now on.",
        "It is given as stale. A worker is asked from 2026-03-01 12:01:00 UTC (in 1 min) on.",
        "It is given as stale. No worker is asked.",
    ]


@pytest.mark.parametrize("name", get_args(Refresher))
def test_each_next_refresh_has_its_words(name: Refresher) -> None:
    """Who refreshes it next, and from when on."""
    text = say("Next refresh", refresher=name)
    assert text == sentences.REFRESHES[name] % {"when": "2026-03-01 12:02:00 UTC (in 2 min)"}
    assert set(sentences.REFRESHES) == set(get_args(Refresher))


def test_what_each_tier_holds() -> None:
    """Every combination has words of its own."""
    hots = [None, *(HotCopy(NOON, NOON, equal, equal and young) for equal, young in product([True, False], repeat=2))]
    told = [say("In the cache", hot=each) for each in hots] + [say("In the cache", is_cache_out=True)]
    assert len(set(told)) == 5
    assert told[0] == "No copy."
    colds = [None, *(ColdCopy(NOON, *each) for each in [(True, False), (False, False), (False, True)])]
    told = [say("In the table", cold=each) for each in colds] + [say("In the table", is_database_out=True)]
    assert len(set(told)) == 5


def test_what_failed() -> None:
    """How often, until when nobody tries, and why."""
    facts: dict[str, Any] = {"failures": 2, "last_error": "ValueError:\nno paint", "retry_at": NOON + MINUTE}
    assert say("Failed", **facts) == (
        "2 times since the last success, tried again from 2026-03-01 12:01:00 UTC (in 1 min) on: ValueError: no paint"
    )
    assert say("Failed", failures=1, last_error="x") == "1 time since the last success: x"


def test_a_story_can_be_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sentence is a message of gettext, whole, with names in place of what is said."""
    monkeypatch.setattr(sentences, "_", lambda text: f"<{text}>")
    for sentence in sentences.told(FACTS):
        assert sentence.about.startswith("<")
        assert "<" in sentence.text
