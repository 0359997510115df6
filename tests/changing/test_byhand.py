"""Invalidating and clearing: what falls, what stays, and what never comes back."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import transaction
from time_machine import Traveller

from statistics_cache import computing, tokens
from statistics_cache.changing import byhand
from statistics_cache.cold import rows as cold
from statistics_cache.entry import Copy
from statistics_cache.exceptions import ParameterError
from statistics_cache.hot import generations
from statistics_cache.models import StatisticInvalidation
from tests import spaces
from tests.conftest import Backend
from tests.samples import Color, Computed, shelf, stock, total

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

VARIANTS: list[dict[str, Any]] = [{"color": color, "doubled": doubled} for color in Color for doubled in (False, True)]


def fresh() -> list[bool]:
    """Tell of each variant of `stock` whether it is fresh."""
    return [stock.is_fresh(**variant) for variant in VARIANTS]


@pytest.mark.parametrize(
    ("args", "named", "left"),
    [
        ((), {}, [False, False, False, False]),
        ((Color.RED,), {}, [False, False, True, True]),
        ((None,), {"doubled": None}, [False, False, False, False]),
        ((Color.RED,), {"doubled": True}, [True, False, True, True]),
        ((), {"doubled": True}, [True, False, True, False]),
    ],
)
def test_invalidating_is_exact(args: tuple[Any, ...], named: dict[str, Any], left: list[bool]) -> None:
    """Any subset of the parameters falls, and nothing else: siblings are proved and promoted, not computed."""
    stock.get_many(VARIANTS)
    stock.invalidate(*args, **named)
    assert fresh() == left
    Computed.counts.clear()
    stock.get_many(VARIANTS)
    assert Computed.of("stock") == left.count(False)


def test_in_a_transaction_the_part_falls_after_the_commit(
    backend: Backend, django_capture_on_commit_callbacks: Any
) -> None:
    """A part is as exact in a caller's transaction, and nothing is delivered before that commits."""
    stock.get_many(VARIANTS)
    captured = django_capture_on_commit_callbacks(using=backend.database, execute=True)
    with captured, transaction.atomic(using=backend.database):
        stock.invalidate(Color.RED, doubled=True)
        bumped = stock.declaration.variant((Color.RED,), {})
        assert spaces.read(stock, bumped).copy is not None
        assert reading_believes(bumped)
    assert fresh() == [True, False, True, True]


def reading_believes(variant: Any) -> bool:
    """Tell whether the hot copy's tokens still are those of now."""
    read = spaces.read(stock, variant)
    return read.copy is not None and read.copy.hot == read.tokens


def test_a_rolled_back_invalidation_leaves_no_trace(backend: Backend) -> None:
    """After a rollback every entry is as fresh as before."""
    stock.get_many(VARIANTS)
    with transaction.atomic(using=backend.database):
        stock.invalidate()
        transaction.set_rollback(True, using=backend.database)
    assert fresh() == [True] * 4
    assert not StatisticInvalidation.objects.exists()


@pytest.mark.parametrize("revalidating", [stock, shelf])
def test_what_is_cleared_never_comes_back(revalidating: Any, clock: Traveller) -> None:
    """After clearing both tiers nothing is served, not even as stale, and a late writer changes nothing."""
    revalidating(Color.RED)
    token = revalidating.token(Color.RED)
    value = revalidating(Color.RED)
    assert revalidating.clear(Color.RED) == 1
    assert revalidating.get(Color.RED, allow_stale=True) is None
    revalidating.set(Color.RED, result=value, token=token)
    assert revalidating.get(Color.RED, allow_stale=True) is None
    assert revalidating.answer(Color.RED).tier == "computed"


@pytest.mark.parametrize(
    ("named", "left"),
    [
        ({}, [False] * 4),
        ({"color": "red"}, [False, False, True, True]),
        ({"doubled": True}, [True, False, True, False]),
    ],
)
def test_clearing_is_exact(named: dict[str, Any], left: list[bool]) -> None:
    """Only what is named is cleared; the others stay current, and are not computed."""
    stock.get_many(VARIANTS)
    assert stock.clear(**named) == left.count(False)
    Computed.counts.clear()
    assert fresh() == left
    assert Computed.of("stock") == 0


def test_clearing_the_hot_tier_leaves_what_is_proved() -> None:
    """`tier="hot"` deletes copies alone; the next read promotes the row."""
    stock.get_many(VARIANTS)
    stock.clear(tier="hot")
    assert {answer.tier for answer in stock.get_many(VARIANTS)} == {"cold"}
    assert not StatisticInvalidation.objects.exists()


def test_a_tier_that_is_none_is_refused() -> None:
    """A misspelt tier clears nothing, least of all both."""
    stock(Color.RED)
    with pytest.raises(ParameterError, match=r"tests.stock: tier is 'hott'. Write 'both', 'hot' or 'cold'."):
        stock.clear(tier="hott")  # type: ignore[arg-type]
    assert stock.is_fresh(Color.RED)


