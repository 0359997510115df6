"""`override_statistic` and `disable_statistics_cache`: what tests put in a statistic's place."""

import asyncio
import unittest
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.template import Context, Template
from django.test import Client, SimpleTestCase
from pytest_django import DjangoDbBlocker

from statistics_cache import ComputeFailed, PayloadError, UnknownStatistic, awaiting
from statistics_cache.models import StatisticEntry
from statistics_cache.testing import disable_statistics_cache, override_statistic, run_refreshes_inline
from tests.models import Paint
from tests.samples import Color, Computed, Stock, shelf, stock

SEVEN = Stock(pots=7, litres=7)


def ways() -> list[Any]:
    """Read a statistic in each way there is, and give the values."""
    tag = Template('{% load statistics_cache %}{% statistic "tests.stock" color="red" as found %}{{ found.pots }}')
    return [
        stock(Color.RED).pots,
        stock.answer(Color.BLUE).value.pots,
        getattr(stock.answer(Color.RED, wait=False), "value", Stock(pots=0, litres=0)).pots,
        (stock.get(Color.RED, doubled=True) or Stock(pots=0, litres=0)).pots,
        [each.value.pots for each in stock.get_many([{"color": "red"}, {"color": "blue"}])],
        asyncio.run(stock.aanswer(Color.RED)).value.pots,
        asyncio.run(stock.acall(Color.RED)).pots,
        stock.refresh(Color.RED).value.pots,
        [each.value.pots for each in stock.hydrate()],
        int(tag.render(Context())),
    ]


def test_every_read_gives_the_value_and_asks_nobody() -> None:
    """In whichever way it is read, without a database, a cache or a compute, and in other threads."""
    with override_statistic("tests.stock", value=SEVEN):
        assert ways() == [7, 7, 7, 7, [7, 7], 7, 7, 7, [7] * 4, 7]
        assert stock.is_fresh(Color.RED)
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(stock, Color.RED).result() == SEVEN
    assert Computed.of("stock") == 0


