"""Demos, run as a user runs them, each in a folder of its own, and killed whatever happens."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import redis

from project.valkey import HOST

ROOT = Path(__file__).parent.parent
MANAGE = [sys.executable, "-u", str(ROOT / "manage.py")]
Run = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def demos(folder: Path) -> Iterator[Run]:
    """Start commands of the example project in a folder."""
    started: list[subprocess.Popen[str]] = []
    unset = {"REDIS_URL", "CELERY_BROKER_URL", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"RUN_DIR": str(folder), "COLUMNS": "160"}

    def start(*arguments: str, **variables: str) -> "subprocess.Popen[str]":
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen([*MANAGE, *arguments], env=environment | variables, cwd=ROOT, **pipes)
        started.append(process)
        return process

    try:
        yield start
    finally:
        for number in left_of(folder):
            os.kill(number, signal.SIGKILL)
        for process in started:
            process.kill()
            process.communicate()
        stop_left_over(folder / "valkey" / "address")


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