def test_clearing_the_cold_tier_leaves_what_is_hot(clock: Traveller) -> None:
    """`tier="cold"` deletes rows alone; a hot copy at the database's generation is still proved."""
    stock.get_many(VARIANTS)
    assert stock.clear(tier="cold") == 4
    assert {answer.tier for answer in stock.get_many(VARIANTS)} == {"hot"}
    clock.shift(60)
    assert {answer.tier for answer in stock.get_many(VARIANTS)} == {"hot"}
    caches["statistics"].clear()
    assert {answer.tier for answer in stock.get_many(VARIANTS)} == {"computed"}


def test_clearing_what_is_old(clock: Traveller) -> None:
    """With an age, only entries computed before are cleared."""
    stock(Color.RED)
    clock.shift(100)
    stock(Color.BLUE)
    assert byhand.clear(stock.declaration, {}, "both", timedelta(seconds=50)) == 1
    assert fresh() == [False, False, True, False]


def test_statistics_are_apart() -> None:
    """Clearing one statistic leaves the others."""
    stock.get_many(VARIANTS)
    total()
    stock.clear_all()
    assert total.is_fresh()


def test_a_flush_forgets_no_invalidation() -> None:
    """The log lies in the database: after a flush an invalidated entry is still a miss."""
    stock(Color.RED)
    stock.invalidate(Color.RED)
    caches["statistics"].clear()
    assert stock.get(Color.RED) is None


def test_a_jump_is_random_and_positive() -> None:
    """Two invalidations never move a scope by a number that a third party could repeat by counting."""
    stock.invalidate()
    stock.invalidate()
    jumps = set(StatisticInvalidation.objects.values_list("jump", flat=True))
    assert len(jumps) == 2
    assert min(jumps) >= 1


def test_many_scopes_fall_as_one() -> None:
    """Above eight scopes one command moves the generation of every scope."""
    stock.get_many(VARIANTS)
    before = caches["statistics"].get_many(spaces.hot_keys(stock, "red"))
    generations.bump(spaces.identity_of(stock), {"tests.stock": [f"color={number}" for number in range(9)]})
    after = caches["statistics"].get_many(before)
    changed = [name for name in before if before[name] != after[name]]
    assert changed == [spaces.generation(stock, "*")]


def test_a_bump_leaves_a_missing_generation_missing() -> None:
    """Missing means unknown; only a reader gives it a start, at random."""
    generations.bump(spaces.identity_of(stock), {"tests.stock": ['color="red"', "*"]})
    assert caches["statistics"].get(spaces.generation(stock, "*")) is None


def test_a_bump_discards_what_is_no_number() -> None:
    """What stands in a generation's place is deleted rather than believed."""
    caches["statistics"].set(spaces.generation(stock, "*"), "foreign")
    generations.bump(spaces.identity_of(stock), {"tests.stock": ["*"]})
    assert caches["statistics"].get(spaces.generation(stock, "*")) is None


def test_what_is_stored_while_clearing_does_not_survive_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compute that began before a partial clearing and stores in its midst is cleared too."""
    stock(Color.BLUE)
    token = stock.token(Color.RED, doubled=True)
    look = cold.matching

    def store_after_the_look(*args: Any) -> Any:
        found = look(*args)
        late = stock.declaration.variant((Color.RED,), {"doubled": True})
        captured = tokens.read_token(stock.declaration, late, token)
        copy = Copy('{"pots":9,"litres":9}', captured.computed_at, 0.0, captured.database, "hot", captured.hot)
        computing.store(stock.declaration, late, copy, "set", captured)
        return found

    monkeypatch.setattr(cold, "matching", store_after_the_look)
    stock.clear(Color.RED)
    assert stock.get(Color.RED, doubled=True, allow_stale=True) is None
    assert stock.is_fresh(Color.BLUE)


def rows(**named: Any) -> list[int]:
    """Give the rows of the variants of `stock` that have these parameters."""
    texts = stock.declaration.some((), named)
    return cold.matching(stock.declaration, texts)


def test_invalidating_chosen_variants_is_exact() -> None:
    """These variants are computed anew; all others are proved and promoted, not computed."""
    stock.get_many(VARIANTS)
    chosen = [stock.declaration.variant((), variant) for variant in VARIANTS if variant["doubled"]]
    byhand.invalidate_variants(stock.declaration, chosen)
    assert fresh() == [True, False, True, False]
    Computed.counts.clear()
    stock.get_many(VARIANTS)
    assert Computed.of("stock") == 2


def test_clearing_chosen_rows_is_exact_and_for_good() -> None:
    """What is cleared does not come back, not even by who began before; the others stay as fresh as they were."""
    stock.get_many(VARIANTS)
    before = stock.token(Color.RED)
    value = stock.compute(Color.RED)
    assert byhand.clear_rows(stock.declaration, rows(color=Color.RED), "both") == 2
    stock.set(Color.RED, result=value, token=before)
    assert stock.get(Color.RED, allow_stale=True) is None
    Computed.counts.clear()
    assert fresh() == [False, False, True, True]
    stock.get_many(VARIANTS)
    assert Computed.of("stock") == 2


def test_clearing_the_hot_copies_of_chosen_rows() -> None:
    """The copies of these rows are gone from the cache, and the table answers; the others stay hot."""
    stock.get_many(VARIANTS)
    assert byhand.clear_rows(stock.declaration, rows(color=Color.RED), "hot") == 2
    assert [stock.answer(**variant).tier for variant in VARIANTS] == ["cold", "cold", "hot", "hot"]
