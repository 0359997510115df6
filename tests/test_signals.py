"""What the app tells: one signal and one log line for each thing that happens, and no value in any of them."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from statistics_cache import signals
from tests.conftest import Backend
from tests.models import Paint
from tests.samples import Color, stock

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
SECRET = 77_007

Listen = Callable[[Signal], list[dict[str, Any]]]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Give a function that gives the list of what a signal will have told."""
    receivers: list[tuple[Signal, Callable[..., None]]] = []

    def start(signal: Signal) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []

        def note(**facts: Any) -> None:
            told.append(facts)

        signal.connect(note)
        receivers.append((signal, note))
        return told

    yield start
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def test_a_compute_that_ends_is_told(listen: Listen) -> None:
    """`refresh_finished` names statistic, entry, cost and why."""
    told = listen(signals.refresh_finished)
    stock(Color.RED)
    stock.refresh(Color.RED)
    assert [(each["statistic"], each["reason"], each["is_stored"]) for each in told] == [
        ("tests.stock", "missing", True),
        ("tests.stock", "refresh", True),
    ]
    assert 'color="red"' in told[0]["key"]
    assert told[0]["cost"] > 0


def test_a_compute_that_fails_is_told(listen: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    """`refresh_failed` names statistic, entry and the error."""
    monkeypatch.setattr("tests.samples.count_stock", lambda _: 1 / 0)
    told = listen(signals.refresh_failed)
    with pytest.raises(ZeroDivisionError):
        stock(Color.RED)
    assert [(each["statistic"], type(each["error"])) for each in told] == [("tests.stock", ZeroDivisionError)]


def test_a_change_is_told_when_it_is_delivered(listen: Listen, backend: Backend) -> None:
    """`invalidated` comes after the commit, once per statistic and scope, and never after a rollback."""
    told = listen(signals.invalidated)
    with transaction.atomic(using=backend.database):
        Paint.objects.create(color="red", litres=1)
        Paint.objects.create(color="red", litres=1)
        assert told == []
    scopes = [each["scopes"] for each in told if each["statistic"] == "tests.stock"]
    assert scopes == [['color="red"']]
    told.clear()
    with transaction.atomic(using=backend.database):
        Paint.objects.create(color="red", litres=1)
        transaction.set_rollback(True, using=backend.database)
    assert told == []


def test_no_value_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """At DEBUG, through a store, a change and a failure whose text holds a value, no line holds it."""
    with caplog.at_level(logging.DEBUG, logger="statistics_cache"):
        Paint.objects.create(color="red", litres=SECRET)
        assert stock(Color.RED).litres == SECRET
        monkeypatch.setattr("tests.samples.count_stock", fail_with_a_value)
        with pytest.raises(ValueError, match=str(SECRET)):
            stock.refresh(Color.RED)
    assert {record.msg for record in caplog.records} == {"invalidated", "refresh finished", "refresh failed"}
    assert str(SECRET) not in str([vars(record) for record in caplog.records])


def fail_with_a_value(color: Color) -> None:
    """Raise an error whose text holds a value."""
    raise ValueError(SECRET)


def test_above_debug_no_parameter_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """At INFO lines name statistics and errors alone."""
    monkeypatch.setattr("tests.samples.count_stock", fail_with_a_value)
    with caplog.at_level(logging.INFO, logger="statistics_cache"), pytest.raises(ValueError, match=str(SECRET)):
        stock(Color.RED)
    assert "red" not in str([vars(record) for record in caplog.records])
    assert [record.msg for record in caplog.records] == ["refresh failed"]


def test_a_receiver_that_fails_harms_nobody(listen: Listen) -> None:
    """Neither a read nor a write feels what a receiver raises."""

    def fail(**_: object) -> None:
        raise ZeroDivisionError

    several = (signals.value_read, signals.refresh_finished, signals.invalidated)
    for signal in several:
        signal.connect(fail)
    try:
        Paint.objects.create(color="red", litres=2)
        assert stock(Color.RED).litres == 2
    finally:
        for signal in several:
            signal.disconnect(fail)
