"""The first page of a real demo in a real browser: each button does what it says."""

import json
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from project.valkey import free_port
from tests.admin.browser import AXE, CHROMIUM, DRIVER, IN_CI, WANTED, Browser, chromium
from tests.demos import demos, line_of
from tests.waiting import pass_time, until

pytestmark = pytest.mark.skipif(not (CHROMIUM and DRIVER) and not IN_CI, reason=WANTED)
SECONDS = float(os.environ.get("PAGE_SECONDS", "3"))  # that the page is watched; ten minutes by hand
SHOTS = {"1440": 1440, "1920": 1920, "390": 390}


class Page(NamedTuple):
    """The open page, and the database behind it."""

    browser: Browser
    file: Path

    def press(self, name: str) -> str:
        """Press a button, and give what is said when it has done its work."""
        self.browser.click(f'button[formaction$="/{name}/"]')
        self.browser.until(lambda: self.text("#doing").endswith("."), f"what {name} did")
        return self.text("#doing")

    def text(self, selector: str) -> str:
        """Give the text of an element, in one step: it may be replaced in the next."""
        script = "return document.querySelector(arguments[0]).innerText"
        return str(self.browser.driver.execute_script(script, selector))

    def tiles(self) -> dict[str, tuple[str, str]]:
        """Give the state of each tile, and what is said of it."""
        script = (
            "return [...document.querySelectorAll('.tile')].map(t => [t.dataset.name, t.dataset.state, t.innerText])"
        )
        return {name: (state, text) for name, state, text in self.browser.driver.execute_script(script)}

    def health(self) -> dict[str, Any]:
        """Give what the probe says."""
        script = "const done = arguments[0]; fetch('/health/').then(given => given.json()).then(done)"
        found: dict[str, Any] = self.browser.driver.execute_async_script(script)
        return found

    def states(self) -> set[str]:
        """Give the states that tiles are in."""
        return {state for state, _ in self.tiles().values()}

    def entries(self) -> dict[str, tuple[str, int]]:
        """Give when each entry of `usage_statistics` was computed, and how often, as the database says."""
        with closing(sqlite3.connect(self.file, timeout=20)) as database:
            rows: list[Any] = database.execute(
                "SELECT key, computed_at, costs FROM statistics_cache_statisticentry WHERE statistic = ?",
                ["catalog.usage_statistics"],
            ).fetchall()
        return {key: (computed_at, len(json.loads(costs))) for key, computed_at, costs in rows}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Run a demo, and open its first page."""
    folder, port = tmp_path_factory.mktemp("page") / "run", free_port()
    with demos(folder) as run:
        line_of(run("demo", "--usage", "3000", "--port", str(port)), f"^open http://127.0.0.1:{port}/$")
        with chromium() as driver:
            browser = Browser(driver, f"http://127.0.0.1:{port}")
            browser.open("/")
            yield Page(browser, folder / "db.sqlite3")


@pytest.fixture
def page(demo: Page) -> Iterator[Page]:
    """Give the page in peace, and see that its console has nothing to complain of afterwards."""
    until(lambda: demo.states() == {"fresh"} and len(demo.tiles()) == 10, "ten fresh tiles")
    yield demo
    said = demo.browser.complaints()
    assert [line for line in said if "/health/" not in line] == []  # which is 503 while Valkey is out


def test_it_compares(page: Page) -> None:
    """The factor is that of the two times it shows."""
    page.browser.until(lambda: page.text("#factor").endswith("×"), "a factor")
    number = r"([\d,.]+)"
    shown = [re.match(number, page.text(place)) for place in ("#live", "#cached", "#factor")]
    live, cached, factor = (float(found[1].replace(",", "")) for found in shown if found)
    assert live / cached == pytest.approx(factor, rel=0.2)  # they are rounded for people


def test_saving_one_record_moves_its_variants(page: Page) -> None:
    """Four of forty; the chart of its category is computed again, the nine others are not."""
    before = page.entries()
    wanted = r"ModelRecord \d+, and .* saved: 4 of 40 variants of category_statistics, 1 of 10 charts\."
    assert re.fullmatch(wanted, page.press("save-one"))
    until(lambda: changed(before, page.entries()) == 1, "the chart that comes back")
    until(lambda: page.states() == {"fresh"}, "a fresh tile")
    assert changed(before, page.entries()) == 1


def test_saving_in_bulk_says_how_many(page: Page) -> None:
    """The five hundred records are of some categories, four variants each."""
    found = re.fullmatch(
        r"500 ModelRecords saved in bulk: (\d+) of 40 variants of category_statistics\.", page.press("save-many")
    )
    assert found
    assert int(found[1]) % 4 == 0
    until(lambda: page.states() == {"fresh"}, "fresh tiles")


def test_forty_readers_are_one_compute(page: Page) -> None:
    """So the page says, and so does the row, which is a new one."""
    said = page.press("read-at-once")
    assert said.startswith("40 readers of a value that was not stored: 1 compute;")
    entries = {key: number for key, (_, number) in page.entries().items() if "image_generation" in key}
    assert list(entries.values()) == [1]


def test_an_empty_cache_costs_no_compute(page: Page) -> None:
    """The table answers: no chart was computed again."""
    before = page.entries()
    assert page.press("empty-cache").endswith("the 10 charts were read again: 10 from the table, 0 computed.")
    assert page.entries() == before


def test_without_valkey_it_goes_on(page: Page) -> None:
    """All charts are there, from the table, and no reader met an error; afterwards they are in Redis again. The probe
    says so, too."""
    until(lambda: page.health()["status"] == "ok", "that all is well")
    page.press("stop-valkey")
    until(lambda: all("from the table" in text for _, text in page.tiles().values()), "charts from the table")
    assert re.search(r"Valkey stopped: .*errors 0", page.text("#told"))
    until(lambda: "cache" in page.health()["problems"], "that the cache is out")
    page.press("start-valkey")
    until(lambda: all("from Redis" in text for _, text in page.tiles().values()), "charts from Redis")
    until(lambda: page.health()["status"] == "ok", "that all is well")


def test_without_a_worker_it_says_stale(page: Page) -> None:
    """What changed stays, and says so; when the worker is back, it comes back."""
    page.press("stop-worker")
    page.press("save-one")
    until(lambda: "stale" in page.states(), "a stale tile")
    [stale] = [text for state, text in page.tiles().values() if state == "stale"]
    assert "Its data changed." in stale
    page.press("start-worker")
    until(lambda: page.states() == {"fresh"}, "a fresh tile")


def test_it_stays_warm(page: Page) -> None:
    """However long it is open, each tile that is too old or changed is fresh again, and readers meet no error."""
    watched = 0.0
    while watched < SECONDS:
        until(lambda: page.states() == {"fresh"}, "fresh tiles")
        pass_time(0.5)
        watched += 0.5
    assert re.search(r"Errors\s+0", page.text("#strip"))


@pytest.mark.skipif(not AXE and not IN_CI, reason="AXE_CORE does not name axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", SHOTS)
def test_it_fits_and_everybody_can_use_it(page: Page, scheme: str, width: str) -> None:
    """On a phone, too, nothing is cut off, and axe finds nothing; screenshots for whoever wants to look."""
    page.browser.prefer(scheme)
    page.browser.be(SHOTS[width], 1000)
    assert page.browser.overflow() == 0
    assert page.browser.faults() == []
    page.browser.shot(f"page-{width}-{scheme}")


def test_the_keyboard_reaches_every_button(page: Page) -> None:
    """Each is a button of its own in the order of the page, with a ring when it has the focus."""
    buttons = page.browser.all("main button")
    assert len(buttons) == 9
    for button in buttons:
        page.browser.driver.execute_script("arguments[0].focus({focusVisible: true})", button)
        assert page.browser.driver.switch_to.active_element == button
        assert button.value_of_css_property("outline-style") == "solid"


def changed(before: dict[str, tuple[str, int]], now: dict[str, tuple[str, int]]) -> int:
    """Give how many entries were computed since."""
    return sum(found != before.get(key) for key, found in now.items())
