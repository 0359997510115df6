"""A headless Chromium that the tests drive: Debian's, from PATH."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.test import Client
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.waiting import PATIENCE

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
WANTED = "chromium and chromedriver are not on PATH: apt-get install chromium chromium-driver (on Debian)"
AXE = os.environ.get("AXE_CORE", "")  # the file axe.min.js of the npm package axe-core
IN_CI = bool(os.environ.get("CI"))  # there nothing is skipped
SHOTS = os.environ.get("SCREENSHOTS", "")  # a folder to leave screenshots in, for whoever wants to look
SIZE = (1440, 1000)
LEAVE = "window.isLeft = true"  # of the window that a page has; the next page has another
HAS_COME = "return !window.isLeft && document.readyState === 'complete' && document.querySelector('#footer') !== null"


class Browser:
    """One window, and what its console has said."""

    def __init__(self, driver: Chrome, url: str) -> None:
        """Take a driver and the address of a server."""
        self.driver = driver
        self.url = url
        self.console: list[str] = []

    def log_in(self, client: Client) -> None:
        """Be the user of a test client."""
        self.driver.get(f"{self.url}/static/statistics_cache/admin.css")
        self.driver.delete_all_cookies()
        name = settings.SESSION_COOKIE_NAME
        self.driver.add_cookie({"name": name, "value": client.cookies[name].value, "path": "/"})

    def prefer(self, scheme: str) -> None:
        """Let the system be light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def be(self, width: int, height: int = 844) -> None:
        """Let the screen be so large: a headless window is never as narrow as a phone."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def overflow(self, selector: str = "html") -> int:
        """Give how many pixels of an element's content lie beyond its right edge."""
        found: int = self.driver.execute_script(
            "return arguments[0].scrollWidth - arguments[0].clientWidth", self.find(selector)
        )
        return found

    def open(self, path: str) -> None:
        """Open a page."""
        self.driver.get(self.url + path)

    def find(self, selector: str) -> WebElement:
        """Give the first element of a selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Give every element of a selector."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """Give the text of every element of a selector."""
        return [element.text for element in self.all(selector)]

    def click(self, selector: str) -> None:
        """Click on an element that changes the page it is on."""
        self.find(selector).click()

    def follow(self, selector: str) -> None:
        """Click on an element that leads to another page, and wait until that is there."""
        self.driver.execute_script(LEAVE)
        self.click(selector)
        self.until(lambda: self.driver.execute_script(HAS_COME), f"a page behind {selector}")

    def until(self, happened: Callable[[], object], what: str) -> None:
        """Wait until something holds; while one page goes and another comes, the driver has many words for neither."""
        waiting = WebDriverWait(self.driver, PATIENCE, ignored_exceptions=[WebDriverException])
        waiting.until(lambda _: happened(), what)

    def complaints(self) -> list[str]:
        """Give what the console has said since it was last asked: violations of the policy, errors, missing files."""
        driver: Any = self.driver  # its log has no types
        lines = driver.get_log("browser")
        return [line["message"] for line in lines if line["level"] != "INFO" and "/favicon.ico" not in line["message"]]

    def shot(self, name: str) -> None:
        """Leave a screenshot of the whole page, if a folder is named."""
        if SHOTS:
            height = self.driver.execute_script("return document.documentElement.scrollHeight")
            self.be(self.driver.execute_script("return innerWidth"), max(SIZE[1], min(height + 120, 4000)))
            self.driver.save_screenshot(str(Path(SHOTS) / f"{name}.png"))
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def faults(self) -> list[str]:
        """Give what axe-core finds wrong with the open page's content, in the rules of WCAG 2.1 AA."""
        self.driver.execute_script(Path(AXE).read_text())
        run = (
            "const done = arguments[0]; axe.run({include: [['main']]}, "
            "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']}).then(found => done(found.violations))"
        )
        violations: Any = self.driver.execute_async_script(run)
        return [
            f"{each['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for each in violations
            for node in each["nodes"]
        ]


@contextmanager
def chromium() -> Iterator[Chrome]:
    """Start a browser and stop it."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(DRIVER))
    driver.set_window_size(*SIZE)
    driver.implicitly_wait(0)
    driver.set_script_timeout(PATIENCE)
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield driver
    finally:
        driver.quit()
