"""A Redis Cluster behind django-redis: `"OPTIONS": {"CLIENT_CLASS": "statistics_cache.cluster.ClusterClient", …}`."""

import os
from collections.abc import Iterable
from threading import Lock
from typing import Any

from django_redis.client import DefaultClient
from django_redis.exceptions import ConnectionInterrupted
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import ConnectionPool, parse_url
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry

AGAIN = 1  # times that a command is tried again: by then the client knows who serves its slot
OWN = ("url", "parser_class", "retry")  # what a cluster's client is given in a way of its own, or not at all
PORT = 6379


class Clusters:
    """The clusters that this process talks to: one client each, which its threads share."""

    def __init__(self) -> None:
        """Begin with none; a forked child connects for itself."""
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self) -> None:
        """Begin anew."""
        self.lock = Lock()
        self.known: dict[str, Any] = {}

    def get(self, servers: Iterable[str], options: dict[str, Any]) -> Any:
        """Give the client of a cluster, connected to whichever of some nodes answers. Raises RedisClusterException."""
        name = repr((tuple(servers), sorted(options.items())))
        with self.lock:
            if name not in self.known:
                self.known[name] = RedisCluster(
                    startup_nodes=[node_of(server) for server in servers],
                    retry=Retry(NoBackoff(), AGAIN),
                    require_full_coverage=False,
                    **options,
                )
            return self.known[name]


clusters = Clusters()


class ClusterClient(DefaultClient):  # type: ignore[misc]
    """The client of an alias whose LOCATION names some nodes of a cluster; the others are found by itself.

    It reads from primaries alone. Keys of several slots are asked for in one round trip to each node. What a cluster
    cannot do for want of a node is an error, as if the server were out.
    """

    def connect(self, index: int = 0) -> Any:  # noqa: ARG002  (whichever node it is)
        """Give the cluster."""
        given: dict[str, Any] = self.connection_factory.make_connection_params(self._server[0])
        given |= address_of(self._server[0]) | self.connection_factory.pool_cls_kwargs
        options = {name: value for name, value in given.items() if name not in (*OWN, "host", "port")}
        return clusters.get(self._server, options)

    def get_client(self, write: bool = True, tried: list[int] | None = None) -> Any:  # noqa: ARG002
        """Give the cluster, for reads, too. Raises ConnectionInterrupted."""
        try:
            return self.connect()
        except RedisClusterException as error:
            raise ConnectionInterrupted(connection=None) from error

    def get_many(self, keys: Iterable[str], version: int | None = None, client: Any = None) -> dict[str, Any]:
        """Give what is there of some keys: those of one slot in one command. Raises ConnectionInterrupted."""
        names = {self.make_key(key, version=version): key for key in keys}
        if not names:
            return {}
        cluster = self.get_client() if client is None else client
        try:
            slots = {cluster.keyslot(name) for name in names}
            values = cluster.mget(*names) if len(slots) == 1 else cluster.mget_nonatomic(*names)
        except (RedisError, RedisClusterException, OSError) as error:
            raise ConnectionInterrupted(connection=cluster) from error
        pairs = zip(names.values(), values, strict=True)
        return {key: self.decode(value) for key, value in pairs if value is not None}

    def hang_up(self) -> None:
        """Close the idle connections to every node."""
        for node in self.get_client().get_nodes():
            if node.redis_connection is not None:
                node.redis_connection.connection_pool.disconnect(inuse_connections=False)

    def servers(self) -> list[Any]:
        """Give a client of each primary."""
        cluster = self.get_client()
        return [cluster.get_redis_connection(node) for node in cluster.get_primaries()]


def pool_for(cluster: RedisCluster, slot: int) -> ConnectionPool:
    """Give the connections to the primary that serves a slot, as far as is known. Raises RedisClusterException."""
    node: Any = cluster.nodes_manager.get_node_from_slot(slot)
    pool: ConnectionPool = cluster.get_redis_connection(node).connection_pool
    return pool


def node_of(server: str) -> Any:
    """Give the node of an address."""
    address = address_of(server)
    return ClusterNode(address.get("host", "localhost"), address.get("port", PORT))  # type: ignore[no-untyped-call]


def address_of(server: str) -> dict[str, Any]:
    """Give what an address says, by name."""
    return dict(parse_url(server))  # type: ignore[no-untyped-call]
