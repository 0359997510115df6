"""Nothing in the hot tier grows for ever: what nobody reads any more expires, and what is not there makes no key."""

from math import inf
from typing import Any

import pytest
from django.core.cache import caches

from statistics_cache.entry import A_DAY
from tests import spaces
from tests.conftest import BACKENDS
from tests.samples import STALE_TTL, Color, stock

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]


def seconds_left(name: str) -> float:
    """Give how long the server keeps a key; infinitely many for ever."""
    found = caches["statistics"].pttl(name)  # type: ignore[attr-defined]
    return inf if found is None else float(found) / 1000


def names() -> list[str]:
    """Give the keys that there are."""
    return sorted(caches["statistics"].keys("*"))  # type: ignore[attr-defined]


def test_a_scope_s_generation_expires_after_all_that_is_stored_under_it() -> None:
    """A day, or longer than `stale_ttl`; that of every scope has no end, for all variants would ask at once."""
    stock(Color.RED)
    _, every, scope = spaces.hot_keys(stock, Color.RED)
    assert seconds_left(every) == inf
    assert max(STALE_TTL.total_seconds(), A_DAY) - 60 < seconds_left(scope) <= 1.1 * A_DAY


def test_what_is_stored_keeps_its_generation() -> None:
    """Storing a value begins its day anew."""
    stock(Color.RED)
    _, _, scope = spaces.hot_keys(stock, Color.RED)
    caches["statistics"].expire(scope, 5)  # type: ignore[attr-defined]
    stock.refresh(Color.RED)
    assert A_DAY - 60 < seconds_left(scope) <= 1.1 * A_DAY


def test_a_change_keeps_when_a_generation_expires() -> None:
    """A delivery moves it, and no more."""
    stock(Color.RED)
    _, _, scope = spaces.hot_keys(stock, Color.RED)
    caches["statistics"].expire(scope, 500)  # type: ignore[attr-defined]
    stock.invalidate(Color.RED)
    assert seconds_left(scope) <= 500


@pytest.mark.parametrize("read", [stock.get, stock.is_fresh, stock.entry])
def test_a_read_of_what_is_not_there_makes_no_key(read: Any) -> None:
    """Whoever asks for a thousand variants that nobody computes leaves nothing behind."""
    read(Color.RED)
    assert names() == []


def test_an_expired_generation_is_made_before_the_proof() -> None:
    """What is stored is promoted again under another one."""
    stock(Color.RED)
    held = spaces.hot_keys(stock, Color.RED)
    before = caches["statistics"].get(held[2])
    caches["statistics"].delete(held[2])
    assert [stock.answer(Color.RED).state for _ in range(2)] == ["fresh"] * 2
    assert caches["statistics"].get(held[2]) not in (None, before)
