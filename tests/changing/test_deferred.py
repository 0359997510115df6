"""SQLite as Django sets it up: transactions begin as readers, and one that writes too late fails at once."""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction

from statistics_cache import statistic
from tests.changing.meanwhile import closing
from tests.models import Order, PlainLine, QuietLine, Region, SourceLine

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, SAVES = 4, 40


@pytest.fixture(autouse=True)
def deferred() -> Iterator[None]:
    """Let connections be as they are without options, but for their patience."""
    connection = connections["default"]
    options = connection.settings_dict["OPTIONS"]
    before = dict(options)
    connection.close()
    del options["transaction_mode"]
    options["timeout"] = 60
    yield
    connection.close()
    options.clear()
    options.update(before)


def save(line: Any) -> None:
    """Save a line."""
    line.save()


def save_in_a_block(line: Any) -> None:
    """Save a line in a transaction."""
    with transaction.atomic():
        line.save()


def update(line: Any) -> None:
    """Update a line by a query."""
    type(line).objects.filter(pk=line.pk).update(amount=line.amount)


def move(model: Any, act: Callable[[Any], object], color: str) -> Counter[str]:
    """Change lines of all threads again and again, and count what fails."""
    failed = Counter[str]()
    for number in range(SAVES):
        line = model.objects.get(pk=1 + number % THREADS)
        line.color, line.amount = color, number
        try:
            act(line)
        except OperationalError as error:
            failed[str(error)] += 1
    return failed


def count_lines(color: str = "red") -> int:
    """Count by a column that is read before each save."""
    return SourceLine.objects.filter(color=color).count() + PlainLine.objects.filter(color=color).count()


@pytest.mark.parametrize("model", [QuietLine, PlainLine, SourceLine])
@pytest.mark.parametrize("act", [save, save_in_a_block, update])
def test_writers_of_one_file_wait_for_each_other(model: Any, act: Callable[[Any], object]) -> None:
    """Four threads that write the same rows, watched or not: as many fail as where nobody watches, which is none."""
    declared = statistic(name="tests.lines", depends_on={PlainLine: "color", SourceLine: "color"})(count_lines)
    order = Order.objects.create(region=Region.objects.create(name="north"))
    model.objects.bulk_create([model(pk=1 + at, order=order, color="red") for at in range(THREADS)])
    declared()
    with ThreadPoolExecutor(THREADS) as threads:
        running = [threads.submit(closing, move, model, act, color) for color in ("red", "blue", "gray", "pink")]
        failed = sum((each.result() for each in running), Counter[str]())
    assert failed == Counter()
    for color in ("red", "blue", "gray", "pink"):
        assert declared(color) == count_lines(color)
