"""redis-py alone: what no cache that keeps JSON in Redis can be below."""

from functools import partial
from typing import Any

import redis

from .form import Form
from .peer import Compute, Peer
from .settings import PEER_REDIS
from .shelves import ADAPTER, Value


class Floor(Peer):
    """GET, and `validate_json`."""

    def __init__(self) -> None:
        """Make a client."""
        self.client = redis.Redis.from_url(PEER_REDIS)
        super().__init__()

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Compute what is not there."""

        def read(number: int) -> Value:
            text = self.client.get(f"{compute.__name__}:{number}")
            if text is not None:
                return ADAPTER.validate_json(text)
            value = compute(number)
            self.client.set(f"{compute.__name__}:{number}", value.model_dump_json(), ex=ttl)
            return value

        return read

    def drop(self, number: int) -> None:
        """Delete the key."""
        self.client.delete(f"shelf:{number}")

    def drop_all(self, numbers: Any) -> None:
        """Delete the keys with one command."""
        self.client.delete(*(f"shelf:{number}" for number in numbers))

    def forms(self) -> dict[str, Form]:
        """Give the bare text, too."""
        return {"raw": Form(partial(self.client.get, "shelf:0")), "": Form(partial(self.lasting, 0))}
