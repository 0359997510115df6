"""aiocache: asyncio."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from aiocache import Cache, cached_stampede
from aiocache.serializers import PickleSerializer

from .peer import AsyncPeer, Compute, in_thousands, in_thread
from .settings import PEER_REDIS
from .shelves import NOTHING

SPACE = "shelves"


class Aiocache(AsyncPeer):
    """`cached_stampede`, whose lock lies in Redis."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return cached_stampede(
            lease=10,
            cache=Cache.REDIS,
            serializer=PickleSerializer(),
            ttl=ttl,
            key_builder=lambda function, number: f"{function.__name__}:{number}",
            namespace=SPACE,
            **self.where(),
        )(in_thread(compute))

    def where(self) -> dict[str, Any]:
        """Give the server, as arguments of a cache."""
        url = urlsplit(PEER_REDIS)
        return {"endpoint": url.hostname, "port": url.port, "db": int(url.path[1:])}

    def drop(self, number: int) -> None:
        """Delete the key."""
        self.wait(self.lasting.cache.delete(f"shelf:{number}"))

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Clear the namespace."""
        self.wait(self.lasting.cache.clear(namespace=SPACE))

    def fill(self, numbers: range) -> None:
        """Set the keys together."""
        for few in in_thousands(numbers):
            self.wait(self.lasting.cache.multi_set([(f"shelf:{number}", NOTHING) for number in few]))
