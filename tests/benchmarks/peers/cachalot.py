"""django-cachalot: every queryset is cached, until its table changes."""

from collections.abc import Iterable
from typing import Any

from cachalot.api import invalidate
from cachalot.settings import cachalot_settings

from .models import Share
from .peer import Compute, Peer
from .shelves import Value, make, rows


class Cachalot(Peer):
    """Rows are cached with no word, and the value is made of them at each read."""

    is_automatic = True

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Read as without it; the timeout is one for all querysets."""

        def read(number: int) -> Value:
            cachalot_settings.CACHALOT_TIMEOUT = ttl
            return make(rows(number))

        return read

    def drop(self, number: int) -> None:
        """Drop what is of the table: no less can be named."""
        invalidate(Share)

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Drop what is of the table."""
        invalidate(Share)
