"""Django's cache framework by hand: get, and set what was not there; its backends differ by settings alone."""

from collections.abc import Iterable
from typing import Any

from django.core.cache import cache

from .peer import Compute, Peer, in_thousands
from .shelves import ADAPTER, NOTHING, Value


class DjangoCache(Peer):
    """The value as the backend keeps it: pickled."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Compute what is not there."""

        def read(number: int) -> Value:
            value: Value | None = cache.get(f"{compute.__name__}:{number}")
            if value is None:
                value = compute(number)
                cache.set(f"{compute.__name__}:{number}", value, ttl)
            return value

        return read

    def drop(self, number: int) -> None:
        """Delete the key."""
        cache.delete(f"shelf:{number}")

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Delete the keys together."""
        cache.delete_many([f"shelf:{number}" for number in numbers])

    def fill(self, numbers: range) -> None:
        """Set the keys together."""
        for few in in_thousands(numbers):
            cache.set_many({f"shelf:{number}": self.kept(NOTHING) for number in few}, None)

    def kept(self, value: Value) -> Any:
        """Give what is handed to the cache."""
        return value


class DjangoText(DjangoCache):
    """The value as JSON text, validated when it is read."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Compute what is not there."""

        def read(number: int) -> Value:
            text: str | None = cache.get(f"{compute.__name__}:{number}")
            if text is not None:
                return ADAPTER.validate_json(text)
            value = compute(number)
            cache.set(f"{compute.__name__}:{number}", value.model_dump_json(), ttl)
            return value

        return read

    def kept(self, value: Value) -> str:
        """Give the JSON text."""
        return value.model_dump_json()


class GetOrSet(DjangoCache):
    """`cache.get_or_set`."""

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Compute what is not there."""
        return lambda number: cache.get_or_set(f"{compute.__name__}:{number}", lambda: compute(number), ttl)
