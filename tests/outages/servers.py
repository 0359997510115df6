"""The servers that the outages hurt: a Valkey with a replica, a broker, and a way in before each."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.outages.proxy import HOST, Proxy, tcp
from tests.servers import own_valkey
from tests.waiting import PATIENCE, until

AT_ONCE = {"repl-diskless-sync-delay": 0, "enable-debug-command": "yes"}  # a replica is served without a delay


class Valkey:
    """One real server, reached by clients under test through a proxy, and by us directly as `admin`."""

    def __init__(self, folder: Path) -> None:
        """Start it, and stand before it."""
        self.folder = folder
        self.start()
        self.proxy = Proxy(tcp(self.server.port))

    def start(self) -> None:
        """Start a process on what the folder holds."""
        self.server = own_valkey(data_dir=self.folder, config=AT_ONCE, persist=True)
        self.server.start()
        self.admin = redis.Redis(HOST, self.server.port)
        self.pid = int(self.told("server")["process_id"])

    def told(self, section: str) -> dict[str, Any]:
        """Give what it tells of itself."""
        found: Any = self.admin.info(section)
        return dict(found)

    def replicate(self, host: str, port: str | int) -> None:
        """Let it follow another; `NO ONE` makes it a primary."""
        assert self.admin.replicaof(host, port)

    @property
    def url(self) -> str:
        """Give the address of the proxy."""
        return f"redis://{HOST}:{self.proxy.port}"

    def kill(self) -> None:
        """Kill it."""
        self.admin.close()
        self.server.terminate()

    def come_back(self) -> None:
        """Start again after it was killed; the address stays."""
        self.start()
        self.proxy.lead_to(tcp(self.server.port))

    def stop(self) -> None:
        """Stop it, whatever state it is in."""
        self.proxy.close()
        self.kill()

    @contextmanager
    def hung(self) -> Iterator[None]:
        """Answer nobody; the system still accepts connections for it."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def snapshot(self) -> bytes:
        """Save, and give what is saved."""
        until(self.has_saved, "not saved")
        return self.saved.read_bytes()

    def has_saved(self) -> bool:
        """Save, unless it is busy writing the same for its replica."""
        try:
            return bool(self.admin.save())
        except redis.ResponseError as error:
            if "in progress" not in str(error):
                raise
            return False

    @property
    def saved(self) -> Path:
        """Name the file that it starts on."""
        return self.folder / "dump.rdb"


class Pair(Valkey):
    """A server with a replica that can take its place."""

    def __init__(self, folder: Path) -> None:
        """Start both."""
        (folder / "primary").mkdir(parents=True)
        super().__init__(folder / "primary")
        self.replica = Valkey(folder / "replica")
        self.follow()

    def follow(self) -> None:
        """Let the replica follow from now on; what it had is gone when it has caught up."""
        self.replica.replicate(HOST, self.server.port)

    def come_back(self) -> None:
        """Start the primary again, and let the replica find it."""
        super().come_back()
        self.follow()

    def catch_up(self) -> None:
        """Wait until the replica holds all there is."""
        until(lambda: self.replica.told("replication").get("master_link_status") == "up", "no replica")
        self.admin.set("caught-up", 1)
        assert self.admin.wait(1, int(PATIENCE * 1000)) == 1

    @contextmanager
    def failed_over(self) -> Iterator[None]:
        """Let the address lead to the replica, which is a primary by now."""
        self.proxy.lead_to(tcp(self.replica.server.port))
        try:
            yield
        finally:
            self.proxy.lead_to(tcp(self.server.port))

    def stop(self) -> None:
        """Stop both."""
        self.replica.stop()
        super().stop()
