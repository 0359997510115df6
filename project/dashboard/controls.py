"""Stopping and starting the demo's own servers: whoever keeps one notes its process in `RUN_DIR`, and obeys signals."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

STOP, START = signal.SIGUSR1, signal.SIGUSR2


def note_of(name: str) -> Path:
    """Give the file that says which process keeps a server."""
    return Path(settings.RUN_DIR) / f"{name}.keeper"


@contextmanager
def kept(name: str, stop: Callable[[], None], start: Callable[[], None]) -> Iterator[None]:
    """Let other processes stop and start what this one keeps."""
    handlers = {STOP: stop, START: start}
    before = {number: signal.signal(number, lambda *_, do=do: do()) for number, do in handlers.items()}
    note_of(name).write_text(str(os.getpid()))
    try:
        yield
    finally:
        note_of(name).unlink(missing_ok=True)
        for number, handler in before.items():
            signal.signal(number, handler)


def is_kept(name: str) -> bool:
    """Tell whether a server is one that this page may stop: not one that was here before the demo."""
    return keeper(name) is not None


def keeper(name: str) -> int | None:
    """Give the process that keeps a server; None if there is none."""
    try:
        number = int(note_of(name).read_text())
        os.kill(number, 0)
    except (OSError, ValueError):
        return None
    return number


def tell(name: str, number: signal.Signals) -> bool:
    """Send a signal to who keeps a server; False if nobody does."""
    if (process := keeper(name)) is None:
        return False
    os.kill(process, number)
    return True
