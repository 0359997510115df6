"""Leaving a failed server alone: after one error nobody asks it, until one caller a pause later tries again."""

import os
from collections.abc import Callable
from random import uniform
from threading import Lock
from time import monotonic

from .signals import breaker_changed


class Breaker:
    """Opens at the first error; a pause later one caller at a time may probe; closes at the first success.

    One per process and server. `pause` gives seconds and is read when an error comes; up to a tenth is added, so that
    processes that failed together do not probe together. Reading `is_open` while closed costs one attribute.
    """

    def __init__(self, name: str, pause: Callable[[], float], clock: Callable[[], float] = monotonic) -> None:
        """Start closed."""
        self.name = name
        self.pause = pause
        self.clock = clock
        self.is_open = False
        self.retry_at = 0.0
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Make a lock that nobody holds: in a forked child, who held it is not there any more."""
        self.lock = Lock()

    def forget(self) -> None:
        """Be closed, and tell nobody: what was known of the server is of another time."""
        self.is_open = False
        self.retry_at = 0.0

    @property
    def rests(self) -> bool:
        """Tell whether nobody is to ask the server now; unlike `allows` it takes nobody's turn to probe."""
        return self.is_open and self.clock() < self.retry_at

    def allows(self) -> bool:
        """Tell whether the caller may ask the server; when a pause is over, one caller is told so."""
        if not self.is_open:
            return True
        with self.lock:
            if self.is_open and self.clock() < self.retry_at:
                return False
            self.retry_at = self.clock() + self._next_pause()
            return True

    def failed(self, error: Exception) -> None:
        """Open, or stay open for another pause."""
        with self.lock:
            changed = not self.is_open
            self.is_open = True
            self.retry_at = self.clock() + self._next_pause()
        if changed:
            breaker_changed.send_robust(sender=type(self), name=self.name, is_open=True, error=error)

    def succeeded(self) -> None:
        """Close."""
        if not self.is_open:
            return
        with self.lock:
            changed, self.is_open = self.is_open, False
        if changed:
            breaker_changed.send_robust(sender=type(self), name=self.name, is_open=False, error=None)

    def _next_pause(self) -> float:
        return self.pause() * uniform(1.0, 1.1)
