"""What waits for a commit: ours first, all in one trip, and nothing of what was rolled back."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections, transaction

from statistics_cache.cold.transactions import Hook, Logged
from statistics_cache.models import StatisticInvalidation
from statistics_cache.signals import invalidated
from tests.conftest import BACKENDS, Backend
from tests.counting import count
from tests.models import Item, Order, Paint, Region
from tests.samples import Color, amounts_by_region, shades, stock, tints, total

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)


@pytest.fixture
def atomic(backend: Backend) -> Callable[..., Any]:
    """Give `transaction.atomic` on the backend's database."""
    return lambda **options: transaction.atomic(using=backend.database, **options)


@pytest.fixture
def delivered() -> Any:
    """Give what is delivered from now on: statistics and their scopes."""
    found: list[tuple[str, tuple[str, ...]]] = []

    def note(statistic: str, scopes: list[str], **_: Any) -> None:
        found.append((statistic, tuple(sorted(scopes))))

    invalidated.connect(note)
    yield found
    invalidated.disconnect(note)


def add(color: str = "red") -> Paint:
    """Write a row of a plain model."""
    return Paint.objects.create(color=color, litres=1)


def roll_back(atomic: Any, act: Callable[[], object]) -> None:
    """Do something in a savepoint, and roll it back."""
    with suppress(ZeroDivisionError), atomic():
        act()
        raise ZeroDivisionError


@ON_BOTH
def test_a_hook_that_was_there_before_the_write_reads_the_new_value(backend: Backend, atomic: Any) -> None:
    """Whatever was registered when: no hook of the user's runs before the change is delivered."""
    assert stock(Color.RED).pots == 0
    seen: list[int] = []
    read: Callable[[], object] = lambda: seen.append(stock(Color.RED).pots)  # noqa: E731
    with atomic():
        transaction.on_commit(read, using=backend.database)
        add()
        transaction.on_commit(read, using=backend.database)
        with atomic():
            transaction.on_commit(read, using=backend.database)
            add()
    assert seen == [2, 2, 2]


@ON_BOTH
def test_ours_stand_first(backend: Backend, atomic: Any) -> None:
    """In Django's list of hooks those of ours come before all others, and others keep their order."""
    with atomic():
        for name in "ab":
            transaction.on_commit(Hook(lambda: None), using=backend.database)
            add(name)
        hooks = [hook for _, hook, *_ in connections[backend.database].run_on_commit]
    ours = [isinstance(hook, Logged) for hook in hooks]
    assert ours == sorted(ours, reverse=True)
    assert (True in ours, len(ours) - sum(ours)) == (True, 2)


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_all_that_a_commit_changed_is_delivered_in_one_trip(backend: Backend, atomic: Any) -> None:
    """However many writes, models, statistics and savepoints: one trip to Redis."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    for each in (stock(Color.RED), tints("red"), total(), amounts_by_region("north")):
        assert each is not None

    def write() -> None:
        with atomic():
            add()
            with atomic():
                Item.objects.create(order=order, color="red")
            add("blue")
            Item.objects.update(color="blue")

    assert count(connections[backend.database], write).trips == 1
    assert (stock(Color.RED).pots, tints("blue"), amounts_by_region("north").count) == (1, 1, 1)


@ON_BOTH
def test_a_savepoint_takes_its_log_and_its_delivery_along(backend: Backend, atomic: Any, delivered: Any) -> None:
    """What is rolled back is neither logged nor delivered; what comes before and after it is both, each once."""
    StatisticInvalidation.objects.all().delete()
    with atomic():
        add("a")
        roll_back(atomic, lambda: [add("b"), add("a")])
        add("c")
        roll_back(atomic, lambda: add("d"))
    mine = [scope for name, scopes in delivered if name == shades.name for scope in scopes]
    assert sorted(mine) == ['color="a"', 'color="c"']
    rows = StatisticInvalidation.objects.filter(statistic=shades.name).order_by("pk")
    assert list(rows.values_list("scope", flat=True)) == ['color="a"', 'color="c"']


@ON_BOTH
def test_what_a_savepoint_logged_again_is_logged_by_who_comes_after(atomic: Any, delivered: Any) -> None:
    """A scope that was logged in a savepoint alone counts as not logged once that is rolled back."""
    assert shades("a") == 0
    with atomic():
        roll_back(atomic, lambda: add("a"))
        add("a")
    assert [scopes for name, scopes in delivered if name == shades.name] == [('color="a"',)]
    assert shades("a") == 1


@ON_BOTH
@pytest.mark.parametrize("end", ["committed", "rolled back"])
def test_autocommit_after_a_rollback_delivers_its_own_alone(
    backend: Backend, atomic: Any, delivered: Any, end: str
) -> None:
    """A write outside a block, after one with a savepoint that was rolled back: nothing of that block comes along."""
    with suppress(ZeroDivisionError), atomic():
        add("a")
        roll_back(atomic, lambda: add("b"))
        if end == "rolled back":
            raise ZeroDivisionError
    delivered.clear()
    add("c")
    assert [scopes for name, scopes in delivered if name == shades.name] == [('color="c"',)]
    delivered.clear()
    Region.objects.create(name="nobody watches")
    assert delivered == []


@ON_BOTH
def test_a_hook_that_writes_is_delivered_by_itself(backend: Backend, atomic: Any, delivered: Any) -> None:
    """What a hook of the user's writes, in autocommit or in a block of its own, is delivered when that is committed."""

    def write() -> None:
        add("b")
        with atomic():
            add("c")
            roll_back(atomic, lambda: add("d"))

    assert [shades(color) for color in "abcd"] == [0] * 4
    with atomic():
        transaction.on_commit(write, using=backend.database)
        add("a")
    assert [scopes for name, scopes in delivered if name == shades.name] == [
        ('color="a"',),
        ('color="b"',),
        ('color="c"',),
    ]
    assert [shades(color) for color in "abcd"] == [1, 1, 1, 0]


@ON_BOTH
def test_a_commit_without_a_change_delivers_nothing(atomic: Any, delivered: Any) -> None:
    """Blocks that only read, or write what nobody watches, or are rolled back."""
    delivered.clear()
    with atomic():
        Paint.objects.count()
    with atomic():
        Region.objects.create(name="nobody watches")
    roll_back(atomic, add)
    assert delivered == []
