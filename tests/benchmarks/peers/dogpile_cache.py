"""dogpile.cache: who finds a value too old computes it, and the others are given it meanwhile."""

from collections.abc import Iterable
from typing import Any

from dogpile.cache import make_region

from .peer import LONG, Compute, Peer, in_thousands
from .settings import PEER_REDIS
from .shelves import NOTHING


class Dogpile(Peer):
    """Its decorator, on a region whose locks lie in Redis."""

    def __init__(self) -> None:
        """Configure a region."""
        arguments = {
            "url": PEER_REDIS,
            "redis_expiration_time": 2 * LONG,
            "distributed_lock": True,
            "thread_local_lock": False,
        }
        self.region = make_region().configure("dogpile.cache.redis", expiration_time=LONG, arguments=arguments)
        super().__init__()

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return self.region.cache_on_arguments(expiration_time=ttl)(compute)

    def drop(self, number: int) -> None:
        """Invalidate the call."""
        self.lasting.invalidate(number)

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Delete the keys together; `region.invalidate()` is for this process alone."""
        self.region.delete_multi([self.key(number) for number in numbers])

    def fill(self, numbers: range) -> None:
        """Set the keys together."""
        for few in in_thousands(numbers):
            self.region.set_multi({self.key(number): NOTHING for number in few})

    def key(self, number: int) -> str:
        """Give the key of a call."""
        return self.region.function_key_generator(None, self.lasting.original)(number)  # type: ignore[no-any-return]
