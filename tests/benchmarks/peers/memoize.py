"""django-cache-memoize."""

from typing import Any

from cache_memoize import cache_memoize
from django.core.cache import cache

from .peer import Compute, Peer, in_thousands
from .shelves import NOTHING


class Memoize(Peer):
    """Its decorator."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return cache_memoize(ttl)(compute)

    def drop(self, number: int) -> None:
        """Invalidate the call."""
        self.lasting.invalidate(number)

    def fill(self, numbers: range) -> None:
        """Set the keys together."""
        for few in in_thousands(numbers):
            cache.set_many({self.lasting.get_cache_key(number): NOTHING for number in few}, None)
