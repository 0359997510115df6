"""The world as a value, and what each operation does to it."""

import re
import sqlite3
from typing import Any, NamedTuple

from .cache import Content, command, seal
from .database import Changed, RowKey, Rows, Stored, contents, is_write, with_ids
from .operations import Failure, Operation
from .oracle import Given, Notes, counted

COMMANDS = frozenset({"get_many", "set", "add", "incr", "delete", "flush"})
GLUED = frozenset({"begin", "erasures", "clock"})  # done together with the step that follows
SILENT = frozenset({"delivered", "answered"})  # done together with the step before
NOTHING_THERE = "missing"
OVERLAPPING = "READ COMMITTED"  # how a transaction begins that overlaps with others


class Transaction(NamedTuple):
    """An open transaction: its snapshot (None before it is taken), whether it writes, its savepoints.

    One that overlaps with others has, as on PostgreSQL in READ COMMITTED, no snapshot: `rows` are those that it wrote,
    seen over what is committed when each statement begins, and `locks` the rows that others may not write meanwhile.
    """

    content: int | None
    writes: bool
    savepoints: tuple[tuple[str, Any], ...] = ()
    rows: Changed | None = None
    locks: frozenset[RowKey] = frozenset()


class Flown(NamedTuple):
    """One flight of a process: which entry, whether it is still found under it, what it brought, and to whom."""

    process: str
    name: str
    flying: bool = True
    landed: bool = False
    landing: Any = None
    told: frozenset[int] = frozenset()


class World(NamedTuple):
    """All that operations may see or change."""

    cache: Content = ()
    committed: int = 0
    transactions: tuple[tuple[int, Transaction], ...] = ()
    clock: float = 0.0
    notes: Notes = Notes()
    replica: Content = ()
    first_bump: tuple[Any, ...] = ()
    flights: tuple[Flown, ...] = ()
    last_ids: tuple[tuple[int, int], ...] = ()  # that overlapping transactions of an actor have used

    def transaction(self, actor: int) -> Transaction | None:
        """Give the open transaction of an actor."""
        return next((opened for owner, opened in self.transactions if owner == actor), None)

    def with_transaction(self, actor: int, opened: Transaction | None) -> "World":
        """Give this with another transaction of an actor."""
        others = tuple(pair for pair in self.transactions if pair[0] != actor)
        return self._replace(transactions=tuple(sorted((*others, *([(actor, opened)] if opened else [])))))

    def is_locked_for(self, actor: int) -> bool:
        """Tell whether another actor holds SQLite's one write lock."""
        return any(owner != actor and opened.writes for owner, opened in self.transactions)

    def locked_rows(self, actor: int) -> frozenset[RowKey]:
        """Give the rows that other actors' overlapping transactions have locked."""
        return frozenset(key for owner, opened in self.transactions if owner != actor for key in opened.locks)


class Blocked(Exception):
    """The actor has to wait for another."""


class Violation(Exception):
    """The promise is broken."""


def apply(world: World, actor: int, process: str, marks: frozenset[int], operation: Operation) -> tuple[Any, World]:
    """Do one operation of an actor: its result and the world after it. Raises Blocked, Violation."""
    kind, args = operation
    if kind in COMMANDS:
        return apply_command(world, kind, args)
    if kind == "sql":
        return apply_sql(world, actor, args[0], args[1])
    if kind in ("commit", "rollback"):
        return None, finish(world, actor, marks) if kind == "commit" else world.with_transaction(actor, None)
    if kind in FLIGHTS:
        return apply_flight(world, actor, process, kind, args)
    return apply_event(world, actor, kind, args)


def apply_command(world: World, kind: str, args: tuple[Any, ...]) -> tuple[Any, World]:
    """Carry out a cache command."""
    content = dict(world.cache)
    try:
        result = command(content, kind, args)
    except KeyError:
        return Failure(ValueError, NOTHING_THERE), world
    if not world.first_bump and (kind == "incr" or (kind == "set" and ":generation:" in args[0])):
        world = world._replace(first_bump=(kind, args))
    return result, world._replace(cache=seal(content))


