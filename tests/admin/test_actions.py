"""What each action does to the rows that were chosen, to no others, and what it says and notes."""

import re
from typing import Any

import pytest
from django.contrib.admin.models import DELETION, LogEntry
from django.test import Client

from statistics_cache import statistic
from statistics_cache.admin import actions
from statistics_cache.broker import queue
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import BLUE, LIST, RED, REGISTRY, act, orphan, row_of, said
from tests.messages import Messages
from tests.samples import Color, Computed, count_stock, shades, shelf, stock

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def stored() -> None:
    """Two entries, of which most tests choose the red one."""
    stock(Color.RED)
    stock(Color.BLUE)


def test_a_refresh_in_the_background(admin_client: Client, messages: Messages) -> None:
    """One message is queued for each chosen entry; a worker computes it although it is fresh."""
    page = act(admin_client, "refresh_later", row_of(RED))
    assert said(page) == ["1 entry queued for a worker."]
    before = row_of(RED).computed_at
    assert messages.work() == 1
    assert row_of(RED).computed_at != before
    assert Computed.of("stock") == 3


def test_a_refresh_while_the_broker_is_out(admin_client: Client, messages: Messages) -> None:
    """It says so, queues nothing and notes nothing."""
    queue.breaker.failed(ConnectionError())
    page = act(admin_client, "refresh_later", row_of(RED), row_of(BLUE))
    assert said(page) == ["The broker is down: 0 entries queued, no more."]
    assert messages.take() == []
    assert not LogEntry.objects.exists()


def test_a_refresh_now(admin_client: Client) -> None:
    """The chosen entry is computed before the page is given, and no other."""
    page = act(admin_client, "refresh_now", row_of(RED))
    assert said(page) == ["1 entry computed."]
    assert Computed.of("stock") == 3


