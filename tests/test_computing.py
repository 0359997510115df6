"""Storing behind the fence: nothing computed earlier ever replaces what was computed later."""

import json
from time import time
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connections, transaction
from django.db.models import Q, Sum
from time_machine import Traveller
from typing_extensions import TypedDict

from statistics_cache import PayloadError, TokenError, computing, statistic, underway
from statistics_cache.changing import checking
from statistics_cache.cold import rows as cold
from statistics_cache.hot import entries as hot
from statistics_cache.models import KEPT_COSTS, StatisticEntry
from statistics_cache.signals import store_failed
from tests.conftest import Backend
from tests.models import Paint
from tests.samples import Color, Computed, Stock, shelf, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

OLD, NEW = Stock(pots=1, litres=1), Stock(pots=2, litres=2)


def test_a_token_overtaken_by_a_change_is_not_fresh() -> None:
    """A value computed before an invalidation is stored, if nothing newer is there, and never fresh."""
    token = stock.token(Color.RED)
    stock.invalidate(Color.RED)
    stock.set(Color.RED, result=OLD, token=token)
    assert stock.get(Color.RED) is None


def test_the_fence_refuses_an_earlier_generation() -> None:
    """After a later generation was stored an earlier one is refused, in both tiers."""
    token = stock.token(Color.RED)
    stock.invalidate(Color.RED)
    stock.set(Color.RED, result=NEW)
    assert stock.set(Color.RED, result=OLD, token=token) is False
    assert stock.get(Color.RED) == NEW
    caches["statistics"].clear()
    assert stock.get(Color.RED) == NEW


def test_the_fence_refuses_an_earlier_capture_of_one_generation(clock: Traveller) -> None:
    """Of two computes under one generation the one that began later stays."""
    token = stock.token(Color.RED)
    clock.shift(1)
    stock.set(Color.RED, result=NEW)
    assert stock.set(Color.RED, result=OLD, token=token) is False
    assert stock.get(Color.RED) == NEW


def test_a_store_that_stands_still_replaces_nothing_later(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was stored meanwhile is of the future to nobody, however long a store has waited."""
    token, own_row = stock.token(Color.RED), cold.own_row

    def stand_still(*row: Any) -> Any:
        monkeypatch.setattr(cold, "own_row", own_row)
        clock.shift(60)
        stock.set(Color.RED, result=NEW)
        return own_row(*row)

    monkeypatch.setattr(cold, "own_row", stand_still)
    assert stock.set(Color.RED, result=OLD, token=token) is False
    assert stock.get(Color.RED) == NEW


def test_a_row_of_a_time_that_no_clock_shows_is_replaced(backend: Backend) -> None:
    """Nobody has computed it."""
    stock.set(Color.RED, result=OLD)
    beyond = "infinity" if backend.database == "postgres" else "9999-12-31 23:59:59"
    with connections[backend.database].cursor() as cursor:
        cursor.execute("UPDATE statistics_cache_statisticentry SET computed_at = %s", [beyond])
    caches["statistics"].clear()
    assert stock(Color.RED) == Stock(pots=0, litres=0)
    assert stock.answer(Color.RED)[1:4] == ("fresh", None, "hot")


def test_without_the_fence_an_earlier_capture_would_win(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The broken version: a store without the fence lets a durable row go back in time."""
    token = stock.token(Color.RED)
    clock.shift(1)
    stock.set(Color.RED, result=NEW)
    monkeypatch.setattr(cold, "fence", lambda *_: Q())
    stock.set(Color.RED, result=OLD, token=token)
    assert stock.get(Color.RED) == OLD


def test_a_store_in_the_same_microsecond_passes(clock: Traveller) -> None:
    """A capture of the same moment is no earlier one."""
    stock.set(Color.RED, result=OLD)
    assert stock.set(Color.RED, result=NEW) is True
    assert stock.get(Color.RED) == NEW


def test_a_capture_is_of_the_moment_before_anything_was_asked(
    clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long cache and database take to answer: what is computed then is no younger than what was asked first.
    No schedule of the interleaving suite betrays the other order, for the function runs after both."""
    prove, read, before = checking.prove, hot.read, time()

    def slowly(answer: Any) -> Any:
        clock.shift(5)
        return answer

    monkeypatch.setattr(checking, "prove", lambda *args: slowly(prove(*args)))
    monkeypatch.setattr(hot, "read", lambda *args: slowly(read(*args)))
    captured = computing.capture(stock.declaration, stock.declaration.variant((Color.RED,), {})).captured
    assert captured is not None
    assert (captured.computed_at, captured.proved_at) == (before, before)


def test_a_token_is_json_of_one_variant() -> None:
    """A token survives JSON, and is refused for any other variant or statistic, and if it is none."""
    token = json.loads(json.dumps(stock.token(Color.RED)))
    assert stock.set(Color.RED, result=NEW, token=token) is True
    with pytest.raises(TokenError, match="red"):
        stock.set(Color.BLUE, result=NEW, token=token)
    with pytest.raises(TokenError, match=r"tests\.stock"):
        shelf.set(Color.RED, result=NEW, token=token)
    with pytest.raises(TokenError, match="no token"):
        stock.set(Color.RED, result=NEW, token="{}")  # noqa: S106


def test_where_there_is_no_token_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that changed a source has no token, nor has a database that is out; which it is, is said."""
    with monkeypatch.context() as patch:
        patch.setattr(checking, "prove", lambda *_: None)
        with pytest.raises(TokenError, match="while the database is down"):
            stock.token(Color.RED)
    with transaction.atomic(using=cold.alias_of(stock.declaration)):
        Paint.objects.create(color="red", litres=3)
        with pytest.raises(TokenError, match="in a transaction that changed what it is computed from"):
            stock.token(Color.RED)


def test_a_dict_is_no_model() -> None:
    """A dict in a model's place is refused in words, and stored nowhere."""
    with pytest.raises(PayloadError, match=r"^tests\.stock: result is a dict; give a Stock\.$"):
        stock.set(Color.RED, result={"pots": 1, "litres": 1})  # type: ignore[arg-type]
    assert stock.entry(Color.RED) is None


def total() -> int:
    """Return what `Sum` gives where there are no rows."""
    found: int = Paint.objects.filter(color="mauve").aggregate(total=Sum("litres"))["total"]
    return found


def totals() -> dict[str, int]:
    """Return it in a dict, as `aggregate` does."""
    return Paint.objects.filter(color="mauve").aggregate(total=Sum("litres"))


class Totals(TypedDict):
    """What `aggregate` gives, by names."""

    total: int


def named() -> Totals:
    """Return it in a dict with names."""
    return Totals(total=totals()["total"])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (named, r"tests\.nothing: field 'total' of its value cannot be stored: it is None \(`Sum` of no rows\?\)"),
        (total, r"tests\.nothing: it returned None \(`Sum` of no rows\?\)"),
        (totals, r"tests\.nothing: field 'total' of its value cannot be stored: it is None \(`Sum` of no rows\?\)"),
    ],
)
def test_none_is_called_none(function: Any, message: str) -> None:
    """An aggregate of no rows is the likeliest reason for a value that is none, and is named."""
    with pytest.raises(PayloadError, match=message):
        statistic(name="tests.nothing")(function)()


