"""`manage.py demo`, run as a user runs it: it shows what it says, and leaves no process behind."""

import json
import re
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from http.cookiejar import CookieJar
from io import StringIO
from pathlib import Path
from threading import Event
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
import redis
from honcho.printer import Message

from project.catalog.management.commands.demo import place_of
from project.catalog.showing.serving import SIGNS, Announcer
from project.valkey import HOST, free_port
from tests.demos import Run, demos, is_served, left_of, line_of, server_of
from tests.waiting import PATIENCE, until

ENTRIES = "statistics_cache/statisticentry/"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a command of the example project in a folder of the test's own."""
    with demos(tmp_path / "run") as start:
        yield start


def is_alive(url: str) -> bool:
    """Tell whether a server answers."""
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_the_demo_shows_what_it_says(run: Run) -> None:
    """Every variant is computed, read hot and cold, and after a flush none is computed; exit code 0."""
    demo = run("demo", "--no-serve", "--usage", "2000", "--all")
    url = server_of(demo)
    output, errors = demo.communicate()
    assert (demo.returncode, errors) == (0, "")
    assert re.search(r"^50 values: [\d,.]+ s to compute, [\d.]+ s to read: [\d,]+ ×$", output, re.MULTILINE)
    assert len(re.findall(r"catalog\.(?:category|usage)_statistics", output)) == 50
    assert "read 50, computed 0" in output
    assert not is_alive(url)


def test_the_values_survive_the_demo(run: Run) -> None:
    """The best five rows are shown, each step in a line; usage of an earlier run is used again; without the server
    `show_statistics` prints every value from the table."""
    output, errors = "", ""
    for _ in range(2):
        demo = run("demo", "--no-serve", "--usage", "500")
        output, errors = demo.communicate()
        assert (demo.returncode, errors) == (0, "")
        assert len(re.findall(r"catalog\.(?:category|usage)_statistics", output)) == 5
        assert "computing 50 values …" in output
    assert "500 usage records of an earlier run are used again" in output
    shown, errors = run("show_statistics", "catalog.*", "--values", "--format", "json").communicate()
    rows = json.loads(shown)
    assert (len(rows), errors) == (50, "")
    assert {row["tier"] for row in rows} == {"cold"}
    assert sum(row["value"]["total_count"] for row in rows if row["name"] == "catalog.usage_statistics") > 0


