"""django-cacheops: a function that depends on querysets, and a queryset itself; its signals drop what changes."""

from collections.abc import Iterable
from typing import Any

from cacheops import cached_as, invalidate_model, invalidate_obj

from .models import Share
from .peer import Compute, Peer
from .shelves import Value, make, rows


class CachedQueryset(Peer):
    """`.cache()`: rows are cached, and the value is made of them at each read."""

    is_automatic = True

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Cache the rows."""

        def read(number: int) -> Value:
            return make(rows(number).cache(timeout=ttl))  # type: ignore[attr-defined]

        return read

    def drop(self, number: int) -> None:
        """Drop what the rows that are like this one are part of."""
        invalidate_obj(Share(pk=0, shelf=number, tag="", count=0))

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Drop what any row is part of."""
        invalidate_model(Share)


class CachedFunction(CachedQueryset):
    """`cached_as`: the value is cached, until any row changes."""

    keep_fresh = False

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return cached_as(Share, timeout=ttl, keep_fresh=self.keep_fresh)(compute)


class KeptFresh(CachedFunction):
    """`cached_as(keep_fresh=True)`: what was invalidated while it was computed is not cached."""

    keep_fresh = True
