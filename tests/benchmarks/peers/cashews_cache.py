"""cashews: asyncio."""

from collections.abc import Iterable
from typing import Any

from cashews import Cache

from .peer import BRIEF, LONG, AsyncPeer, Compute, in_thousands, in_thread
from .settings import PEER_REDIS
from .shelves import NOTHING


class Cashews(AsyncPeer):
    """`cache` with a lock for what lasts, `early` for what is soon too old."""

    def __init__(self) -> None:
        """Set a cache up."""
        self.cache = Cache()
        self.cache.setup(PEER_REDIS)
        super().__init__()

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        function, key = in_thread(compute), f"{compute.__name__}:{{number}}"
        if ttl == BRIEF:
            return self.cache.early(ttl=LONG, early_ttl=ttl, key=key)(function)
        return self.cache(ttl=ttl, key=key, lock=True)(function)

    def drop(self, number: int) -> None:
        """Delete the key."""
        self.wait(self.cache.delete(f"shelf:{number}"))

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Delete what matches a pattern."""
        self.wait(self.cache.delete_match("shelf:*"))

    def fill(self, numbers: range) -> None:
        """Set the keys together."""
        for few in in_thousands(numbers):
            self.wait(self.cache.set_many({f"shelf:{number}": NOTHING for number in few}, expire=LONG))
