"""The admin in a real browser, under a strict policy, light and dark: nobody's console has anything to complain of."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from pytest_django.live_server_helper import LiveServer
from selenium.webdriver import Chrome
from selenium.webdriver.common.keys import Keys

from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry
from tests.admin.browser import AXE, CHROMIUM, DRIVER, IN_CI, WANTED, Browser, chromium
from tests.admin.conftest import BLUE, LIST, RED, REGISTRY, Login, orphan, row_of
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, shades, shelf, stock, strict, total
from tests.spaces import identity

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not (CHROMIUM and DRIVER) and not IN_CI, reason=WANTED),
]
SCHEMES = ["light", "dark"]


@pytest.fixture(scope="session")
def driver() -> Iterator[Chrome]:
    """Start the browser when the first test wants it."""
    with chromium() as started:
        yield started


@pytest.fixture
def browser(driver: Chrome, live_server: LiveServer) -> Iterator[Browser]:
    """Give the browser at the server; afterwards its console must be empty."""
    window = Browser(driver, live_server.url)
    window.complaints()
    yield window
    assert window.complaints() == []
    driver.get("about:blank")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def stored() -> None:
    """Rows in every state, with a history."""
    now = datetime.now(UTC)
    for color in Color:
        stock(color)
        stock(color, doubled=True)
    shelf(Color.RED)
    Paint.objects.create(color="red", litres=12)
    for name in ("ultramarine", "burnt umber", "ochre"):
        shades(name)
    total()
    strict()
    orphan()
    costs = [0.8 + 0.3 * ((at * 7) % 5) + at / 30 for at in range(24)]
    StatisticEntry.objects.filter(statistic="tests.stock").update(costs=costs, cost=costs[-1])
    StatisticEntry.objects.filter(key=BLUE).update(computed_at=now - timedelta(minutes=22))
    StatisticEntry.objects.filter(key="tests.total:").update(computed_at=now - timedelta(hours=3), costs=[4, 5, 4.2, 6])
    StatisticEntry.objects.filter(key="tests.strict:").update(
        failures=3, last_error="OperationalError: canceling statement due to statement timeout", retry_at=now
    )
    hot.delete(identity(), StatisticEntry.objects.values_list("statistic", "schema", "key"))


def choose(browser: Browser, action: str, *rows: StatisticEntry) -> None:
    """Tick rows and run an action on them."""
    for row in rows:
        browser.click(f'input[name="_selected_action"][value="{row.pk}"]')
    browser.click(f'select[name="action"] option[value="{action}"]')
    browser.follow('.actions button[name="index"]')


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_page_opens(browser: Browser, login: Login, stored: None, scheme: str) -> None:
    """List, entry, orphan, registry and confirmation, in both themes; axe-core finds nothing where it is there."""
    browser.log_in(login(is_superuser=True))
    browser.prefer(scheme)
    pages = {
        "list": LIST,
        "filtered": f"{LIST}?state=stale",
        "detail": f"{LIST}{row_of(BLUE).pk}/change/",
        "changed": f"{LIST}{StatisticEntry.objects.get(statistic='tests.shelf').pk}/change/",
        "failing": f"{LIST}{row_of('tests.strict:').pk}/change/",
        "orphan": f"{LIST}{StatisticEntry.objects.get(statistic='gone.statistic').pk}/change/",
        "registry": REGISTRY,
    }
    for name, path in pages.items():
        browser.open(path)
        look_at(browser, f"{name}-{scheme}")
    browser.open(LIST)
    choose(browser, "clear_both", row_of(BLUE), row_of(RED), row_of("tests.total:"))
    look_at(browser, f"confirm-{scheme}")


@pytest.mark.parametrize("page", ["list", "detail", "promoted", "failing", "registry", "confirm"])
def test_no_page_is_wider_than_a_phone(browser: Browser, login: Login, stored: None, page: str) -> None:
    """At 390 pixels nothing is to be scrolled sideways, but for what scrolls within its frame."""
    browser.log_in(login(is_superuser=True))
    rows = {"detail": RED, "promoted": 'tests.stock:color="blue",doubled=true', "failing": "tests.strict:"}
    stock(Color.BLUE, doubled=True)
    if page == "confirm":
        browser.open(LIST)
        choose(browser, "clear_both", row_of(BLUE), row_of(RED), row_of("tests.total:"))
    browser.be(390)
    if page != "confirm":
        browser.open(
            f"{LIST}{row_of(rows[page]).pk}/change/" if page in rows else {"registry": REGISTRY}.get(page, LIST)
        )
    assert browser.driver.execute_script("return innerWidth") == 390
    assert browser.overflow() <= 0
    assert bool(browser.all(".sc-life")) == (page in rows)
    assert all(line.rect["x"] + line.rect["width"] <= 390 for line in browser.all(".sc-now circle, .sc-life"))
    browser.shot(f"phone-{page}")


@pytest.mark.parametrize(("page", "table"), [(LIST, "#result_list"), (REGISTRY, ".sc-registry")])
def test_on_a_phone_rows_are_cards(browser: Browser, login: Login, stored: None, page: str, table: str) -> None:
    """Each row is a block as wide as its table, its cells below one another, each with what its column is called."""
    browser.log_in(login(is_superuser=True))
    browser.be(390)
    browser.open(page)
    row = browser.find(f"{table} tbody tr")
    cells = [cell for cell in browser.all(f"{table} tbody tr:first-child td[data-label]") if cell.is_displayed()]
    named = [cell for cell in cells if cell.get_attribute("data-label")]
    tops = [cell.rect["y"] for cell in named]
    assert row.value_of_css_property("display") == "block"
    assert len(named) >= 4
    assert tops == sorted(set(tops))
    assert all(cell.rect["x"] + cell.rect["width"] <= 390 for cell in cells)
    before = "return getComputedStyle(arguments[0], '::before').content"
    said = [browser.driver.execute_script(before, cell).strip('"') for cell in named]
    assert said == [cell.get_attribute("data-label") for cell in named]


@pytest.mark.parametrize("width", [1280, 1400, 1600])
def test_no_column_is_cut_off(browser: Browser, login: Login, stored: None, width: int) -> None:
    """On the screens that people sit at, the list holds all its columns, also with texts on why rows are not fresh."""
    browser.log_in(login(is_superuser=True))
    long = '{"category":"image_generation","include_backend_variations":false}'
    year = timedelta(days=330)
    orphan("catalog.category_statistics", params=long, payload="x" * 99_000, computed_at=datetime.now(UTC) - year)
    browser.be(width, 1000)
    browser.open(LIST)
    assert browser.texts(".sc-why")
    assert browser.overflow() <= 0
    assert browser.overflow("#changelist .results") <= 0
    browser.shot(f"list-{width}")


def test_the_copy_button_covers_nothing(browser: Browser, login: Login, stored: None) -> None:
    """It stands above the code that it copies."""
    browser.log_in(login("view"))
    browser.open(f"{LIST}{row_of(RED).pk}/change/")
    button, code = browser.find(".sc-copy").rect, browser.find("#sc-snippet").rect
    assert button["height"] > 0
    assert button["y"] + button["height"] <= code["y"]


def look_at(browser: Browser, name: str) -> None:
    """Demand that a page is ours, styled, and free of faults."""
    assert browser.all(".sc-page, .sc-cards"), name
    assert browser.complaints() == [], name
    browser.shot(name)
    assert AXE or not IN_CI, "AXE_CORE names no file: install the npm package axe-core and let it name its axe.min.js"
    if AXE:
        assert browser.faults() == [], name


@pytest.mark.parametrize("selector", ["time[data-age]", "[data-short]"])
def test_ages_go_on(browser: Browser, login: Login, selector: str) -> None:
    """What a page says of a value's age is true while it is open, in the list and on the entry's page."""
    stock(Color.RED)
    browser.log_in(login("view"))
    browser.open(f"{LIST}{row_of(RED).pk}/change/" if "short" in selector else LIST)
    before = browser.find(selector).text
    browser.until(lambda: browser.find(selector).text != before, "another age")


def test_ages_rest_for_who_wants_little_motion(browser: Browser, login: Login) -> None:
    """There the page waits a minute before it changes."""
    stock(Color.RED)
    browser.log_in(login("view"))
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    hook = "window.waits = []; window.setTimeout = (_, wanted) => window.waits.push(wanted);"
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": hook})
    browser.open(LIST)
    waits = browser.driver.execute_script("return window.waits")
    browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
    browser.prefer("light")
    assert 60_000 in waits
    assert 1_000 not in waits


def test_filtering_and_sorting(browser: Browser, login: Login, stored: None) -> None:
    """A filter's link narrows the list, a card's does, and a heading sorts."""
    browser.log_in(login("view"))
    browser.open(LIST)
    browser.follow('#changelist-filter a[href*="statistic=tests.stock"]')
    assert set(browser.texts("#result_list .sc-name")) == {"tests.stock"}
    browser.open(LIST)
    browser.follow('.sc-card a[href="?state=expired"]')
    assert browser.texts("#result_list .sc-name") == ["tests.total"]
    browser.open(LIST)
    browser.follow("#result_list thead .column-cost .text a")
    browser.follow("#result_list thead .column-cost .text a")
    assert browser.texts("#result_list .sc-name")[0] == "tests.stock"


def test_the_search(browser: Browser, login: Login, stored: None) -> None:
    """Part of a key finds rows."""
    browser.log_in(login("view"))
    browser.open(LIST)
    browser.find("#searchbar").send_keys("ochre")
    browser.follow('#changelist-search input[type="submit"], #changelist-search button')
    assert browser.texts("#result_list .sc-name") == ["tests.shades"]


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ("refresh_later", "2 entries queued for a worker."),
        ("refresh_now", "2 entries computed."),
        ("invalidate", "2 entries invalidated."),
        ("clear_hot", "The hot copies of 2 entries cleared."),
    ],
)
def test_each_action(
    browser: Browser, login: Login, stored: None, messages: Messages, action: str, message: str
) -> None:
    """Ticking rows and running an action does it, says so, and notes it."""
    browser.log_in(login("view", "refresh", "clear"))
    browser.open(LIST)
    choose(browser, action, row_of(BLUE), row_of(RED))
    assert browser.texts(".messagelist li") == [message]
    assert LogEntry.objects.count() == 2
    assert len(messages.take()) == (2 if action == "refresh_later" else 0)


def test_clearing_all_that_match(browser: Browser, login: Login, stored: None) -> None:
    """Select all, confirm, gone: by the buttons a person uses."""
    browser.log_in(login("view", "clear"))
    browser.open(f"{LIST}?statistic=tests.shades")
    browser.click("#action-toggle")
    browser.click('select[name="action"] option[value="clear_both"]')
    browser.follow('.actions button[name="index"]')
    assert "Clear 3 entries" in browser.find(".sc-danger").text
    browser.follow(".sc-danger")
    assert browser.texts(".messagelist li") == ["3 entries cleared in both tiers."]
    assert not StatisticEntry.objects.filter(statistic="tests.shades").exists()


def test_taking_it_back(browser: Browser, login: Login, stored: None) -> None:
    """The other link of the confirmation clears nothing."""
    browser.log_in(login("view", "clear"))
    browser.open(LIST)
    choose(browser, "clear_both", row_of(RED))
    browser.follow("a.sc-plain")
    assert StatisticEntry.objects.filter(key=RED).exists()


@pytest.mark.parametrize(
    ("permissions", "labels"),
    [
        (("view",), []),
        (("view", "refresh"), ["Refresh in the background", "Refresh now"]),
        (("view", "clear"), ["Invalidate", "Clear the hot copy", "Clear both tiers, of orphans too…"]),
    ],
)
def test_buttons_are_for_who_may(
    browser: Browser, login: Login, stored: None, permissions: tuple[str, ...], labels: list[str]
) -> None:
    """The page of an entry has the buttons of the user's permissions, and no others; the registry likewise."""
    browser.log_in(login(*permissions))
    browser.open(f"{LIST}{row_of(RED).pk}/change/")
    assert browser.texts(".sc-head button") == labels
    browser.open(REGISTRY)
    assert bool(browser.all(".sc-run button")) == ("refresh" in permissions)


