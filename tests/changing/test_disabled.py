"""While the app is disabled it writes nothing and reads nothing; what changed meanwhile is made good afterwards."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings as django_settings
from django.core.cache import caches
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from statistics_cache import upkeep
from statistics_cache.hot import counters
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticInvalidation
from tests.conftest import Backend
from tests.models import Item, Order, Paint, Region
from tests.samples import Color, counted, stock
from tests.spaces import identity

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])


def order() -> Order:
    """Give an order for items."""
    return Order.objects.create(region=Region.objects.create(name="north"))


WRITES: dict[str, Callable[[], Any]] = {
    "create": lambda: Paint.objects.create(color="red", litres=1),
    "create of a source": lambda: Item.objects.create(color="red", order=order()),
    "bulk_create": lambda: Item.objects.bulk_create(
        [Item(color="red", order=order()), Item(color="red", order=order())]
    ),
    "update": lambda: Item.objects.update(color="red"),
    "delete": lambda: Item.objects.filter(color="blue").delete(),
}


@pytest.mark.parametrize("name", WRITES)
def test_a_write_is_the_user_s_alone(name: str, conf: Any, backend: Backend) -> None:
    """No statement names a table of ours, and no other statement is added."""
    Item.objects.create(color="blue", order=order())
    StatisticInvalidation.objects.using(backend.database).all().delete()
    conf(ENABLED=False)
    with CaptureQueriesContext(connections[backend.database]) as captured:
        WRITES[name]()
    written = [query["sql"].split(" ", 1)[0] for query in captured if "statistics_cache" in query["sql"]]
    assert written == []
    assert not StatisticInvalidation.objects.using(backend.database).exists()


def test_reads_and_ticks_write_nothing(conf: Any, backend: Backend) -> None:
    """A call computes; a tick notes nothing, and folds nothing; counts are not added up."""
    stock(Color.RED)
    Paint.objects.create(color="red", litres=1)
    caches["statistics"].clear()
    conf(ENABLED=False)
    assert stock(Color.RED).litres == 1
    assert upkeep.tick([stock.declaration]) == upkeep.Ticked(0, 0, 0)
    counters.flush()
    assert (hot.last_tick(identity()), stock.get_cache_info()["misses"]) == (None, 0)
    assert StatisticInvalidation.objects.using(backend.database).exists()


@pytest.mark.parametrize("name", WRITES)
def test_what_changed_meanwhile_counts_afterwards(name: str, backend: Backend) -> None:
    """Once it is enabled again, by a dict changed in place, nothing that was stored before is fresh."""
    Item.objects.create(color="blue", order=order())
    before = (stock(Color.RED).pots, counted(Color.RED))
    with patch.dict(django_settings.STATISTICS_CACHE, ENABLED=False):
        WRITES[name]()
        now = (stock(Color.RED).pots, counted(Color.RED))
    assert (now != before) or name == "delete"
    with transaction.atomic(using=backend.database):
        assert (stock(Color.RED).pots, counted(Color.RED)) == now
        transaction.set_rollback(True, using=backend.database)
    assert (stock(Color.RED).pots, counted(Color.RED)) == now
    assert stock.answer(Color.RED)[1:4] == ("fresh", None, "hot")


def test_a_setting_changed_in_place_counts() -> None:
    """A dict that is the same object and says something else is read anew, and back again."""
    stock(Color.RED)
    with patch.dict(django_settings.STATISTICS_CACHE, ENABLED=False):
        assert stock.answer(Color.RED).tier == "computed"
    assert stock.answer(Color.RED).tier == "hot"
