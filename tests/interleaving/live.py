"""A cast on a real database: each actor a thread with its own connection, of which one runs at a time.

Where a thread waits for a lock of the database the others go on, and it goes on with them when it has the lock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from random import Random
from threading import Lock, Semaphore, Thread
from time import perf_counter
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from statistics_cache import stand_alone
from statistics_cache.changing.statements import quiet
from statistics_cache.models import StatisticIdentity
from tests.models import Paint
from tests.waiting import PATIENCE

from .database import NAMES, TOLD
from .operations import Operation, driver
from .oracle import counted
from .replaying import Actor
from .searching import Found, Step
from .world import GLUED, SILENT, Blocked, Violation, World, apply

LOCK_WAIT = 0.05  # seconds after which a thread that has not come back is taken to wait for a lock


class Stop(BaseException):
    """The play is over."""


class Player:
    """One actor in its thread."""

    def __init__(self, play: "Play", index: int, actor: Actor) -> None:
        """Wait for a turn."""
        self.play, self.index, self.actor = play, index, actor
        self.name, self.drawn = actor.name, 0
        self.turn = Semaphore(0)
        self.has_turn = False
        self.is_blocked = False
        self.thread = Thread(target=self.run, daemon=True)
        self.last: Operation | None = None

    def run(self) -> None:
        """Act on a connection of its own, as a server's thread."""
        stand_alone()
        driver.set(self)
        connection = connections["default"] = connections[self.play.alias].copy("default")
        try:
            self.await_turn()
            self.has_turn = True
            with connection.execute_wrapper(self.statement), self.noting_commits(connection):
                self.actor.act()
        except Stop:
            pass
        except BaseException as error:  # noqa: BLE001  (whatever ends a thread is the play's fault)
            self.play.fault = self.play.fault or f"{self.name}: {error!r}"
        finally:
            connection.close()
            self.play.back.put((self, True))

    def await_turn(self) -> None:
        """Wait for a turn. Raises Stop when there will be none."""
        self.turn.acquire()
        if self.play.fault is not None:
            raise Stop

    def step(self, operation: Operation) -> None:
        """Let somebody else go on before this, unless the turn was just given."""
        if not self.has_turn:
            self.play.back.put((self, False))
            self.await_turn()
        self.has_turn = False
        self.play.did(self, operation)

    def statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run one statement as a step."""
        self.step(Operation("sql", (sql,)))
        return execute(sql, params, many, context)

    @contextmanager
    def noting_commits(self, connection: BaseDatabaseWrapper) -> Iterator[None]:
        """Make each commit a step, and tell the oracle what it brought."""
        real = connection._commit  # type: ignore[attr-defined]

        def commit() -> None:
            self.step(Operation("commit", ()))
            real()
            self.play.note_commit(self.actor.changes)

        connection._commit = commit  # type: ignore[attr-defined]
        yield

    def perform(self, operation: Operation) -> Any:
        """Do what is not the database's, as a step unless it is silent."""
        self.last = operation
        if operation.kind == "choose":
            return self.play.random.choice(operation.args)
        if operation.kind not in SILENT and operation.kind != "clock":
            self.step(operation)
        while True:
            try:
                return self.play.apply(self, operation)
            except Blocked:
                self.is_blocked = True
                self.step(operation)


