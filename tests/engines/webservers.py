"""What serves the example project over HTTP: gunicorn, uvicorn, uWSGI; each in processes of its own."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path

from project.valkey import HOST, free_port
from tests.waiting import PATIENCE, until

UWSGI = Path(sys.executable).with_name("uwsgi")  # a program, and no module
Command = Callable[[int, int, int], list[str]]  # of a port, how many workers, and how many threads each has


def gunicorn(port: int, workers: int, threads: int) -> list[str]:
    """Let the workers be forks of a process that has loaded the project."""
    options = ["--workers", str(workers), "--threads", str(threads), "--bind", f"{HOST}:{port}"]
    options += ["--preload", "--keep-alive", "60", "--log-level", "warning"]
    options += ["--timeout", f"{PATIENCE:.0f}", "--graceful-timeout", "1"]
    return [sys.executable, "-m", "gunicorn", "project.wsgi:application", *options]


def uvicorn(port: int, workers: int, threads: int) -> list[str]:
    """Let each worker load the project; Django gives each request a thread, however many there are."""
    options = ["--workers", str(workers), "--host", HOST, "--port", str(port), "--lifespan", "off"]
    options += ["--timeout-keep-alive", "60", "--log-level", "warning", "--timeout-graceful-shutdown", "1"]
    return [sys.executable, "-m", "uvicorn", "project.asgi:application", *options]


def uwsgi(port: int, workers: int, threads: int) -> list[str]:
    """Let the workers be forks, too."""
    options = ["--processes", str(workers), "--threads", str(threads), "--http11-socket", f"{HOST}:{port}"]
    options += ["--master", "--need-app", "--die-on-term", "--disable-logging", "--so-keepalive"]
    options += ["--home", sys.prefix, "--listen", "100"]
    return [str(UWSGI), "--module", "project.wsgi:application", *options]


COMMANDS: dict[str, Command] = {"gunicorn": gunicorn, "uvicorn": uvicorn, "uwsgi": uwsgi}


def is_installed(name: str) -> bool:
    """Tell whether a server is there to be started."""
    return UWSGI.exists() if name == "uwsgi" else find_spec(name) is not None


@contextmanager
def serving(name: str, workers: int, threads: int, path: str) -> Iterator[int]:
    """Serve the project in this environment until a path is answered, and give the port; leave no process behind."""
    port = free_port()
    process = subprocess.Popen(COMMANDS[name](port, workers, threads))
    try:
        until(lambda: answers(port, path), name)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE)


def answers(port: int, path: str) -> bool:
    """Tell whether it serves a path."""
    with closing(HTTPConnection(HOST, port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", path)
        except ConnectionError:
            return False
        return connection.getresponse().status == 200