def test_refresh_computes_whatever_is_stored() -> None:
    """`refresh` computes and stores, also where the entry is fresh."""
    stock(Color.RED)
    Paint.objects.create(color="red", litres=3)
    assert stock.refresh(Color.RED).value == Stock(pots=1, litres=3)
    assert stock(Color.RED) == Stock(pots=1, litres=3)
    assert Computed.of("stock") == 2


def test_compute_touches_no_cache() -> None:
    """`compute` is the plain function."""
    assert stock.compute(Color.RED) == Stock(pots=0, litres=0)
    assert not StatisticEntry.objects.exists()


def test_the_row_tells_of_its_computes() -> None:
    """A row holds the parameters, the scopes, the last 24 costs and why it was computed."""
    for _ in range(KEPT_COSTS + 2):
        stock.refresh(Color.RED, doubled=True)
    row = StatisticEntry.objects.get()
    assert row.params == '{"color":"red","doubled":true}'
    assert row.scopes.split() == ['color="red"']
    assert (len(row.costs), row.costs[-1], row.reason) == (KEPT_COSTS, round(row.cost, 6), "refresh")


def test_hydrate_computes_only_what_is_missing() -> None:
    """`hydrate` makes each variant it names fresh; a second time there is nothing to do, also after a flush."""
    stock(Color.RED)
    assert sorted(answer.tier for answer in stock.hydrate()) == ["computed"] * 3 + ["hot"]
    caches["statistics"].clear()
    assert {answer.tier for answer in stock.hydrate()} == {"cold"}
    assert Computed.of("stock") == 4


def test_hydration_can_be_switched_off(conf: Any) -> None:
    """HYDRATION_ENABLED = False makes `hydrate` do nothing."""
    conf(HYDRATION_ENABLED=False)
    assert stock.hydrate() == []
    assert not StatisticEntry.objects.exists()


def test_a_database_that_takes_no_writes_costs_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot be stored is given all the same, and the failure is signalled."""
    failures: list[object] = []

    def refuse(*_: object) -> bool:
        raise OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(cold, "store", refuse)
    store_failed.connect(note := lambda **kwargs: failures.append(kwargs["statistic"]))
    assert stock(Color.RED) == Stock(pots=0, litres=0)
    store_failed.disconnect(note)
    assert failures == ["tests.stock"]
    assert stock.get(Color.RED) is None


def test_an_exception_reaches_the_caller_and_stores_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the function raises is the caller's."""

    def fail(*_: object) -> Stock:
        raise ZeroDivisionError

    monkeypatch.setattr("tests.samples.count_stock", fail)
    with pytest.raises(ZeroDivisionError):
        stock(Color.RED)
    assert stock.get(Color.RED) is None


def outer_without_sources() -> int:
    """Use another statistic without naming what it is computed from."""
    return stock(Color.RED).pots


def test_a_statistic_that_does_not_name_its_sources_is_told_of_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Using a statistic whose sources are not declared is one line in the log, naming both and the models."""
    monkeypatch.setattr(underway, "_told", set())
    outer = statistic(name="tests.outer_without_sources")(outer_without_sources)
    for _ in range(3):
        outer.refresh()
    told = [vars(record) for record in caplog.records]
    assert [(each["statistic"], each["source"], each["line"]) for each in told] == [
        ("tests.outer_without_sources", "tests.stock", "Name it in depends_on, or tests.Paint.")
    ]
    said = (
        "source undeclared: tests.outer_without_sources reads tests.stock, and is told of no change there. "
        "Name it in depends_on, or tests.Paint."
    )
    assert [record.getMessage() for record in caplog.records] == [said]


def test_a_statistic_that_names_its_sources_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    """Naming the statistic, or its models, is enough."""
    statistic(name="tests.outer_of_stock", depends_on=[stock])(outer_without_sources).refresh()
    statistic(name="tests.outer_of_paint", depends_on=[Paint])(outer_without_sources).refresh()
    assert caplog.records == []
