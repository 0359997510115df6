"""`manage.py demo`, run as a user runs it: it shows what it says, and leaves no process behind."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

ROOT = Path(__file__).parent.parent
MANAGE = [sys.executable, "-u", str(ROOT / "manage.py")]
Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Start a command of the example project in a folder of the test's own."""
    started: list[subprocess.Popen[str]] = []
    unset = {"REDIS_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"RUN_DIR": str(tmp_path / "run")}

    def start(*arguments: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*MANAGE, *arguments], env=environment, cwd=ROOT, **pipes)
        started.append(process)
        return process

    yield start
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
    """Wait until a demo has its server, and give the server's URL."""
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("cache: redis://"), line
    return line.removeprefix("cache: ").strip()


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
    demo = run("demo", "--usage", "500")
    demo.communicate()
    shown, errors = run("show_statistics", "catalog.*", "--values", "--format", "json").communicate()
    rows = json.loads(shown)
    assert (len(rows), errors) == (50, "")
    assert {row["tier"] for row in rows} == {"cold"}
    assert sum(row["value"]["total_count"] for row in rows if row["name"] == "catalog.usage_statistics") > 0


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
    second = run("demo")
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
