"""The whole site at once, for trying it out: web server, Celery worker and beat, until somebody ends it."""

import os
import secrets
import shlex
import socket
import sys
import webbrowser
from threading import Event, Thread
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from honcho.manager import Manager
from honcho.printer import Printer

HOST = "127.0.0.1"  # loopback only: the site runs with DEBUG, and its password is printed
USER = "demo"
MAX_PORT = 65_535
ENDED = {0, 130, 143}  # what honcho returns after Ctrl-C and SIGTERM; anything else is a process that failed


SIGNS = {"web": "Quit the server", "worker": " ready."}  # what each says when it is ready, at its end
PATIENCE = 20.0  # seconds after which the address is told although a process has said no such thing
DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")  # without one, a browser would be one of the terminal, and take it


class Servers(NamedTuple):
    """Where the site's processes find their cache and their broker."""

    cache: str
    broker: str


def refuse_to_serve(port: int) -> None:
    """Raise CommandError where the site cannot be served: without DEBUG, or where another program has the port."""
    if not settings.DEBUG:
        raise CommandError("The demo is served with DEBUG=1 only. Set it, or give --no-serve.", returncode=2)
    if not 0 < port <= MAX_PORT:
        raise CommandError(f"--port is {port}. Give a number from 1 to {MAX_PORT}.", returncode=2)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(f"port {port} of {HOST} cannot be used: {error}. Give another --port.") from error


def new_password() -> str:
    """Give the demo's user, made if there is none, a random password, and give that."""
    user, _ = get_user_model().objects.get_or_create(username=USER, defaults={"is_staff": True, "is_superuser": True})
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save()
    return password


class Announcer(Printer):  # type: ignore[misc]
    """Prints what the processes say, and notices when all are ready."""

    def __init__(self, output: Any) -> None:
        """Begin with none ready."""
        super().__init__(output, colour=output.isatty())
        self.awaited = dict(SIGNS)
        self.are_ready = Event()

    def write(self, message: Any) -> None:
        """Print a line; of a signal's handler, too, so that it takes no lock but once: when the last is ready."""
        super().write(message)
        sign = self.awaited.get(message.name)
        if sign is None or sign.encode() not in message.data:
            return
        del self.awaited[message.name]
        if not self.awaited:
            self.are_ready.set()

    def announce(self, text: str, address: str, opens: bool) -> None:
        """Say where the site is, below the first lines of its processes, and open it."""
        self.are_ready.wait(PATIENCE)
        print(text, file=self.output, flush=True)
        if opens and has_display():
            webbrowser.open(address)


def has_display() -> bool:
    """Tell whether a browser would have a window of its own."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, DISPLAYS))


def serve(servers: Servers, port: int, password: str, *, opens: bool) -> int:
    """Run web, worker and beat until Ctrl-C or SIGTERM, or until one of them ends; then end all, and give honcho's
    exit code."""
    environment = os.environ | {"REDIS_URL": servers.cache, "CELERY_BROKER_URL": servers.broker}
    environment |= {"DJANGO_SETTINGS_MODULE": "project.settings", "PYTHONUNBUFFERED": "1"}
    printer, address = Announcer(sys.stdout), f"http://{HOST}:{port}/"
    manager = Manager(printer)
    for name, command in commands(port).items():
        manager.add_process(name, shlex.join(command), env=environment, cwd=str(settings.BASE_DIR))
    text = f"\nopen {address}\nadmin: {address}admin/  user: {USER}  password: {password}  (Ctrl-C ends it)"
    Thread(target=printer.announce, args=(text, address, opens), daemon=True).start()
    manager.loop()
    code: int = manager.returncode
    return code


def commands(port: int) -> dict[str, list[str]]:
    """Give the command of each process; `exec` spares a shell that would have to pass signals on."""
    python = [sys.executable]
    celery = [*python, "-m", "celery", "--quiet", "-A", "project"]
    worker = [*celery, "worker", "--queues", "statistics", "--concurrency", "2", "--loglevel", "INFO"]
    return {
        "web": ["exec", *python, "manage.py", "runserver", "--noreload", f"{HOST}:{port}"],
        "worker": ["exec", *python, "-m", "project.dashboard.keeping", "worker", *worker],
        "beat": ["exec", *celery, "beat", "--pidfile", "", "--loglevel", "WARNING"],
    }
