"""What happened in any process, in a Valkey database of its own: nothing under test reads or writes it."""

import json
import os
from time import time
from typing import NamedTuple

import redis


class Line(NamedTuple):
    """One thing that happened: when, in which process, and what."""

    at: float
    pid: int
    what: tuple[str, ...]


class Notebook:
    """Lines by kind, in the order they were written; and how slow a compute is told to be."""

    def __init__(self, url: str) -> None:
        """Connect when first used."""
        self.client = redis.Redis.from_url(url, decode_responses=True)

    def note(self, kind: str, *what: str) -> None:
        """Write a line; it is there when this returns."""
        self.client.rpush(kind, json.dumps([time(), os.getpid(), what]))

    def of(self, kind: str, *what: str) -> list[Line]:
        """Give the lines of a kind that begin with these words."""
        lines: list[str] = self.client.lrange(kind, 0, -1)  # type: ignore[assignment]
        read = (json.loads(line) for line in lines)
        found = [Line(at, pid, tuple(words)) for at, pid, words in read]
        return [line for line in found if line.what[: len(what)] == what]

    @property
    def slowness(self) -> float:
        """Give the seconds that a compute lasts now."""
        return float(self.client.get("slowness") or 0)

    @slowness.setter
    def slowness(self, seconds: float) -> None:
        self.client.set("slowness", seconds)

    def clear(self) -> None:
        """Forget everything."""
        self.client.flushdb()