def test_buttons_of_a_page(browser: Browser, login: Login, stored: None) -> None:
    """Refreshing from an entry's page leads back to it; Run now computes what the registry says."""
    browser.log_in(login("view", "refresh"))
    browser.open(f"{LIST}{row_of(RED).pk}/change/")
    before = Computed.of("stock")
    browser.follow(".sc-head form:nth-of-type(2) button")
    assert browser.texts(".messagelist li") == ["1 entry computed."]
    assert browser.all(".sc-head")
    assert Computed.of("stock") == before + 1
    browser.open(REGISTRY)
    browser.follow('form[action$="/tests.stock/run/"] button')
    assert browser.texts(".messagelist li") == ["4 of 4 variants of tests.stock computed."]


def test_the_keyboard_is_enough(browser: Browser, login: Login, stored: None) -> None:
    """From an entry's page once round by Tab reaches every button and scrolled text, and its focus is seen."""
    browser.log_in(login("view", "refresh", "clear"))
    browser.open(f"{LIST}{row_of(RED).pk}/change/")
    wanted = sum(each.is_displayed() for each in browser.all(".sc-page :is(button, summary, [tabindex='0'])"))
    reached: set[Any] = set()
    for _ in browser.all("a, button, input, select, textarea, summary, [tabindex]"):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        focused = browser.driver.switch_to.active_element
        if browser.driver.execute_script("return arguments[0].closest('.sc-page') !== null", focused):
            assert focused.value_of_css_property("outline-style") != "none"
            reached.add(focused.id)
    assert len(reached) == wanted
