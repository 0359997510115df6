"""A small TCP proxy of ours: it stands before a server, and cuts, delays, swallows or refuses what goes through."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Literal

HOST = "127.0.0.1"
CHUNK = 65_536
DELAY = 2.0  # seconds that a delayed reply takes

Mode = Literal["pass", "cut", "delay", "swallow"]
Connect = Callable[[], socket.socket]


class Proxy:
    """One listening port of ours before a server; `asked` counts what clients have tried to send through it."""

    def __init__(self, connect: Connect) -> None:
        """Listen on a free port; `connect` gives a connection to the server behind."""
        self.connect = connect
        self.mode: Mode = "pass"
        self.asked = 0
        self.port = 0
        self.lock = Lock()
        self.healed = Event()
        self.pairs: list[tuple[socket.socket, socket.socket]] = []
        self.open()

    def open(self) -> None:
        """Listen, on the port that it had."""
        listening = self.listening = socket.create_server((HOST, self.port), backlog=100)
        self.port = listening.getsockname()[1]
        Thread(target=self.accept, args=(listening,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and end those there are."""
        with suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)  # wakes who accepts
        self.listening.close()
        self.drop()

    def drop(self) -> None:
        """End the connections there are."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            hang_up(*pair)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Be a port where nobody listens."""
        self.close()
        try:
            yield
        finally:
            self.open()

    @contextmanager
    def doing(self, mode: Mode) -> Iterator[None]:
        """Do something to what goes through; then begin anew with fresh connections."""
        self.healed.clear()
        self.mode = mode
        try:
            yield
        finally:
            self.mode = "pass"
            self.healed.set()
            self.drop()

    def lead_to(self, connect: Connect) -> None:
        """Stand before another server from now on, as an address does after a failover."""
        self.connect = connect
        self.drop()

    def accept(self, listening: socket.socket) -> None:
        """Take connections until the port is closed."""
        with suppress(OSError):
            while True:
                client, _ = listening.accept()
                self.asked += 1
                self.join(client)

    def join(self, client: socket.socket) -> None:
        """Tie a client to the server; hang up where there is none."""
        try:
            server = self.connect()
        except OSError:
            client.close()
            return
        with self.lock:
            self.pairs.append((client, server))
        Thread(target=self.pump, args=(client, server, self.ask), daemon=True).start()
        Thread(target=self.pump, args=(server, client, self.reply), daemon=True).start()

    def pump(self, source: socket.socket, sink: socket.socket, treat: Callable[[bytes, socket.socket], bool]) -> None:
        """Carry bytes one way until either side ends."""
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if not treat(data, sink):
                    break
        hang_up(source, sink)

    def ask(self, data: bytes, server: socket.socket) -> bool:
        """Carry what a client asks."""
        self.asked += 1
        if self.mode != "swallow":
            server.sendall(data)
        return True

    def reply(self, data: bytes, client: socket.socket) -> bool:
        """Carry what the server replies, or what is left of it; False ends the connection."""
        if self.mode == "cut":
            client.sendall(data[: len(data) // 2])
            return False
        if self.mode == "delay":
            self.healed.wait(DELAY)
        if self.mode != "swallow":
            client.sendall(data)
        return True


def hang_up(*ends: socket.socket) -> None:
    """End connections, also for a thread that waits on them."""
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


def tcp(port: int) -> Connect:
    """Give what connects to a port of this machine."""
    return lambda: without_delay(socket.create_connection((HOST, port)))


def unix(path: str) -> Connect:
    """Give what connects to a socket file."""

    def connect() -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        try:
            made.connect(path)
        except OSError:
            made.close()
            raise
        return made

    return connect


def without_delay(made: socket.socket) -> socket.socket:
    """Let small messages go at once."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made