def apply_sql(world: World, actor: int, sql: str, params: tuple[Any, ...]) -> tuple[Any, World]:
    """Carry out a statement, in the actor's transaction or alone."""
    words = sql.upper().split()
    if words[0] in ("BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK"):
        return None, control(world, actor, words, sql.split()[-1])
    if is_write(sql) and world.is_locked_for(actor):
        raise Blocked
    opened = world.transaction(actor)
    if opened is not None and opened.rows is not None:
        return apply_overlapping(world, actor, opened, opened.rows, sql, params)
    before = world.committed if opened is None or opened.content is None else opened.content
    if opened is not None and is_write(sql) and not opened.writes and before != world.committed:
        return Failure(sqlite3.OperationalError, "database is locked"), world
    found, after = contents().run(before, sql, params)
    result = Failure(type(found), str(found)) if isinstance(found, sqlite3.Error) else found
    if opened is None:
        if world.locked_rows(actor) & keys_of(contents().changed(before, after)):
            raise Blocked
        return result, commit(world, after, frozenset())
    written = opened._replace(content=after, writes=opened.writes or is_write(sql))
    return result, world.with_transaction(actor, written)


LOCKING = re.compile(r'(?P<read>SELECT .*? FROM "(?P<table>\w+)" .*) FOR (NO KEY )?UPDATE$', re.DOTALL)
IDS = 1_000_000  # each actor's rows have ids of its own, so that the order of what nobody sees makes no difference


def apply_overlapping(
    world: World, actor: int, opened: Transaction, rows: Changed, sql: str, params: tuple[Any, ...]
) -> tuple[Any, World]:
    """Carry out a statement on what is committed now and what the transaction itself has written.

    Raises Blocked where another has locked a row that it writes or locks.
    """
    locking = LOCKING.search(sql)
    before = contents().with_rows(world.committed, rows)
    last_id = dict(world.last_ids).get(actor, IDS * (actor + 1))
    if sql.startswith("INSERT"):
        sql, last_id = with_ids(sql, last_id)
    found, after = contents().run(before, locking["read"] if locking else sql, params)
    if isinstance(found, sqlite3.Error):
        return Failure(type(found), str(found)), world
    wanted = keys_of(contents().changed(before, after)) | (locked_by(locking["table"], found) if locking else set())
    if world.locked_rows(actor) & wanted:
        raise Blocked
    last_ids = dict(world.last_ids) | {actor: last_id}
    mine = contents().changed(world.committed, after)
    world = world._replace(last_ids=tuple(sorted(last_ids.items())))
    return found, world.with_transaction(actor, opened._replace(rows=mine, locks=opened.locks | wanted))


def keys_of(rows: Changed) -> set[RowKey]:
    """Give the keys of rows."""
    return {key for key, _ in rows}


def locked_by(table: str, found: Rows) -> set[RowKey]:
    """Give the rows that a locking SELECT found: their keys come first."""
    return {(table, row[0]) for row in found.rows}


def control(world: World, actor: int, words: list[str], name: str) -> World:
    """Begin a transaction, or mark a point in it, forget it, or go back to it."""
    if words == ["BEGIN", *OVERLAPPING.split()]:
        return world.with_transaction(actor, Transaction(None, writes=False, rows=()))
    if words[0] == "BEGIN":
        immediate = "IMMEDIATE" in words
        if immediate and world.is_locked_for(actor):
            raise Blocked
        return world.with_transaction(actor, Transaction(world.committed if immediate else None, immediate))
    opened = world.transaction(actor)
    assert opened is not None
    if words[0] == "SAVEPOINT":
        here = opened.content if opened.rows is None else opened.rows
        return world.with_transaction(actor, opened._replace(savepoints=(*opened.savepoints, (name, here))))
    if words[0] == "RELEASE":
        return world.with_transaction(actor, opened._replace(savepoints=opened.savepoints[:-1]))
    there = dict(opened.savepoints)[name]
    return world.with_transaction(
        actor, opened._replace(content=there) if opened.rows is None else opened._replace(rows=there)
    )


