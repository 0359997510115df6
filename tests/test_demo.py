"""`manage.py demo`, run as a user runs it: it shows what it says, and leaves no process behind."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
import redis

from project.catalog.management.commands.demo import place_of
from project.valkey import HOST, free_port
from tests.waiting import PATIENCE, until

ROOT = Path(__file__).parent.parent
MANAGE = [sys.executable, "-u", str(ROOT / "manage.py")]
ENTRIES = "statistics_cache/statisticentry/"
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a command of the example project in a folder of the test's own."""
    started: list[subprocess.Popen[str]] = []
    unset = {"REDIS_URL", "CELERY_BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"RUN_DIR": str(tmp_path / "run")}

    def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*MANAGE, *arguments], env=environment | variables, cwd=ROOT, **pipes)
        started.append(process)
        return process

    yield start
    for number in left_of(tmp_path / "run"):
        os.kill(number, signal.SIGKILL)
    for process in started:
        process.kill()
        process.communicate()
    stop_left_over(tmp_path / "run" / "valkey" / "address")


def stop_left_over(address: Path) -> None:
    """Stop a server that a failed test may have left."""
    if address.exists():
        with suppress(redis.ConnectionError), redis.Redis.from_url(address.read_text()) as client:
            client.shutdown(nosave=True)


def server_of(process: "subprocess.Popen[str]") -> str:
    """Wait until a demo has its server, and give the server's URL: the demo names its host and port alone."""
    assert process.stdout
    line = process.stdout.readline()
    assert re.fullmatch(r"cache: 127\.0\.0\.1:\d+\n", line), line
    return f"redis://{line.removeprefix('cache: ').strip()}/1"


def is_alive(url: str) -> bool:
    """Tell whether a server answers."""
    with redis.Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def test_the_demo_shows_what_it_says(run: Run) -> None:
    """Every variant is computed, read hot and cold, and after a flush none is computed; exit code 0."""
    demo = run("demo", "--no-serve", "--usage", "2000")
    url = server_of(demo)
    output, errors = demo.communicate()
    assert (demo.returncode, errors) == (0, "")
    assert len(re.findall(r"catalog\.(?:category|usage)_statistics", output)) == 50
    assert "read 50, computed 0" in output
    assert not is_alive(url)


def test_the_values_survive_the_demo(run: Run) -> None:
    """Without the server `show_statistics` prints every value from the table."""
    demo = run("demo", "--no-serve", "--usage", "500")
    _, errors = demo.communicate()
    assert (demo.returncode, errors) == (0, "")
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


def line_of(process: "subprocess.Popen[str]", pattern: str) -> "re.Match[str]":
    """Read on until a line matches."""
    assert process.stdout
    for line in process.stdout:
        if found := re.search(pattern, line):
            return found
    raise AssertionError(f"it ended before {pattern}")


def is_served(port: int) -> bool:
    """Tell whether somebody listens."""
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def left_of(run_dir: Path) -> list[int]:
    """Give the processes that were told to work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"RUN_DIR={run_dir}\0".encode() in (place / "environ").read_bytes():
                found.append(int(place.name))
    return found


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_demo_serves_until_it_is_stopped(run: Run, tmp_path: Path, number: signal.Signals, code: int) -> None:
    """It prints where the admin is and a password that opens it; its worker refreshes; a signal ends every process."""
    port = free_port()
    demo = run("demo", "--usage", "500", "--port", str(port))
    url = server_of(demo)
    found = line_of(demo, r"admin: (http://127.0.0.1:\d+/admin/)  user: (\w+)  password: (\S+)")
    line_of(demo, r"worker \|.* ready\.")
    until(lambda: is_served(port), "the web server of the demo")
    browser = Browser(found[1])
    assert "Site administration" in browser.log_in(found[2], found[3])
    page = browser.get(ENTRIES)
    assert "No tick was ever seen" not in page
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
