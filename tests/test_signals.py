"""What the app tells: one signal and one log line for each thing that happens, and no value in any of them."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
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
ROOT = Path(__file__).parent.parent

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
    """At DEBUG, through a store, a change and a failure, no line holds it."""
    with caplog.at_level(logging.DEBUG, logger="statistics_cache"):
        Paint.objects.create(color="red", litres=SECRET)
        assert stock(Color.RED).litres == SECRET
        monkeypatch.setattr("tests.samples.count_stock", lambda _: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            stock.refresh(Color.RED)
    said = {record.getMessage().split(":")[0] for record in caplog.records}
    assert said == {"invalidated", "refresh finished", "refresh failed"}
    assert str(SECRET) not in str([vars(record) for record in caplog.records])


def fail_with_parameters(color: Color) -> None:
    """Raise an error whose text holds what the function was given."""
    raise ValueError(f"no pots of {color} ({color!r}, {str(color)!r}), reddish\nsecond line")


def test_above_debug_no_parameter_is_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warning names statistic and error; in its text, whose first line is shown, what was given is replaced."""
    monkeypatch.setattr("tests.samples.count_stock", fail_with_parameters)
    with caplog.at_level(logging.INFO, logger="statistics_cache"), pytest.raises(ValueError, match="red"):
        stock(Color.RED)
    (record,) = caplog.records
    said = "refresh failed: tests.stock: ValueError: no pots of … (<Color.RED: '…'>, '…'), reddish"
    assert (record.getMessage(), record.levelname) == (said, "WARNING")
    assert (vars(record)["statistic"], vars(record)["error"]) == ("tests.stock", "ValueError")


class Unwritable(ValueError):
    """An error that cannot be written."""

    def __str__(self) -> str:
        """Fail."""
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "parameters", "said"),
    [
        (ValueError("x"), (), "ValueError: x"),
        (ValueError(), (), "ValueError"),
        (ValueError(" \n"), (), "ValueError"),
        (Unwritable(), (), "Unwritable"),
        (ValueError("\x1b[2J\0\ud800 gone"), (), "ValueError: ?[2J?? gone"),
        (ValueError("y" * 999), (), f"ValueError: {'y' * 200}"),
        (ValueError("3 of 13 are true"), ("3", "true", "null"), "ValueError: … of 13 are true"),
        (ValueError('a "b" c'), ('"a \\"b\\""', '""'), "ValueError: … c"),
    ],
)
def test_an_error_is_one_line(error: Exception, parameters: tuple[str, ...], said: str) -> None:
    """Its class and the first line of its text, however long it is and whatever it raises when it is written."""
    assert signals.text_of(error, parameters) == said


CONSOLE = """
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["statistics_cache"], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3",
    "NAME": ":memory:"}}, STATISTICS_CACHE={"CACHE_ALIAS": "default"})
django.setup()
from django.core.management import call_command
from statistics_cache import statistic
call_command("migrate", verbosity=0)
def revenue(region: str) -> int:
    raise ValueError(f"no prices in {region}")
declared = statistic(name="orders.revenue")(revenue)
try:
    declared("nowhere")
except ValueError:
    pass
"""


def test_the_console_says_what_failed() -> None:
    """With Django's default LOGGING one line names the statistic and the error."""
    ran = subprocess.run([sys.executable, "-c", CONSOLE], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "refresh failed: orders.revenue: ValueError: no prices in …" in ran.stderr.splitlines()


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
