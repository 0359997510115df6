"""django-swr-memoize: a stale value is given while a thread computes the next."""

from collections.abc import Iterable
from typing import Any

from swr_memoize import delete_memoized, memoize

from .peer import LONG, Compute, Peer


class Swr(Peer):
    """Its decorator."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate; what is too old may be given for as long again as a value lasts."""
        return memoize(max_age=ttl + LONG, fresh_for=ttl)(compute)

    def drop(self, number: int) -> None:
        """Forget the call."""
        delete_memoized(self.lasting, number)

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Forget the function."""
        delete_memoized(self.lasting)