class Play:
    """One cast, one random schedule."""

    def __init__(self, alias: str, actors: list[Actor], world: World, random: Random) -> None:
        """Let everybody wait."""
        self.alias, self.world, self.random = alias, world, random
        self.lock = Lock()
        self.fault: str | None = None
        self.schedule: list[Step] = []
        self.back: Queue[tuple[Player, bool]] = Queue()
        self.watcher = connections[alias].copy("watcher")
        self.watcher.inc_thread_sharing()
        self.told = self.look()[1]
        self.players = [Player(self, index, actor) for index, actor in enumerate(actors)]

    def did(self, player: Player, operation: Operation) -> None:
        """Note a step."""
        self.schedule.append(Step(player.name, ((operation, None),)))

    def apply(self, player: Player, operation: Operation) -> Any:
        """Do an operation of the world's. Raises Blocked, Stop."""
        with self.lock:
            actor = player.actor
            try:
                result, self.world = apply(self.world, player.index, actor.home, actor.changes, operation)
            except Violation as violation:
                self.fault = str(violation)
                raise Stop from violation
        player.has_turn = operation.kind in GLUED and operation.kind != "clock"
        for other in self.players:
            other.is_blocked = False
        return result

    def note_commit(self, marks: frozenset[int]) -> None:
        """Tell the oracle what is committed now."""
        with self.lock:
            changes, told = self.look()
            known, self.told = self.told, told
            committed = changes | counted(marks, is_told=told != known)
            self.world = self.world._replace(notes=self.world.notes.commit(committed, self.world.clock))

    def look(self) -> tuple[frozenset[int], frozenset[Any]]:
        """Read the changes that are committed, and what the statistics of moved rows tell."""
        with self.watcher.cursor() as cursor:
            cursor.execute(f"SELECT litres FROM {Paint._meta.db_table} WHERE litres > 0")  # noqa: S608
            changes = frozenset(number for (number,) in cursor.fetchall())
            cursor.execute(" UNION ALL ".join(TOLD))
            return changes, frozenset(cursor.fetchall())

    def run(self) -> Found:
        """Give turns at random until all are done."""
        began = perf_counter()
        for player in self.players:
            player.thread.start()
        self.give_turns()
        for player in self.players:
            player.thread.join()
        self.watcher.close()
        return Found(len(self.schedule), 1, perf_counter() - began, fault=self.fault, schedule=tuple(self.schedule))

    def give_turns(self) -> None:
        """Let one after another go on."""
        ready, running = list(self.players), 0
        while ready or running:
            if chosen := self.choose(ready, running):
                for player in chosen:
                    ready.remove(player)
                    player.turn.release()
                running += len(chosen)
            running -= self.collect(ready, running)

    def choose(self, ready: list[Player], running: int) -> list[Player]:
        """Choose who goes on: one of those that may, or all when the play is over."""
        if self.fault is not None:
            return list(ready)
        able = [player for player in ready if not player.is_blocked]
        if not able and ready and not running:
            self.end_leases()
            able = ready
        return [self.random.choice(able)] if able else []

    def end_leases(self) -> None:
        """Let leases end where all that are left wait for one; it is a fault where that helps nobody."""
        left = tuple((name, value) for name, value in self.world.cache if ":lease:" not in name)
        if left == self.world.cache:
            self.fault = "P6: all that are left wait for ever"
        self.world = self.world._replace(cache=left)

    def collect(self, ready: list[Player], running: int) -> int:
        """Wait until everybody who runs is back, or waits for a lock; give how many are back."""
        back = 0
        while back < running:
            try:
                player, is_done = self.back.get(timeout=LOCK_WAIT if ready else PATIENCE)
            except Empty:
                if not ready:
                    raise
                return back
            back += 1
            if not is_done:
                ready.append(player)
        return back


def empty_tables(alias: str) -> None:
    """Delete all rows; nobody is told."""
    with quiet(connections[alias]), connections[alias].cursor() as cursor:
        for name in [name for model, name in NAMES.items() if model is not StatisticIdentity]:
            cursor.execute(f"DELETE FROM {name}")  # noqa: S608


def play(alias: str, before: list[Actor], actors: list[Actor], random: Random) -> Found:
    """Let those before act one after the other, then the cast at random, on empty tables."""
    empty_tables(alias)
    world = World()
    for actor in before:
        alone = Play(alias, [actor], world, random)
        alone.run()
        assert alone.fault is None, alone.fault
        world = alone.world
    return Play(alias, actors, world, random).run()
