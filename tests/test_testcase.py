"""A user's own tests: a `TestCase` is one transaction that never commits."""

from django.db import transaction
from django.test import TestCase

from statistics_cache.identity import known
from statistics_cache.models import StatisticIdentity
from tests.models import Paint
from tests.samples import Color, stock


def add() -> None:
    """Write a row of the source."""
    Paint.objects.create(color="red", litres=1)


class InATestCase(TestCase):
    """A user's `TestCase`: one transaction that never commits."""

    databases = {"default", "postgres"}  # noqa: RUF012

    def test_deliveries_run_when_captured(self) -> None:
        """What changed is computed live until the callbacks are run, and is as hot as in production after."""
        stock(Color.RED)
        with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
            add()
            assert stock.answer(Color.RED).tier == "computed"
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]
        with transaction.atomic():
            add()
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed"] * 2
        assert stock(Color.RED).pots == 2

    def test_reading_and_storing_work_as_in_production(self) -> None:
        """The block that the test case opens is no transaction for reading and storing."""
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]

    def test_nothing_of_another_test_is_seen(self) -> None:
        """What a test computed from rows that were rolled back is nobody's: neither hot nor proved."""
        with self.captureOnCommitCallbacks(execute=True):
            add()
        assert (stock.answer(Color.RED).tier, stock(Color.RED).pots) == ("computed", 1)

    def test_nothing_of_another_test_is_seen_whichever_comes_first(self) -> None:
        """The same, with other rows."""
        with self.captureOnCommitCallbacks(execute=True):
            add()
            add()
        assert (stock.answer(Color.RED).tier, stock(Color.RED).pots) == ("computed", 2)

    def test_an_identity_that_a_rollback_took_back_is_made_again(self) -> None:
        """A test that gives its database one takes it back, and the next one needs it, too."""
        known.forget("default")
        for color in Color:
            StatisticIdentity.objects.all().delete()
            assert [stock.answer(color).tier for _ in range(3)][-1] == "hot"