def test_nor_does_it_ask_for_a_connection_that_an_earlier_test_left(
    monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    """In a thread that answers async callers: a database in memory is never closed there."""

    def look() -> BaseDatabaseWrapper:
        connection.cursor().close()
        return connections["default"]

    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(awaiting._threads, "pool", pool)
        with django_db_blocker.unblock():
            left = pool.submit(look).result()
        with override_statistic(stock, value=SEVEN):
            assert asyncio.run(stock.acall(Color.RED)) == SEVEN
        pool.submit(BaseDatabaseWrapper.close, left).result()


@pytest.mark.django_db
@pytest.mark.urls("tests.web.test_views")
def test_http_gives_it_too(client: Client) -> None:
    """The view answers with it; with what raises, 503 as in production."""
    with override_statistic(stock, value=SEVEN, state="stale"):
        found = client.get("/statistics/tests.stock/?color=red")
        assert (found.status_code, found.json()["value"]["pots"], found.json()["state"]) == (200, 7, "stale")
    with override_statistic(stock, raises=ValueError("no")):
        assert client.get("/statistics/tests.stock/?color=red").status_code == 503


@pytest.mark.django_db
def test_nothing_of_it_is_stored() -> None:
    """Afterwards, and in the cache and the table meanwhile, there is what there was."""
    before = stock(Color.RED)
    rows = list(StatisticEntry.objects.values())
    with override_statistic(stock, value=SEVEN), run_refreshes_inline():
        ways()
        stock.refresh_later(Color.RED)
    assert list(StatisticEntry.objects.values()) == rows
    assert stock.answer(Color.RED)[:4] == (before, "fresh", None, "hot")


@pytest.mark.django_db
def test_a_compute_that_fails() -> None:
    """What would compute raises it, and records nothing; what never computes gives None."""
    with override_statistic("tests.stock", raises=ComputeFailed("down")):
        for read in (stock, stock.answer, stock.refresh):
            with pytest.raises(ComputeFailed, match="down"):
                read(Color.RED)
        with pytest.raises(ComputeFailed):
            stock.get_many([{"color": "red"}])
        assert stock.get(Color.RED) is None
        assert stock.answer(Color.RED, wait=False) is None
    assert not StatisticEntry.objects.exists()


def test_a_stale_one_says_why_and_how_old() -> None:
    """Its age is the ttl; who refuses what is stale gets nothing."""
    with override_statistic(shelf, value=SEVEN, state="stale", reason="source"):
        found = shelf.answer(Color.RED)
        assert (found.value, found.state, found.reason, found.age.total_seconds()) == (SEVEN, "stale", "source", 300)
        assert shelf.get(Color.RED, allow_stale=False) is None


def test_each_reader_gets_a_value_of_its_own() -> None:
    """No reader can change what the next one gets."""
    with override_statistic(stock, value=SEVEN):
        assert stock(Color.RED) == SEVEN
        assert stock(Color.RED) is not stock(Color.RED)


def test_the_inner_one_stands_however_it_ends() -> None:
    """Nested, the last one stands; an exception ends it like anything else."""
    with override_statistic(stock, value=SEVEN):
        with pytest.raises(ZeroDivisionError), override_statistic(stock, value=Stock(pots=8, litres=8)):
            assert stock(Color.RED).pots == 8
            raise ZeroDivisionError
        assert stock(Color.RED).pots == 7


@override_statistic("tests.stock", value=SEVEN)
def test_it_decorates_a_function() -> None:
    """A function runs within."""
    assert stock(Color.RED) == SEVEN


def test_it_decorates_an_async_function() -> None:
    """A coroutine runs within, from its first step to its last."""

    @override_statistic(stock, value=SEVEN)
    async def read() -> Stock:
        await asyncio.sleep(0)
        return await stock.acall(Color.RED)

    waiting = read()
    assert asyncio.run(waiting) == SEVEN


@override_statistic(stock, value=SEVEN)
class Decorated(SimpleTestCase):
    """Each test of a class runs within, its own `setUp`, too."""

    def setUp(self) -> None:
        """Read."""
        assert stock(Color.RED) == SEVEN

    def test_within(self) -> None:
        """Read."""
        assert stock(Color.BLUE) == SEVEN


def test_it_decorates_a_class_and_no_more() -> None:
    """After the class nothing stands; what is no test case cannot be decorated."""
    told = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(Decorated).run(told)
    assert (told.testsRun, told.wasSuccessful()) == (1, True)
    with pytest.raises(TypeError, match=r"Color is no unittest\.TestCase"):
        override_statistic(stock, value=SEVEN)(Color)


REFUSED: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "an unknown name": ({"statistic": "tests.stok", "value": SEVEN}, UnknownStatistic, "Did you mean 'tests.stock'"),
    "no value": ({"statistic": stock}, ValueError, "either value= or raises="),
    "both": ({"statistic": stock, "value": SEVEN, "raises": ValueError}, ValueError, "either value= or raises="),
    "another type": ({"statistic": stock, "value": "seven"}, PayloadError, "tests.stock: its value"),
    "None": ({"statistic": stock, "value": None}, PayloadError, "tests.stock: it returned None"),
    "no state": ({"statistic": stock, "value": SEVEN, "state": "old"}, ValueError, "'fresh' or 'stale'"),
    "a reason to be fresh": ({"statistic": stock, "value": SEVEN, "reason": "age"}, ValueError, "add state='stale'"),
    "never so": (
        {"statistic": stock, "value": SEVEN, "state": "stale", "reason": "source"},
        ValueError,
        "tests.stock never gives a value that is stale by source",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused(case: str) -> None:
    """A wrong name, a value that the statistic cannot return, a state that it is never in: an error that says which."""
    given, error, text = REFUSED[case]
    with pytest.raises(error, match=text), override_statistic(**given):
        pass


@pytest.mark.django_db
def test_disabled_everything_is_computed_live() -> None:
    """Within, every call computes and stores nothing; afterwards what was stored is found, unless rows changed."""
    stock(Color.RED)
    with disable_statistics_cache():
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed"] * 2
        with disable_statistics_cache():
            assert stock.get(Color.RED) is None
        assert stock.answer(Color.RED).tier == "computed"
    assert stock.answer(Color.RED).tier == "hot"
    with disable_statistics_cache():
        Paint.objects.create(color="red", litres=1)
    assert stock(Color.RED).pots == 1
