"""Transactions of the user's own, whose commits nobody tells of: each logs what it changed, and readers find it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections, transaction
from time_machine import Traveller

from statistics_cache.models import StatisticInvalidation
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Order, Paint, Region
from tests.samples import amounts_by_region, shades, tints

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join),
]


@pytest.fixture(params=["set_autocommit(False)", "AUTOCOMMIT=False"])
def manual(request: pytest.FixtureRequest, backend: Backend) -> Iterator[Any]:
    """Give a connection whose transactions are the user's own: for a while, or as the settings say."""
    connection = connections[backend.database]
    if request.param == "AUTOCOMMIT=False":
        connection.close()
        connection.settings_dict["AUTOCOMMIT"] = False
    else:
        connection.set_autocommit(False)
    yield connection
    connection.rollback()
    connection.settings_dict["AUTOCOMMIT"] = True
    connection.close()


def in_one(connection: Any, act: Callable[[], object]) -> list[tuple[str, str]]:
    """Do something in a transaction of its own, and give what it has logged."""
    StatisticInvalidation.objects.all().delete()
    act()
    connection.commit()
    found = sorted(StatisticInvalidation.objects.values_list("statistic", "scope"))
    connection.commit()
    return found


def in_a_block() -> None:
    """Write in blocks inside the user's transaction, which commit nothing."""
    with transaction.atomic(using=Paint.objects.db):
        Paint.objects.create(color="red")
        with transaction.atomic(using=Paint.objects.db):
            Item.objects.create(order=Order.objects.get(), color="red")


WRITES: dict[str, Callable[[], object]] = {
    "a plain model": lambda: Paint.objects.create(color="red"),
    "a source": lambda: Item.objects.create(order=Order.objects.get(), color="red"),
    "in bulk": lambda: Item.objects.bulk_create([Item(order=Order.objects.get(), color="red")]),
    "by a query": lambda: Item.objects.filter(color="red").update(amount=2),
    "in a block": in_a_block,
}


@pytest.fixture
def order(backend: Backend) -> Order:
    """Give an order with an item."""
    order = Order.objects.create(region=Region.objects.create(name="north"))
    Item.objects.create(order=order, color="red")
    return order


@pytest.mark.parametrize("name", WRITES)
def test_every_transaction_logs_what_it_changed(order: Order, manual: Any, name: str) -> None:
    """The first, and each one after it, though nobody tells that the one before has ended."""
    logged = [in_one(manual, WRITES[name]) for _ in range(3)]
    assert len(logged[0]) > 0
    assert logged == [logged[0]] * 3


def test_what_is_rolled_back_is_not_logged_and_does_not_count_as_logged(order: Order, manual: Any) -> None:
    """A rollback takes the log along; the next transaction logs the same scope."""
    StatisticInvalidation.objects.all().delete()
    manual.commit()
    Paint.objects.create(color="red")
    manual.rollback()
    assert not StatisticInvalidation.objects.exists()
    Paint.objects.create(color="red")
    manual.commit()
    assert StatisticInvalidation.objects.filter(statistic=shades.name, scope='color="red"').exists()


def test_readers_find_it_by_their_proofs(order: Order, backend: Backend, manual: Any, clock: Traveller) -> None:
    """Whoever reads in a connection of the usual kind has the new values within PROOF_INTERVAL."""
    manual.close()
    manual.settings_dict["AUTOCOMMIT"] = True
    before = shades("red"), tints("red"), amounts_by_region("north").count
    manual.set_autocommit(False)
    Paint.objects.create(color="red")
    Item.objects.create(order=order, color="red")
    manual.commit()
    manual.set_autocommit(True)
    clock.shift(31)
    assert (shades("red"), tints("red"), amounts_by_region("north").count) == tuple(number + 1 for number in before)


def test_after_them_autocommit_is_as_ever(order: Order, backend: Backend, manual: Any) -> None:
    """A write after autocommit is on again is delivered at once."""
    Paint.objects.create(color="red")
    manual.commit()
    manual.set_autocommit(True)
    before = shades("red")
    Paint.objects.create(color="red")
    assert shades("red") == before + 1


def test_what_nobody_sees_committed_is_not_said_to_be_stored(order: Order, backend: Backend, manual: Any) -> None:
    """`.set` tells the truth: what would have to be stored after a commit that nobody tells of never is."""
    manual.set_autocommit(True)
    shades("green")  # nothing that was changed before is waiting
    shades.clear_all()
    shades("blue")
    manual.set_autocommit(False)
    assert shades.set("green", result=7) is False
    with transaction.atomic(using=backend.database):
        assert shades.set("green", result=7) is False
    manual.commit()
    assert shades.entry("green") is None
