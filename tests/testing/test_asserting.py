"""`assert_computes`, `assert_invalidated` and `assert_not_invalidated`."""

from threading import Thread

import pytest
from django.db import connection, transaction

from statistics_cache import ParameterError, UnknownStatistic
from statistics_cache.testing import assert_computes, assert_invalidated, assert_not_invalidated, override_statistic
from tests.models import Paint
from tests.samples import Color, Stock, shelf, stock


def red() -> Paint:
    """Write a row of the source."""
    return Paint.objects.create(color="red", litres=1)


@pytest.mark.django_db
def test_computes_are_counted_and_named() -> None:
    """Of all statistics, or of those named; the message lists them."""
    with assert_computes(2), assert_computes(1, stock), assert_computes(0, "tests.tints"):
        stock(Color.RED)
        stock(Color.RED)
        shelf(Color.RED)
        stock.compute(Color.RED)
        with override_statistic(stock, value=Stock(pots=1, litres=1)):
            stock(Color.BLUE)
    expected = r'0 computes were expected, and there were 1:\n  tests\.stock {"color":"blue","doubled":false}'
    with pytest.raises(AssertionError, match=expected), assert_computes(0):
        stock(Color.BLUE)
    with pytest.raises(AssertionError, match=r"1 computes were expected, and there were 0\."), assert_computes(1):
        stock(Color.BLUE)


@pytest.mark.django_db(transaction=True)
def test_computes_of_other_threads_count() -> None:
    """A live server's threads, for example."""

    def read() -> None:
        stock(Color.RED)
        connection.close()

    with assert_computes(1):
        thread = Thread(target=read)
        thread.start()
        thread.join()


@pytest.mark.django_db
def test_what_is_raised_within_is_not_hidden() -> None:
    """An exception of the test itself goes on; then nothing is demanded."""
    for demanded in (assert_computes(1), assert_invalidated(stock, Color.RED)):
        with pytest.raises(ZeroDivisionError), demanded:
            raise ZeroDivisionError


@pytest.mark.django_db
def test_a_change_invalidates_the_variants_that_it_concerns() -> None:
    """Committed or not: a change, in a block or by hand, moves the variants of its scope and no other."""
    blue = assert_not_invalidated(stock, Color.BLUE)
    with assert_invalidated(stock, Color.RED), assert_invalidated("tests.shelf", color="red"), blue:
        red()
    with assert_invalidated(stock, Color.RED), transaction.atomic():
        red()
    with assert_invalidated(stock, Color.RED, doubled=True), assert_not_invalidated(stock, Color.RED):
        stock.invalidate(Color.RED, doubled=True)
    with assert_invalidated(stock, Color.RED):
        stock.clear_all()


@pytest.mark.django_db
def test_what_did_change_is_said() -> None:
    """The message names the scopes that moved, and by what."""
    text = (
        r'tests\.stock {"color":"blue".*} was not invalidated\. What changed of tests\.stock:\n  color="red": .*Paint'
    )
    with pytest.raises(AssertionError, match=text), assert_invalidated(stock, Color.BLUE):
        red()
    with (
        pytest.raises(AssertionError, match=r"Nothing changed of tests\.stock\."),
        assert_invalidated(stock, Color.RED),
    ):
        pass
    with pytest.raises(AssertionError, match=r"} was invalidated\."), assert_not_invalidated(stock, Color.RED):
        red()


@pytest.mark.django_db
def test_wrong_names_are_refused() -> None:
    """Of a statistic, of a parameter."""
    with pytest.raises(UnknownStatistic), assert_invalidated("tests.stok"):
        pass
    with pytest.raises(ParameterError), assert_invalidated(stock, colour="red"):
        pass
    with pytest.raises(UnknownStatistic), assert_computes(1, "tests.stok"):
        pass
