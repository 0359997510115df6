"""All interleavings of a cast, breadth first with equal states merged; or one at random."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import NamedTuple

from .operations import Operation
from .replaying import Actor, Node
from .world import GLUED, OVERLAPPING, SILENT, Blocked, Violation, World, apply

CHOICE = "choose"


class State(NamedTuple):
    """The world, and how far each actor is."""

    world: World
    nodes: tuple[Node, ...]


class Step(NamedTuple):
    """What one actor did: its operations, with the result of each."""

    actor: str
    did: tuple[tuple[Operation, object], ...]

    def __str__(self) -> str:
        """Write it for a person."""
        return f"{self.actor}: " + "; ".join(map(write, self.did))


@dataclass
class Found:
    """What a search came to; `schedule` is a shortest one that breaks the promise, if any does."""

    states: int = 0
    schedules: int = 0
    seconds: float = 0.0
    is_cut: bool = False
    fault: str | None = None
    schedule: tuple[Step, ...] = ()

    def __str__(self) -> str:
        """Write the fault and its schedule, a step a line."""
        return "\n".join([self.fault or "no violation", *map(str, self.schedule)])


class Broken(Exception):
    """A step breaks the promise."""

    def __init__(self, fault: str, step: Step) -> None:
        """Take the fault and the step."""
        super().__init__(fault)
        self.step = step


def write(did: tuple[Operation, object]) -> str:
    """Write one operation and what it gave."""
    operation, result = did
    return str(operation) if result is None else f"{operation} -> {str(getattr(result, 'rows', result))[:90]}"


def start(actors: list[Actor], world: World) -> State:
    """Give the state before anybody moves."""
    return State(world, tuple(Node(actor) for actor in actors))


def moves(state: State, index: int) -> Iterator[tuple[Step, State]]:
    """Give every way in which an actor may go on; none if it is done or blocked. Raises Broken."""
    yield from go(state, index, (), moved=False)


def go(
    state: State, index: int, did: tuple[tuple[Operation, object], ...], *, moved: bool
) -> Iterator[tuple[Step, State]]:
    """Go on until one operation that others may see is done, and those that are silent after it."""
    node = state.nodes[index]
    operation = node.operation
    if operation is None or (moved and not (is_silent(state, index, operation) or is_whole(state, index, did))):
        if did:
            yield Step(node.actor.name, did), state
        return
    try:
        given = outcomes(state.world, index, node.actor, operation)
    except Blocked:
        assert not moved, (operation, state.world.transactions)
        return
    except Violation as violation:
        raise Broken(str(violation), Step(node.actor.name, (*did, (operation, None)))) from violation
    for result, world in given:
        nodes = (*state.nodes[:index], node.after(result), *state.nodes[index + 1 :])
        seen = moved or not (operation.kind in GLUED or is_silent(state, index, operation))
        yield from go(State(world, nodes), index, (*did, (operation, result)), moved=seen)


def outcomes(world: World, index: int, actor: Actor, operation: Operation) -> list[tuple[object, World]]:
    """Give each result that an operation may have, with the world after it."""
    if operation.kind == CHOICE:
        return [(choice, world) for choice in operation.args]
    return [apply(world, index, actor.home, actor.changes, operation)]


def is_whole(state: State, index: int, did: tuple[tuple[Operation, object], ...]) -> bool:
    """Tell whether the actor is in a transaction that it began in this very step and that holds SQLite's write lock.

    Nobody else can commit until it ends, so what others do meanwhile might as well be done before it began.
    """
    opened = state.world.transaction(index)
    if opened is None or not opened.writes:
        return False
    kinds = {operation.kind for operation, _ in did}
    following = state.nodes[index].operation
    return kinds <= {"sql", *GLUED} and following is not None and following.kind in ("sql", "commit", "rollback")


def is_silent(state: State, index: int, operation: Operation) -> bool:
    """Tell whether no other actor can see an operation, or be seen by it."""
    if operation.kind in ("board", "land", "end"):
        home = state.nodes[index].actor.home
        return not any(node.actor.home == home for node in others(state, index))
    if operation.args and ":lease:" in str(operation.args[0]) and operation.kind in ("add", "get_many", "delete"):
        return not any(node.actor.leases for node in others(state, index))
    if operation.kind == "sql" and is_unseen(state, index, str(operation.args[0])):
        return True
    if operation.kind == "clock":
        return not any(node.operation.kind == "tick" for node in others(state, index) if node.operation)
    return operation.kind in SILENT or operation.kind == CHOICE


def is_unseen(state: State, index: int, sql: str) -> bool:
    """Tell whether a statement concerns nobody else in a transaction that overlaps with others: it adds rows there."""
    opened = state.world.transaction(index)
    if opened is None:
        return sql == f"BEGIN {OVERLAPPING}"
    return opened.rows is not None and sql.split(None, 1)[0] in ("SAVEPOINT", "RELEASE", "INSERT")


def others(state: State, index: int) -> Iterator[Node]:
    """Give the other actors that are not done."""
    return (node for number, node in enumerate(state.nodes) if number != index and node.operation is not None)


def search(actors: list[Actor], world: World, limit: int = 10_000_000) -> Found:
    """Visit every state once, nearest first; stop at the first violation, or at the limit."""
    began = perf_counter()
    first = start(actors, world)
    parents: dict[State, tuple[State, Step] | None] = {first: None}
    graph: dict[State, list[State]] = {}
    queue = [first]
    found = Found()
    for state in queue:
        graph[state] = []
        try:
            for step, after in all_moves(state):
                graph[state].append(after)
                if after not in parents:
                    parents[after] = (state, step)
                    queue.append(after)
        except Broken as broken:
            found.fault, found.schedule = str(broken), (*way_to(parents, state), broken.step)
            break
        if len(queue) > limit:
            found.is_cut = True
            break
    found.states, found.seconds = len(queue), perf_counter() - began
    found.schedules = 0 if found.fault or found.is_cut else count_schedules(graph, queue)
    return found


def all_moves(state: State) -> list[tuple[Step, State]]:
    """Give what any actor may do. Raises Broken, also where all that are left wait for each other."""
    found = [move for index in range(len(state.nodes)) for move in moves(state, index)]
    if not found and any(node.operation is not None for node in state.nodes):
        return [end_leases(state)]
    return found


def end_leases(state: State) -> tuple[Step, State]:
    """Let leases end where all that are left wait for one. Raises Broken where that helps nobody."""
    left = tuple((name, value) for name, value in state.world.cache if ":lease:" not in name)
    if left == state.world.cache:
        raise Broken("P6: all that are left wait for ever", Step("all", ()))
    return Step("leases end", ()), State(state.world._replace(cache=left), state.nodes)


def way_to(parents: dict[State, tuple[State, Step] | None], state: State) -> tuple[Step, ...]:
    """Give a shortest schedule that ends in a state."""
    steps = []
    while (last := parents[state]) is not None:
        state, step = last
        steps.append(step)
    return tuple(reversed(steps))


def count_schedules(graph: dict[State, list[State]], order: list[State]) -> int:
    """Give the number of ways from the first state to an end; each step lengthens a history, so there is no circle."""
    counts: dict[State, int] = {}
    for state in sorted(order, key=depth, reverse=True):
        counts[state] = sum(counts[after] for after in graph[state]) if graph[state] else 1
    return counts[order[0]]


def depth(state: State) -> int:
    """Give the number of operations that led to a state."""
    return sum(node.depth for node in state.nodes)


def walk(actors: list[Actor], world: World, random: Random) -> Found:
    """Go one way at random, to its end."""
    began = perf_counter()
    state, schedule = start(actors, world), list[Step]()
    found = Found(schedules=1)
    try:
        while ways := some_moves(state, random):
            step, state = random.choice(ways)
            schedule.append(step)
    except Broken as broken:
        found.fault, found.schedule = str(broken), (*schedule, broken.step)
    found.states, found.seconds = len(schedule), perf_counter() - began
    return found


def some_moves(state: State, random: Random) -> list[tuple[Step, State]]:
    """Give what one actor may do, drawn of those that may do anything. Raises Broken."""
    for index in random.sample(range(len(state.nodes)), len(state.nodes)):
        if found := list(moves(state, index)):
            return found
    return all_moves(state)


def solo(actor: Actor, world: World) -> World:
    """Let one actor run alone, to its end."""
    state = start([actor], world)
    while found := all_moves(state):
        _, state = found[0]
    return state.world
