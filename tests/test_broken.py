"""Broken versions of the protocol, each caught: the negative of a law that the other tests state."""

from typing import Any

import pytest
from django.core.cache import caches
from time_machine import Traveller

from statistics_cache import judging
from statistics_cache.entry import Copy
from statistics_cache.hot import asking, generations, naming
from statistics_cache.hot import entries as hot
from tests.models import Paint
from tests.samples import Color, stock
from tests.spaces import hot_keys, identity

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


def lost_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit a change whose delivery never reaches the cache."""
    with monkeypatch.context() as lost:
        lost.setattr(generations, "bump", lambda *_: None)
        Paint.objects.create(color="red", litres=1)
        stock.invalidate(Color.RED)


def test_without_a_proof_age_a_lost_delivery_lasts(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """P3: a hot hit is believed for PROOF_INTERVAL; without that limit the old value is fresh until its ttl."""
    stock(Color.RED)
    lost_delivery(monkeypatch)
    clock.shift(31)
    with monkeypatch.context() as broken:
        broken.setattr(judging, "believed", lambda copy, read, _: copy.hot == read.found)
        broken.setattr(judging, "is_to_prove", lambda *_: False)
        assert stock(Color.RED).litres == 0
    assert stock(Color.RED).litres == 1


def test_if_none_equalled_none_an_eviction_would_resurrect(monkeypatch: pytest.MonkeyPatch) -> None:
    """P1: an entry whose generations are gone is unproven; if missing equalled missing it would be fresh."""
    stock(Color.RED)
    lost_delivery(monkeypatch)
    variant = stock.declaration.variant((Color.RED,), {})
    caches["statistics"].delete_many(naming.hot_keys(stock.declaration, variant, naming.own_space(identity()))[1:])
    with monkeypatch.context() as broken:
        broken.setattr(judging, "believed", equal_if_missing)
        assert stock(Color.RED).litres == 0
    assert stock(Color.RED).litres == 1


def equal_if_missing(copy: Copy, read: hot.Read, _: Any) -> bool:
    """Compare tokens as if what is missing on both sides were the same."""
    return all(now is None or now == then for now, then in zip(read.found, copy.hot or (), strict=True))


def test_without_the_generation_of_every_scope_a_clear_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read that leaves out `*` believes an entry that a clear has dropped."""
    stock(Color.RED)
    stock.clear()
    with monkeypatch.context() as broken:
        broken.setattr(judging, "believed", lambda copy, read, _: copy.hot[1:] == read.found[1:])
        assert stock.get(Color.RED) is not None
    assert stock.get(Color.RED) is None


def test_a_generation_that_is_set_back_resurrects(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bump that sets a fixed number instead of moving at random makes an old entry fresh after a flush."""
    names = hot_keys(stock, Color.RED)
    with monkeypatch.context() as broken:
        for module in (asking, generations):
            broken.setattr(module, "randint", lambda *_: 1)
        stock(Color.RED)
        old = caches["statistics"].get(names[0])
        lost_delivery(broken)
        caches["statistics"].delete_many(names)
        assert stock(Color.RED).litres == 1
        caches["statistics"].set(names[0], old)
        assert stock(Color.RED).litres == 0, "the same numbers came again"
    caches["statistics"].delete_many(names)
    assert stock(Color.RED).litres == 1
