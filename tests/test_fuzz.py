"""Whatever text is found in Redis, a row, a message, a file or on a command line: only our own errors come out."""

import logging
from random import Random

import pytest

from statistics_cache.declaring.declaration import Declaration
from tests.fuzz.running import play, play_all
from tests.fuzz.targets import TARGETS, Target

CASES = 18_000  # a few seconds; by hand a million


def test_only_our_own_errors_come_out(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that is read makes anything fail but with an error that says what was wrong."""
    caplog.set_level(logging.CRITICAL, logger="statistics_cache")
    faults = list(play_all(CASES, seed=1))
    assert faults == []


def test_each_reader_accepts_and_refuses(caplog: pytest.LogCaptureFixture) -> None:
    """The cases are worth playing: each reader that has errors of its own meets text that is right and text that is
    wrong."""
    caplog.set_level(logging.CRITICAL, logger="statistics_cache")
    for name, target in TARGETS.items():
        ended = {how_it_ends(target, Random(f"1 {number}")) for number in range(400)}
        assert ended == ({"given", "refused"} if target.own else {"given"}), name


def how_it_ends(target: Target, random: Random) -> str:
    """Tell whether a case is refused."""
    try:
        target.read(random)
    except target.own:
        return "refused"
    return "given"


def test_a_reader_that_lets_another_error_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that does not wrap what pydantic raises is found within some hundred cases."""
    monkeypatch.setattr(Declaration, "decode", lambda self, payload: self.result.validate_json(payload))
    assert any(play("payload", f"1 {number}") for number in range(300))
