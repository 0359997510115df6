"""What a peer is: how it caches a function, and what its users do when the data changes."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import perf_counter, sleep, time
from typing import Any, ClassVar

import redis
from django.db import connection, connections

from .computing import STATE
from .form import Form
from .settings import PEER_REDIS
from .shelves import NOTHING, Value, brief_shelf, shelf

LONG, BRIEF = 3600, 1  # seconds for which a value is cached
CROWD = 100  # callers at once, at most

Compute = Callable[[int], Value]
Told = tuple[float, str]  # the seconds that a caller waited, and the name of what was raised


class Peer(ABC):
    """One way to cache; a subclass says how a function is declared and dropped, and what it does in its own way."""

    is_automatic: ClassVar[bool] = False  # whether a change of the data reaches it with no word from its users
    can_race: ClassVar[bool] = True  # whether it computes when it is read

    def __init__(self) -> None:
        """Declare the value that lasts, and the one that is soon too old."""
        self.lasting = self.declare(shelf, LONG)
        self.brief = self.declare(brief_shelf, BRIEF)

    @abstractmethod
    def declare(self, compute: Compute, ttl: int) -> Any:
        """Give what reads a function through the cache."""

    @abstractmethod
    def drop(self, number: int) -> object:
        """Do what the documentation says for when the rows of one variant have changed."""

    def drop_all(self, numbers: Iterable[int]) -> object:
        """Do so for all variants, of which these are stored."""
        for number in numbers:
            self.drop(number)
        return None

    def changed(self, number: int) -> None:
        """Do what is left to its users after a change."""
        if not self.is_automatic:
            self.drop(number)

    def read(self, number: int = 0) -> Value:
        """Give a variant of the value that lasts."""
        return self.lasting(number)  # type: ignore[no-any-return]

    def read_brief(self, number: int = 0) -> Value:
        """Give a variant of the value that is soon too old."""
        return self.brief(number)  # type: ignore[no-any-return]

    def fill(self, numbers: range) -> None:
        """Have these variants stored."""
        for number in numbers:
            self.read(number)

    def forget(self) -> None:
        """Lose all that is stored."""
        redis.Redis.from_url(PEER_REDIS).flushdb()

    def forms(self) -> dict[str, Form]:
        """Give the ways to read that are measured."""
        return {"": Form(partial(self.lasting, 0))}

    def measure(self, form: Form, times: int) -> float:
        """Read so many times and give the seconds."""
        if form.before is None:
            began = perf_counter()
            for _ in range(times):
                form.read()
            return perf_counter() - began
        return sum(map(self.measure_one, [form] * times))

    def measure_one(self, form: Form) -> float:
        """Get ready, read once and give the seconds."""
        if form.before is not None:
            form.before()
        began = perf_counter()
        form.read()
        return perf_counter() - began

    def crowd(self, read: Callable[[], object], callers: int, at: float) -> list[Told]:
        """Have so many threads read at a moment."""
        with ThreadPoolExecutor(callers) as threads:
            return list(threads.map(lambda _: call(read, at), range(callers)))


def call(read: Callable[[], object], at: float) -> Told:
    """Connect to the database, wait for the moment, read, and tell."""
    connection.ensure_connection()
    sleep(max(0.0, at - time()))
    began = perf_counter()
    try:
        read()
    except Exception as error:  # noqa: BLE001  (whatever a peer raises is what is told)
        return perf_counter() - began, type(error).__name__
    finally:
        connections.close_all()
    return perf_counter() - began, ""


def in_thousands(numbers: range) -> Iterator[range]:
    """Cut a range into those of a thousand."""
    for start in numbers[::1000]:
        yield range(start, min(start + 1000, numbers.stop))


class AsyncPeer(Peer):
    """One that is read in an event loop; computes go to threads, for Django's ORM blocks."""

    def __init__(self) -> None:
        """Declare in a loop that lives as long as the process."""
        self.loop = asyncio.new_event_loop()
        self.loop.set_default_executor(ThreadPoolExecutor(CROWD))
        super().__init__()

    def wait(self, awaited: Coroutine[Any, Any, Any]) -> Any:
        """Run this in the loop, from whichever thread, and give what comes of it."""
        if self.loop.is_running():
            return asyncio.run_coroutine_threadsafe(awaited, self.loop).result()
        return self.loop.run_until_complete(awaited)

    def read(self, number: int = 0) -> Value:
        """Give a variant of the value that lasts."""
        return self.wait(self.lasting(number))  # type: ignore[no-any-return]

    def read_brief(self, number: int = 0) -> Value:
        """Give a variant of the value that is soon too old."""
        return self.wait(self.brief(number))  # type: ignore[no-any-return]

    def measure(self, form: Form, times: int) -> float:
        """Read so many times in one run of the loop and give the seconds."""

        async def repeat() -> float:
            began = perf_counter()
            for _ in range(times):
                await form.read()  # type: ignore[misc]
            return perf_counter() - began

        return self.wait(repeat())  # type: ignore[no-any-return]

    def fill(self, numbers: range) -> None:
        """Have these variants stored."""

        async def read_all() -> None:
            for number in numbers:
                await self.lasting(number)

        self.wait(read_all())

    def crowd(self, read: Callable[[], object], callers: int, at: float) -> list[Told]:
        """Have so many tasks of the loop read at a moment."""
        declared = self.brief if read == self.read_brief else self.lasting

        async def gather() -> list[Told]:
            return list(await asyncio.gather(*(call_async(declared, at) for _ in range(callers))))

        return self.wait(gather())  # type: ignore[no-any-return]


async def call_async(read: Callable[[int], Awaitable[object]], at: float) -> Told:
    """Wait for the moment, read, and tell."""
    await asyncio.sleep(max(0.0, at - time()))
    began = perf_counter()
    try:
        await read(0)
    except Exception as error:  # noqa: BLE001  (whatever a peer raises is what is told)
        return perf_counter() - began, type(error).__name__
    return perf_counter() - began, ""


def in_thread(compute: Compute) -> Callable[..., Coroutine[Any, Any, Value]]:
    """Make a function one that is awaited, under the name it has."""

    async def shelf(number: int = 0) -> Value:
        return NOTHING if STATE.is_filling else await asyncio.to_thread(compute, number)

    shelf.__name__ = shelf.__qualname__ = compute.__name__
    return shelf
