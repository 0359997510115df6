"""A few readers who read all the time while somebody looks at the page, so that there is something to measure."""

from collections import deque
from random import choice
from threading import Lock, Thread
from time import monotonic, sleep

from django.db import connections

from project.catalog.showing.measuring import variants

from .reading import Sample, sample

READERS = 2
PAUSE = 0.02  # seconds between two reads of one reader: together they read at most a hundred times a second
LINGER = 15.0  # seconds that they go on after the page has last asked
MINUTE = 60.0
MOST = 20_000  # samples that are remembered: more than a minute of them


class Traffic:
    """The readers of this process; they begin when they are wanted, and end by themselves."""

    def __init__(self) -> None:
        """Begin with none."""
        self.samples: deque[Sample] = deque(maxlen=MOST)
        self.wanted_until = 0.0
        self.lock = Lock()
        self.readers: list[Thread] = []

    def want(self) -> None:
        """Have the readers go on for a while."""
        self.wanted_until = monotonic() + LINGER
        with self.lock:
            self.readers = [reader for reader in self.readers if reader.is_alive()]
            for number in range(len(self.readers), READERS):
                reader = Thread(target=self.read_on, name=f"reader {number}", daemon=True)
                reader.start()
                self.readers.append(reader)

    def read_on(self) -> None:
        """Read whatever comes, until nobody looks any more."""
        wanted = variants()
        try:
            while monotonic() < self.wanted_until:
                self.samples.append(sample(choice(wanted)))
                sleep(PAUSE)
        finally:
            connections.close_all()

    def since(self, at: float, until: float | None = None) -> list[Sample]:
        """Give the reads that began from one moment to another (`time.monotonic`)."""
        end = monotonic() if until is None else until
        return [each for each in list(self.samples) if at <= each.at <= end]

    def last_minute(self) -> list[Sample]:
        """Give the reads of the last minute."""
        return self.since(monotonic() - MINUTE)


traffic = Traffic()