def finish(world: World, actor: int, marks: frozenset[int]) -> World:
    """Commit the transaction of an actor."""
    opened = world.transaction(actor)
    assert opened is not None
    world = world.with_transaction(actor, None)
    if opened.rows is not None:
        return commit(world, contents().with_rows(world.committed, opened.rows), marks)
    return commit(world, opened.content, marks) if opened.writes and opened.content is not None else world


def commit(world: World, content: int, marks: frozenset[int]) -> World:
    """Make a content the one that all see. Raises Violation if an entry goes back to an earlier capture."""
    if content == world.committed:
        return world
    before, after = contents().entries(world.committed), contents().entries(content)
    if any(row in after and goes_back(before[row], after[row]) for row in before):
        raise Violation("P4: the durable row went back to an earlier capture")
    marks = counted(marks, is_told=contents().told(world.committed) != contents().told(content))
    notes = world.notes.commit(contents().changes(content) | marks, world.clock)
    return world._replace(committed=content, notes=notes)


def goes_back(before: Stored, after: Stored) -> bool:
    """Tell whether a capture is earlier: of an older generation, or older within one."""
    return after < before


FLIGHTS = frozenset({"board", "land", "wait", "end"})


def apply_flight(world: World, actor: int, process: str, kind: str, args: tuple[Any, ...]) -> tuple[Any, World]:
    """Board, land, wait for or end a flight of the actor's process."""
    if kind == "board":
        return board(world, actor, Flown(process, args[0]))
    number = args[0]
    flown = world.flights[number]
    if kind == "wait":
        if not flown.landed:
            raise Blocked
        return flown.landing, with_flight(world, number, flown._replace(told=flown.told | {actor}))
    if not flown.landed:
        flown = flown._replace(landed=True, landing=args[1] if kind == "land" else None)
    return None, with_flight(world, number, flown._replace(flying=flown.flying and kind != "end"))


def board(world: World, actor: int, new: Flown) -> tuple[Any, World]:
    """Give the number of a flight and whether it is the actor's own.

    Who was told what it brought already, and could not take it, looks again and again until it ends: once is enough.
    """
    for number, flown in enumerate(world.flights):
        if flown.flying and (flown.process, flown.name) == (new.process, new.name):
            if actor in flown.told:
                raise Blocked
            return (number, False), world
    return (len(world.flights), True), world._replace(flights=(*world.flights, new))


def with_flight(world: World, number: int, flown: Flown) -> World:
    """Give the world with another state of a flight."""
    return world._replace(flights=(*world.flights[:number], flown, *world.flights[number + 1 :]))


def apply_event(world: World, actor: int, kind: str, args: tuple[Any, ...]) -> tuple[Any, World]:
    """Do what is neither the cache's nor the database's."""
    if kind in ("begin", "delivered", "answered", "erasures"):
        return tell(world, actor, kind, args)
    if kind == "clock":
        return world.clock, world
    if kind == "free":
        if dict(world.cache).get(args[0]) is not None:
            raise Blocked
        return None, world
    return None, befall(world, kind, args)


def befall(world: World, kind: str, args: tuple[Any, ...]) -> World:
    """Let something happen to the cache, or time pass."""
    notes = world.notes
    match kind:
        case "tick":
            return world._replace(clock=world.clock + args[0])
        case "replicate":
            return world._replace(replica=world.cache, notes=notes._replace(kept=notes.delivered))
        case "failover":
            return world._replace(cache=world.replica, notes=notes.lose())
        case "repeat":
            return apply_command(world, *world.first_bump)[1] if world.first_bump else world
    raise AssertionError(kind)


def tell(world: World, actor: int, kind: str, args: tuple[Any, ...]) -> tuple[Any, World]:
    """Tell the oracle something, or ask it which erasures are committed."""
    notes = world.notes
    match kind:
        case "begin":
            notes = notes.begin(actor, world.clock, *args)
        case "delivered":
            notes = notes.deliver(args[0])
        case "answered":
            notes = judge(notes, actor, args[0])
    return (notes.erasures if kind == "erasures" else None), world._replace(notes=notes)


def judge(notes: Notes, actor: int, given: Given | None) -> Notes:
    """Hold an answer against the promise. Raises Violation."""
    if given is not None and (fault := notes.fault(actor, given)):
        raise Violation(fault)
    return notes.end(actor)