def test_a_refresh_now_is_bounded(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the bound are refused as a whole."""
    monkeypatch.setattr(actions, "MAX_NOW", 1)
    page = act(admin_client, "refresh_now", row_of(RED), row_of(BLUE))
    assert "2 entries are too many to wait for" in said(page)[0]
    assert Computed.of("stock") == 2


def test_failures_are_reported(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one function raises is said by key, and keeps no other from its own."""

    def fail(color: Color) -> None:
        raise ValueError(f"no {color}")

    shelf(Color.RED)
    monkeypatch.setattr("tests.samples.count_stock", fail)
    page = act(admin_client, "refresh_now", row_of(RED), row_of('tests.shelf:color="red"'))
    assert sorted(said(page)) == [
        'Failed: tests.shelf:color="red": ValueError: no red',
        f"Failed: {RED}: ValueError: no red",
    ]
    assert row_of(RED).failures == 1
    assert not LogEntry.objects.exists()


def test_nothing_is_computed_while_switched_off(admin_client: Client, conf: Any, messages: Messages) -> None:
    """With ENABLED False both refreshes say so and do nothing."""
    conf(ENABLED=False)
    for action in ("refresh_later", "refresh_now"):
        assert "ENABLED" in said(act(admin_client, action, row_of(RED)))[0]
    assert messages.take() == []
    assert Computed.of("stock") == 2


def test_invalidating_is_exact(admin_client: Client) -> None:
    """The chosen variant is computed anew, its siblings are not."""
    stock(Color.RED, doubled=True)
    assert said(act(admin_client, "invalidate", row_of(RED))) == ["1 entry invalidated."]
    assert stock.answer(Color.RED).tier == "computed"
    assert stock.answer(Color.RED, doubled=True).tier in ("hot", "cold")
    assert stock.answer(Color.BLUE).tier in ("hot", "cold")


def test_clearing_the_hot_copy(admin_client: Client) -> None:
    """The copy is gone from the cache, and is promoted from the table again."""
    assert said(act(admin_client, "clear_hot", row_of(RED))) == ["The hot copies of 1 entry cleared."]
    assert stock.answer(Color.RED).tier == "cold"
    assert stock.answer(Color.BLUE).tier == "hot"


def test_clearing_both_asks_first(admin_client: Client) -> None:
    """The page says how many entries and how long computing them takes; nothing is cleared before the yes."""
    StatisticEntry.objects.filter(key=RED).update(cost=75)
    page = act(admin_client, "clear_both", row_of(RED))
    text = page.content.decode()
    assert "1 entry" in text
    assert "1 min 15 s" in text
    assert StatisticEntry.objects.count() == 2
    done = act(admin_client, "clear_both", row_of(RED), confirmed="yes")
    assert said(done) == ["1 entry cleared in both tiers."]
    assert stock.get(Color.RED, allow_stale=True) is None
    assert stock.answer(Color.BLUE).tier in ("hot", "cold")


def test_orphans_are_one_filter_and_one_action(admin_client: Client) -> None:
    """A card leads to them all, and the one action whose label names them clears them, and nothing else."""
    for number in range(3):
        orphan(key=f"gone.statistic:{number}")
    orphan("tests.stock", key=RED)
    url = next(card.url for card in admin_client.get(LIST).context["cards"] if card.label == "Orphaned")
    page = admin_client.get(LIST + url)
    rows = list(page.context["cl"].result_list)
    assert len(rows) == 4
    assert re.findall(r'<option value="(\w+)">[^<]*orphan', page.content.decode()) == ["clear_both"]
    done = act(admin_client, "clear_both", rows[0], url=LIST + url, confirmed="yes", select_across="1")
    assert said(done) == ["4 entries cleared in both tiers."]
    assert set(StatisticEntry.objects.values_list("key", flat=True)) == {RED, BLUE}


def test_clearing_nothing_is_no_success(admin_client: Client) -> None:
    """Where no entry that was chosen is there, it warns, clears nothing and notes nothing."""
    row = row_of(RED)
    StatisticEntry.objects.filter(pk=row.pk).delete()
    page = act(admin_client, "clear_both", row, confirmed="yes")
    assert [(str(each), each.level_tag) for each in page.context["messages"]] == [
        ("Nothing was cleared: no entry that was chosen is there.", "warning")
    ]
    assert StatisticEntry.objects.count() == 1
    assert not LogEntry.objects.exists()


def test_the_confirmation_takes_all_that_match(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """With "select all" what the filters match is cleared, in batches, and nothing else."""
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    for each in range(5):
        shades(f"shade {each}")
    url = f"{LIST}?statistic=tests.shades"
    first = StatisticEntry.objects.filter(statistic="tests.shades")[0]
    page = act(admin_client, "clear_both", first, url=url, select_across="1")
    assert "5 entries" in page.content.decode()
    assert 'name="select_across" value="1"' in page.content.decode()
    done = act(admin_client, "clear_both", first, url=url, select_across="1", confirmed="yes")
    assert said(done) == ["5 entries cleared in both tiers."]
    assert StatisticEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ("refresh_later", "5 entries queued for a worker."),
        ("refresh_now", "5 entries computed."),
        ("invalidate", "5 entries invalidated."),
        ("clear_hot", "The hot copies of 5 entries cleared."),
    ],
)
def test_actions_take_all_that_match(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, action: str, text: str
) -> None:
    """With "select all" every row that the filters match is worked on, in batches, and noted."""
    monkeypatch.setattr(actions, "AT_ONCE", 2)
    for each in range(5):
        shades(f"shade {each}")
    first = StatisticEntry.objects.filter(statistic="tests.shades")[0]
    page = act(admin_client, action, first, url=f"{LIST}?statistic=tests.shades", select_across="1")
    assert text in said(page)
    assert LogEntry.objects.filter(object_repr__startswith="tests.shades:").count() == 5


@pytest.mark.parametrize("action", ["refresh_later", "refresh_now", "invalidate", "clear_hot", "clear_both"])
def test_each_action_is_noted(admin_client: Client, action: str) -> None:
    """The admin's log names the entry, the user and what was done."""
    act(admin_client, action, row_of(RED), confirmed="yes")
    noted = LogEntry.objects.get()
    assert (noted.object_repr, noted.user.get_username()) == (RED, "admin")
    assert noted.get_change_message()
    assert (noted.action_flag == DELETION) == (action == "clear_both")


