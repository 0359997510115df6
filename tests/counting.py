"""What a write sends, counted: statements to its database, and trips to Redis."""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple
from unittest.mock import patch

from django.db.backends.base.base import BaseDatabaseWrapper
from redis.connection import AbstractConnection


class Count(NamedTuple):
    """What was sent: BEGIN, COMMIT and savepoints are statements, and a pipeline is one trip."""

    statements: int
    trips: int


def count(connection: BaseDatabaseWrapper, write: Callable[[], object]) -> Count:
    """Write, and count what that sends on a connection to a database and on any to Redis."""
    log: deque[Any] = deque()  # Django's own holds 9,000 statements, and a delete has sent more
    sent: list[None] = []
    send_packed_command: Any = AbstractConnection.send_packed_command

    def send(self: AbstractConnection, *args: Any, **kwargs: Any) -> None:
        sent.append(None)
        send_packed_command(self, *args, **kwargs)

    with (
        patch.object(AbstractConnection, "send_packed_command", send),
        patch.object(connection, "queries_log", log),
        patch.object(connection, "force_debug_cursor", new=True),
    ):
        write()
    return Count(len(log), len(sent))
