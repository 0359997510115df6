"""What is queued on the broker of this process, and a worker's work on it, one message at a time."""

from collections.abc import Iterator
from queue import Empty
from typing import Any

from celery import current_app

QUEUE = "statistics"


class Messages:
    """The messages that wait in the memory of this process."""

    def __iter__(self) -> Iterator[Any]:
        """Take one message after another, as kombu gives them."""
        with current_app.connection_for_read() as connection, connection.SimpleQueue(QUEUE) as waiting:
            while True:
                try:
                    message = waiting.get(block=False)
                except Empty:
                    return
                message.ack()
                yield message

    def take(self) -> list[dict[str, Any]]:
        """Take all and give the arguments of each."""
        return [message.payload[1] for message in self]

    def clear(self) -> None:
        """Take all."""
        self.take()

    def work(self) -> int:
        """Do what each asks for, as a worker does, and give how many there were."""
        done = 0
        for message in self:
            task = current_app.tasks[message.headers["task"]]
            asked = {"kwargs": message.payload[1], "headers": message.headers}
            task.apply(**asked, retries=message.headers["retries"], throw=False)
            done += 1
        return done