class Browser:
    """Just enough of one to log in to the admin."""

    def __init__(self, address: str) -> None:
        """Begin without cookies."""
        self.address, self.cookies = address, CookieJar()
        self.opener = build_opener(HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        """Give a page."""
        with self.opener.open(self.address + path, timeout=PATIENCE) as response:
            text: str = response.read().decode()
            return text

    def log_in(self, user: str, password: str) -> str:
        """Log in, and give the page that follows."""
        self.get("login/")
        return self.post("login/", username=user, password=password, next=urlsplit(self.address).path)

    def post(self, path: str, **form: str) -> str:
        """Send a form, and give the page that follows."""
        token = next(str(cookie.value) for cookie in self.cookies if cookie.name == "csrftoken")
        data = urlencode(form | {"csrfmiddlewaretoken": token}).encode()
        with self.opener.open(self.address + path, data, timeout=PATIENCE) as response:
            text: str = response.read().decode()
            return text


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_demo_serves_until_it_is_stopped(run: Run, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It prints where the admin is and a password that opens it, below what its processes say when they start; its
    worker refreshes; a signal ends every process."""
    port = free_port()
    demo = run("demo", "--usage", "500", "--port", str(port))
    url = server_of(demo)
    found = line_of(demo, r"^admin: (http://127.0.0.1:\d+/admin/)  user: (\w+)  password: (\S+)")
    until(lambda: is_served(port), "the web server of the demo")
    browser = Browser(found[1])
    assert "Site administration" in browser.log_in(found[2], found[3])
    page = browser.get(ENTRIES)
    assert "No tick was seen since the cache was last empty" not in page
    assert re.search(r">Reads</span>\s*<span[^>]*>50<", page)
    entry = re.search(r'name="_selected_action" value="(\d+)"', page)
    assert entry
    browser.post(ENTRIES, action="refresh_later", _selected_action=entry[1], index="0")
    line_of(demo, r"worker \|.*statistics_cache.refresh.*succeeded")
    demo.send_signal(number)
    demo.communicate()
    assert demo.returncode == code
    assert not is_alive(url)
    assert left_of(tmp_path / "run") == []


def test_a_busy_port_is_refused_at_once(run: Run) -> None:
    """The port is named, and nothing is started."""
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        output, errors = run("demo", "--port", str(port)).communicate()
    assert output == ""
    assert errors.startswith(f"CommandError: port {port} of 127.0.0.1 cannot be used:")
    assert errors.strip().endswith("Give another --port.")


@pytest.mark.parametrize("folder", ["file", "file/run", "missing/run", "/proc/self"])
def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path, folder: str) -> None:
    """A folder that cannot be made, or in which nothing can be made, ends in one line that names it."""
    (tmp_path / "file").write_text("")
    demo = run("demo", "--no-serve", RUN_DIR=str(tmp_path / folder))
    _, errors = demo.communicate()
    assert str(tmp_path / folder) in errors
    assert errors.endswith("to a folder to write in.\n")
    assert (demo.returncode, errors.count("\n")) == (2, 1)


@pytest.mark.parametrize("port", ["0", "-1", "65536"])
def test_a_port_that_is_none_is_refused(run: Run, port: str) -> None:
    """A number that no address can have is wrong usage."""
    demo = run("demo", "--port", port)
    _, errors = demo.communicate()
    assert demo.returncode == 2
    assert errors == f"CommandError: --port is {port}. Give a number from 1 to 65535.\n"


def test_without_debug_it_does_not_serve(run: Run) -> None:
    """A password is made and printed with DEBUG only."""
    demo = run("demo", DEBUG="0", SECRET_KEY="secret")  # noqa: S106
    _, errors = demo.communicate()
    assert demo.returncode == 2
    assert "DEBUG=1" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_no_process(run: Run, number: signal.Signals, code: int) -> None:
    """Ctrl-C and SIGTERM in the middle stop the server and say so by the exit code."""
    demo = run("demo", "--usage", "5000000")
    url = server_of(demo)
    assert is_alive(url)
    demo.send_signal(number)
    demo.communicate()
    assert demo.returncode == code
    assert not is_alive(url)


def test_a_shell_in_the_background_leaves_it_stoppable(run: Run) -> None:
    """SIGINT ends it also where it began with SIGINT ignored, as a shell begins what it has in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        demo = run("demo", "--usage", "5000000")
    finally:
        signal.signal(signal.SIGINT, before)
    url = server_of(demo)
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert not is_alive(url)


def test_after_a_kill_the_next_start_removes_ours(run: Run) -> None:
    """What SIGKILL left behind is stopped by the next demo."""
    killed = run("demo", "--usage", "5000000")
    left = server_of(killed)
    killed.kill()
    killed.communicate()
    assert is_alive(left)
    server_of(run("demo", "--usage", "5000000"))
    assert not is_alive(left)


def test_a_second_demo_beside_is_refused(run: Run) -> None:
    """A demo that runs keeps its server; a second one says why it cannot start."""
    first = server_of(run("demo", "--usage", "5000000"))
    second = run("demo", "--no-serve")
    _, errors = second.communicate()
    assert second.returncode == 1
    assert "another demo is running" in errors
    assert is_alive(first)


def test_an_error_leaves_no_process(run: Run) -> None:
    """A file that cannot be loaded ends the demo with its reason, and stops the server."""
    demo = run("demo", "--data", "nowhere.json")
    url = server_of(demo)
    _, errors = demo.communicate()
    assert demo.returncode == 1
    assert "nowhere.json" in errors
    assert not is_alive(url)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("redis://user:SECRET@cache.example:6380/1?password=SECRET", "cache.example:6380"),
        ("rediss://:SECRET@cache.example", "cache.example:6379"),
        ("unix://:SECRET@/run/redis.sock?db=1", "/run/redis.sock"),
    ],
)
def test_the_demo_prints_no_password(url: str, place: str) -> None:
    """Of a server's URL it prints host and port, or the socket."""
    assert place_of(url) == place


def test_a_line_of_a_signals_handler_takes_no_lock() -> None:
    """The event is set once, when the last process is ready: a handler that interrupts that, and prints, waits for
    nobody."""

    class Once(Event):
        def set(self) -> None:
            assert not self.is_set()
            super().set()

    printer = Announcer(StringIO())
    printer.are_ready = Once()
    for name, text in [("system", "web started"), *SIGNS.items(), ("system", "SIGTERM received"), ("web", "")]:
        printer.write(Message("line", text.encode(), datetime.now(UTC), name, None))
    assert printer.are_ready.is_set()
