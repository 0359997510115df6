"""`run_refreshes_inline`, `capture_refreshes` and `age_entry`: what a worker and time would do."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from statistics_cache import UnknownStatistic
from statistics_cache.models import StatisticEntry
from statistics_cache.testing import age_entry, assert_computes, capture_refreshes, run_refreshes_inline
from statistics_cache.tidying import Out
from statistics_cache.upkeep import queue_wanted
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, shelf, stock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("hot_tier")]
OLD = timedelta(minutes=10)
RED = ("tests.stock", {"color": Color.RED, "doubled": False})


def aged(color: Color = Color.RED) -> None:
    """Store an entry that is older than its ttl."""
    stock(color)
    age_entry(stock, color, by=OLD)


def test_an_aged_entry_is_old_in_both_tiers() -> None:
    """It is stale by age in the cache, in the table, and a miss beyond its stale_ttl."""
    with capture_refreshes():
        aged()
        found = stock.answer(Color.RED)
        assert (found.state, found.reason, found.tier) == ("stale", "age", "hot")
        assert OLD <= found.age < OLD + timedelta(minutes=1)
        stock.clear(Color.RED, tier="hot")
        assert stock.answer(Color.RED)[1:4] == ("stale", "age", "cold")
        age_entry("tests.stock", color="red", by=timedelta(hours=1))
        assert stock.get(Color.RED) is None
        assert stock.answer(Color.RED).tier == "computed"


def test_one_variant_alone_is_aged() -> None:
    """Other variants stay as they are."""
    stock(Color.BLUE)
    aged()
    assert stock.answer(Color.BLUE).state == "fresh"


def test_what_cannot_be_aged_is_refused() -> None:
    """What is not stored, an unknown name, no time at all."""
    with pytest.raises(LookupError, match=r'tests\.stock {"color":"red".*nothing is stored'):
        age_entry(stock, Color.RED, by=OLD)
    with pytest.raises(UnknownStatistic):
        age_entry("tests.stok", by=OLD)
    with pytest.raises(ValueError, match="Give a timedelta above 0"):
        age_entry(stock, Color.RED, by=timedelta(0))


def test_a_refresh_runs_before_the_next_read(messages: Messages) -> None:
    """Who found it stale is given that; the next one what a worker computed. The broker is sent nothing."""
    aged()
    with run_refreshes_inline(), assert_computes(1, stock):
        assert stock.answer(Color.RED).state == "stale"
        found = stock.answer(Color.RED)
        assert (found.state, found.tier) == ("fresh", "hot")
    assert StatisticEntry.objects.get().computed_by == "worker"
    assert messages.take() == []


def test_a_refresh_that_is_asked_for_later_runs_too(django_capture_on_commit_callbacks: Any) -> None:
    """`.refresh_later` computes what is fresh; in a transaction it waits until that is over, or the block is."""
    stock(Color.RED)
    with run_refreshes_inline():
        with assert_computes(1):
            assert stock.refresh_later(Color.RED)
        with django_capture_on_commit_callbacks(execute=True), assert_computes(0), transaction.atomic():
            Paint.objects.create(color="red", litres=1)
            stock.refresh_later(Color.RED)
    with assert_computes(0):
        assert stock(Color.RED).pots == 1


def test_what_fails_is_recorded_as_by_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader gets its stale value; the entry says what went wrong."""
    aged()
    monkeypatch.setattr("tests.samples.count_stock", lambda _: 1 / 0)
    with run_refreshes_inline():
        assert stock.answer(Color.RED).state == "stale"
    assert StatisticEntry.objects.get().last_error == "ZeroDivisionError: division by zero"


def test_captured_refreshes_are_listed_and_not_queued(messages: Messages) -> None:
    """Each state of an entry once, with its parameters as the function gets them; afterwards it may be asked again."""
    aged()
    with capture_refreshes() as found:
        for _ in range(3):
            assert stock(Color.RED) is not None
        stock.answer(Color.BLUE, wait=False)
        assert found == [RED, ("tests.stock", {"color": Color.BLUE, "doubled": False})]
        assert isinstance(found[0].parameters["color"], Color)
    assert messages.take() == []
    with capture_refreshes() as again:
        stock(Color.RED)
    assert again == [RED]


def test_a_refresh_of_a_transaction_is_listed_at_once() -> None:
    """It is what would be queued after the commit, which no `TestCase` has."""
    stock(Color.RED)
    with capture_refreshes() as found, transaction.atomic():
        stock.refresh_later(Color.RED)
        assert found == [RED]


def test_what_the_tick_wants_is_listed() -> None:
    """What is to be kept warm and is missing."""
    with capture_refreshes() as found:
        queue_wanted([stock.declaration], {}, Out())
    assert len(found) == 4


def test_the_inner_one_takes_them() -> None:
    """Nested, refreshes go to the last; afterwards to the one around it, then to the broker."""
    aged()
    with run_refreshes_inline():
        with capture_refreshes() as found:
            assert stock.answer(Color.RED).state == "stale"
            assert len(found) == 1
        assert [stock.answer(Color.RED).state for _ in range(2)] == ["stale", "fresh"]


def test_one_that_revalidates_is_refreshed_after_a_change(django_capture_on_commit_callbacks: Any) -> None:
    """The whole story of a change in a `TestCase`: stale, refreshed, fresh."""
    shelf(Color.RED)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        Paint.objects.create(color="red", litres=1)
    with run_refreshes_inline():
        found = [shelf.answer(Color.RED) for _ in range(2)]
    assert [(each.state, each.value.pots) for each in found] == [("stale", 0), ("fresh", 1)]
