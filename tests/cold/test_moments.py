"""Moments are right in the table and in the admin, whatever USE_TZ and TIME_ZONE say."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from time import time
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from django.test import Client
from pytest_django import Settings
from time_machine import Traveller

from statistics_cache import upkeep
from statistics_cache.cold import changelog
from statistics_cache.cold import rows as cold
from statistics_cache.cold.changelog import Change
from statistics_cache.cold.history import find_causes
from statistics_cache.declaring.keys import UNCHECKED_SCOPE
from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from tests.admin.conftest import LIST
from tests.conftest import NOON, Backend
from tests.models import Paint
from tests.samples import Color, stock

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])

REPEATED = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)  # 02:45 in Berlin; a quarter of an hour later it is 02:00 again
LEFT_OUT = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)  # a time that no clock in Berlin shows
ZONES = ["Asia/Tokyo", "America/New_York", "Europe/Berlin"]


@pytest.fixture(params=[(False, zone) for zone in ZONES] + [(True, "Asia/Tokyo")], ids=str)
def zone(request: pytest.FixtureRequest, settings: Settings, backend: Backend) -> Iterator[None]:
    """Let the site live in a zone, with USE_TZ and without."""
    settings.USE_TZ, settings.TIME_ZONE = request.param
    connections[backend.database].close()
    yield
    connections[backend.database].close()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize("moment", [NOON, REPEATED, LEFT_OUT])
def test_a_moment_comes_back(moment: datetime, clock: Traveller, backend: Backend) -> None:
    """Of a row that is read in any way, and of one that is looked for by its time."""
    clock.move_to(moment)
    stock(Color.RED)
    rows = StatisticEntry.objects.using(backend.database)
    assert rows.get().computed_at == moment
    assert rows.values_list("computed_at", flat=True).get() == moment
    assert rows.filter(computed_at__gte=moment, computed_at__lte=moment).exists()
    caches["statistics"].clear()
    assert stock.answer(Color.RED)[3:6] == ("cold", moment, timedelta(0))


@pytest.mark.usefixtures("zone")
def test_a_later_compute_is_later(clock: Traveller, backend: Backend) -> None:
    """The fence lets pass what began after the clocks were set back, though they show an earlier time."""
    clock.move_to(REPEATED)
    stock(Color.RED)
    clock.shift(timedelta(minutes=20))
    stock.refresh(Color.RED)
    caches["statistics"].clear()
    assert stock.answer(Color.RED).age == timedelta(0)


@pytest.mark.usefixtures("zone")
def test_the_table_holds_the_moment_itself(clock: Traveller, backend: Backend) -> None:
    """Who asks PostgreSQL for the moment, or SQLite for the text, is told of it in UTC."""
    stock(Color.RED)
    is_postgres = connections[backend.database].vendor == "postgresql"
    read = "extract(epoch from computed_at)" if is_postgres else "strftime('%s', computed_at)"
    with connections[backend.database].cursor() as cursor:
        cursor.execute(f"SELECT {read} FROM statistics_cache_statisticentry")  # noqa: S608  (constant text)
        assert float(cursor.fetchone()[0]) == NOON.timestamp()


@pytest.mark.usefixtures("zone")
def test_the_times_of_changes_are_the_database_s(backend: Backend) -> None:
    """A log row, its scope after the fold, and what the admin says of both are of now."""
    Paint.objects.create(color="red", litres=1)

    def is_of_now(moment: Any) -> bool:
        return abs(cold.seconds_of(moment) - time()) < 600

    assert is_of_now(StatisticInvalidation.objects.using(backend.database).first().created_at)  # type: ignore[union-attr]
    upkeep.tick([stock.declaration])
    scope = StatisticScope.objects.using(backend.database).get(statistic="tests.stock", scope='color="red"')
    assert is_of_now(scope.changed_at)
    assert is_of_now(scope.folded_at)
    causes = find_causes(backend.database, {"tests.stock"}, {'color="red"'})
    assert [is_of_now(cause.at) for cause in causes.values()] == [True]


@pytest.mark.usefixtures("zone")
def test_who_logs_is_told_when(backend: Backend) -> None:
    """An unchecked row is handed to its check with the database's own time, and one of a known moment keeps that."""
    for at in (None, NOON):
        logged = changelog.write(backend.database, [Change(stock.name, UNCHECKED_SCOPE, "a test", "{}")], at)
        (stored,) = StatisticInvalidation.objects.using(backend.database).filter(scope=UNCHECKED_SCOPE)
        assert [row.created_at for row in logged] == [stored.created_at]
        assert at in (None, stored.created_at)
        stored.delete()


@pytest.mark.usefixtures("zone")
def test_the_admin_tells_the_age(clock: Traveller, admin_client: Client, backend: Backend) -> None:
    """What was computed just now was computed now: in the list, under the filter of today, and on its page."""
    stock(Color.RED)
    page = admin_client.get(LIST).content.decode()
    assert ">now</time>" in page
    (today,) = re.findall(r'href="(\?computed_at__gte=[^"]*)"[^>]*>Today\b', page)
    assert "color=&quot;red&quot;" in admin_client.get(LIST + unescape(today)).content.decode()
    row = StatisticEntry.objects.using(backend.database).get()
    assert admin_client.get(f"{LIST}{row.pk}/change/").status_code == 200


def test_a_database_s_own_zone_is_no_other_moment(clock: Traveller, settings: Settings) -> None:
    """`TIME_ZONE` of an entry in DATABASES changes nothing that is stored."""
    connection = connections["default"]
    connection.settings_dict["TIME_ZONE"] = "Asia/Tokyo"
    vars(connection).pop("timezone", None)
    try:
        stock(Color.RED)
        assert StatisticEntry.objects.get().computed_at == NOON
        StatisticEntry.objects.get().refresh_from_db()
    finally:
        connection.settings_dict["TIME_ZONE"] = None
        vars(connection).pop("timezone", None)
