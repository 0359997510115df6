"""Jitter: each variant has a ttl of its own, always the same: what was stored together does not end together."""

import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from hypothesis import given
from hypothesis import strategies as st
from time_machine import Traveller

from statistics_cache import statistic
from statistics_cache.conf import limits, limits_of
from statistics_cache.entry import Limits
from tests.samples import Color, shades, shelf, stock

ROOT = Path(__file__).parent.parent
SCRIPT = """
import django
django.setup()
from django.conf import settings
settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {"JITTER": 0.5}
from tests.test_jitter import ttl_of
print([ttl_of(text) for text in ("", "red", "blue")])
"""


def ttl_of(text: str) -> float:
    """Give the ttl of one variant of `shades`."""
    return limits_of(shades.declaration, shades.declaration.variant((text,), {})).ttl


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0")), jitter=st.floats(0.001, 0.99))
def test_a_ttl_is_shorter_by_up_to_jitter_always_by_as_much(text: str, jitter: float) -> None:
    """For any variant and any JITTER: above ttl * (1 - JITTER), not above ttl, and the same each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.conf.settings.STATISTICS_CACHE", {"JITTER": jitter})
        ttl = ttl_of(text)
        assert 300 * (1 - jitter) < ttl <= 300
        assert ttl_of(text) == ttl


def test_the_ttls_of_many_variants_are_spread(conf: Any) -> None:
    """Of 2,000 variants about a tenth falls into each tenth of the span."""
    conf(JITTER=0.5)
    tenths = Counter(int((ttl_of(str(number)) - 150) / 15) for number in range(2_000))
    assert set(tenths) == set(range(10))
    assert all(150 <= number <= 250 for number in tenths.values()), tenths


def test_two_statistics_of_one_parameter_differ(conf: Any) -> None:
    """It goes by the whole key, so statistics that are hydrated together do not fall due together."""
    conf(JITTER=0.5)
    other = statistic(name="tests.other")(count_text)
    variants = [found.declaration.variant(("red",), {}) for found in (shades, other)]
    assert variants[0].share != variants[1].share


def count_text(color: str) -> int:
    """Count letters."""
    return len(color)


def test_another_process_has_the_same_ttls(conf: Any) -> None:
    """Readers, workers and the tick agree in whatever process they are, whatever it hashes by."""
    conf(JITTER=0.5)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONHASHSEED": "1"}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == str([ttl_of(text) for text in ("", "red", "blue")])


def test_without_jitter_a_ttl_is_what_was_said(conf: Any) -> None:
    """JITTER = 0 is exact."""
    conf(JITTER=0)
    assert {ttl_of(str(number)) for number in range(100)} == {300}


def test_only_the_ttl_has_jitter(conf: Any) -> None:
    """How long an entry may be served at all, and how long it is believed, is what was said."""
    conf(JITTER=0.5, PROOF_INTERVAL=30)
    bounds = limits_of(stock.declaration, stock.declaration.variant((Color.RED,), {}))
    assert bounds.ttl != 300
    assert bounds == limits(stock.declaration)._replace(ttl=bounds.ttl) == Limits(bounds.ttl, 3_600, 30)


@pytest.mark.django_db(databases=["default", "postgres"])
@pytest.mark.usefixtures("backend")
def test_every_read_follows_it_in_both_tiers(clock: Traveller, conf: Any) -> None:
    """Fresh until its own ttl, stale from then on: hot, from the table, as `is_fresh`, as a peek, and one of many."""
    conf(JITTER=0.5)
    bounds = limits_of(shelf.declaration, shelf.declaration.variant((Color.RED,), {}))
    first = shelf.answer(Color.RED)
    for age, state in ((bounds.ttl - 0.01, "fresh"), (bounds.ttl, "stale"), (299.0, "stale")):
        clock.move_to(first.computed_at + timedelta(seconds=age))
        for flush in (False, True):
            if flush:
                caches["statistics"].clear()
            assert shelf.is_fresh(Color.RED) is (state == "fresh")
            entry = shelf.entry(Color.RED)
            assert entry is not None
            answers = [shelf.answer(Color.RED), *shelf.get_many([{"color": "red"}])]
            assert {entry.state, *(answer.state for answer in answers)} == {state}
            assert (shelf.get(Color.RED, allow_stale=False) is None) is (state == "stale")
    assert len({ttl_of(color) for color in Color}) == 2