def test_very_many_are_noted_once(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of an action on very many entries is one line with their number."""
    monkeypatch.setattr(actions, "MAX_LOGGED", 1)
    act(admin_client, "invalidate", row_of(RED), row_of(BLUE))
    assert LogEntry.objects.get().object_repr == "2 statistic entries"


def test_orphans_are_left_out_of_all_but_clearing(admin_client: Client) -> None:
    """There is nothing to compute of an orphan, which is said; clearing deletes it."""
    row = orphan()
    other = orphan("tests.stock", key="tests.stock:other")
    for action in ("refresh_later", "refresh_now", "invalidate", "clear_hot"):
        assert "2 entries left out" in said(act(admin_client, action, row, other))[0]
    assert said(act(admin_client, "clear_both", row, other, confirmed="yes")) == ["2 entries cleared in both tiers."]
    assert StatisticEntry.objects.count() == 2
    assert stock.answer(Color.RED).tier in ("hot", "cold")


def test_an_action_leads_back_to_the_page_it_came_from(admin_client: Client) -> None:
    """From an entry's page to that page, while there is one; anything else leads to the list."""
    row = row_of(RED)
    assert act(admin_client, "refresh_now", row, detail=str(row.pk)).redirect_chain[-1][0].endswith("/change/")
    for detail in ("0", "//example.com", "", "²", "٣", "9" * 19, "9" * 5000):
        assert act(admin_client, "refresh_now", row, detail=detail).redirect_chain[-1][0] == LIST


def divide() -> Any:
    """Fail, as a function of anybody's may."""
    return 1 // 0


class TestRunNow:
    """The registry's button."""

    def run(self, client: Client, name: str) -> Any:
        """Press it."""
        return client.post(f"{REGISTRY}{name}/run/", follow=True)

    def test_what_is_kept_warm_is_computed(self, admin_client: Client) -> None:
        """Every hydrated variant is computed, fresh or not, and noted."""
        assert said(self.run(admin_client, "tests.stock")) == ["4 of 4 variants of tests.stock computed."]
        assert Computed.of("stock") == 6
        assert LogEntry.objects.get().object_repr == "tests.stock"

    def test_the_single_variant_is_computed(self, admin_client: Client) -> None:
        """A statistic without parameters has one."""
        assert said(self.run(admin_client, "tests.total")) == ["1 of 1 variants of tests.total computed."]

    def test_many_are_queued(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, messages: Messages) -> None:
        """More than a request waits for are left to a worker."""
        monkeypatch.setattr("statistics_cache.admin.declared.MAX_NOW", 3)
        assert said(self.run(admin_client, "tests.stock")) == ["4 of 4 variants of tests.stock queued for a worker."]
        assert len(messages.take()) == 4

    @pytest.mark.parametrize("hydrate", [lambda: [{"color": "red"}], [{"color": "red"}], None])
    def test_the_button_says_what_it_does(
        self, admin_client: Client, monkeypatch: pytest.MonkeyPatch, messages: Messages, hydrate: Any
    ) -> None:
        """It is *Queue* where a worker computes, which what a callable names is always left to, and else *Run now*."""
        monkeypatch.setattr("statistics_cache.admin.declared.MAX_NOW", 0 if hydrate is None else 1)
        grid = [{"color": "red"}] if hydrate is None else hydrate
        statistic(name="tests.warm", hydrate=grid)(count_stock)
        page = admin_client.get(REGISTRY).content.decode()
        is_queued = ">Queue<" in page.split("/tests.warm/run/")[1].split("</form>")[0]
        told = said(self.run(admin_client, "tests.warm"))[0]
        assert is_queued == (hydrate is None or callable(hydrate))
        assert ("queued for a worker" in told) == is_queued
        assert ("computed." in told) != is_queued
        assert len(messages.take()) == is_queued

    def test_a_broker_that_is_out_is_told(self, admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """It says how many are queued: none."""
        monkeypatch.setattr("statistics_cache.admin.declared.MAX_NOW", 3)
        queue.breaker.failed(ConnectionError())
        assert (
            "0 of 4 variants of tests.stock queued for a worker: the broker is down."
            in said(self.run(admin_client, "tests.stock"))[0]
        )

    @pytest.mark.parametrize("hydrate", [divide, lambda: 5, lambda: [3], lambda: [{"color": "no"}]])
    def test_a_hydrate_that_cannot_be_read_is_told(self, admin_client: Client, hydrate: Any) -> None:
        """Whatever it raises or returns is said, by the statistic's name; nothing is computed."""
        statistic(name="tests.broken", hydrate=hydrate)(count_stock)
        assert (
            "Failed: the hydrate= of tests.broken cannot be read: " in said(self.run(admin_client, "tests.broken"))[0]
        )
        assert not LogEntry.objects.exists()

    def test_without_variants_it_says_so(self, admin_client: Client) -> None:
        """A statistic whose parameters have no defaults names none."""
        assert "Nothing to run: tests.shades" in said(self.run(admin_client, "tests.shades"))[0]

    def test_only_a_post_runs(self, admin_client: Client) -> None:
        """A link does nothing."""
        assert admin_client.get(f"{REGISTRY}tests.total/run/").status_code == 405
        assert Computed.of("total") == 0
