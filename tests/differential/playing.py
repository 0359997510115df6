"""Turns: the same operations done to every family, then everything compared."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from django.db import connections

from statistics_cache.triggering import installing
from statistics_cache.upkeep import tick

from .blocks import BLOCKS, Block
from .families import BARE, FAMILIES, WATCHED, Family
from .forms import Asked, Capture, declare
from .operations import OPERATIONS, Operation
from .outcome import Outcome, came_of, differing_outcome, differing_rows, end_of, is_usable
from .tables import Rows, begin, rows

ROUND = 40  # turns after which all begins anew: what is to be replayed is never longer
TICKS = 10  # turns between two ticks, on average
LOOKS = 8  # turns of which one reads inside its block, too, on average


@dataclass(frozen=True)
class Fault:
    """Something that differed: in which turn of which seed, what was done, to which family, in what, and how."""

    seed: int
    turn: int
    done: str
    family: str
    kind: str
    detail: str

    def __str__(self) -> str:
        """Give one line."""
        return f"seed {self.seed}, turn {self.turn}, {self.done}, {self.family}: {self.kind}: {self.detail}"


@dataclass
class Player:
    """Plays the turns of a seed on one database.

    A turn is decided by the seed, its number and the rows that are there; every round begins with the same rows.
    `tell` is told the statements of each family's operations. With triggers nothing is unseen.
    """

    seed: int
    alias: str
    operations: list[Operation] = field(default_factory=lambda: list(OPERATIONS.values()))
    blocks: tuple[Block, ...] = BLOCKS
    counted: Counter[str] = field(default_factory=Counter)
    tell: Callable[[str], object] | None = None
    capture: Capture = "signals"

    def __post_init__(self) -> None:
        """Declare what is read."""
        self.asked = {family.name: declare(family, self.capture) for family in WATCHED}
        if self.capture == "triggers":
            installing.install(self.alias)
        self.oracle: dict[str, tuple[Rows, dict[str, list[str]]]] = {}
        self.found: list[tuple[str, str, str]] = []
        self.unseen: set[str] = set()  # the families in which something was done in this turn that nobody can see

    def play(self, operations: int) -> Iterator[Fault]:
        """Play turns until so many operations are done, and give what differed."""
        for turn in count():
            if self.counted["operations"] >= operations:
                return
            yield from self.play_turn(turn)

    def replay(self, turn: int, tell: Callable[[str], object]) -> list[Fault]:
        """Play one turn, with those of its round before it; its statements are told."""
        for earlier in range(turn - turn % ROUND, turn):
            self.play_turn(earlier)
        self.tell = tell
        return self.play_turn(turn)

    def begin(self) -> None:
        """Begin with the same rows in every family, and everything fresh."""
        begin(self.alias)
        tick(())
        for family in WATCHED:
            self.look(family, rows(family, self.alias), is_told=True)

    def play_turn(self, turn: int) -> list[Fault]:
        """Play one turn in every family, and compare."""
        if turn % ROUND == 0:
            self.begin()
        random = Random(f"{self.seed} {turn}")
        operations, block = self.choose(turn), random.choice(self.blocks)
        if not random.randrange(TICKS):
            tick(())
        self.unseen.clear()
        outcomes = {family.name: self.play_block(family, turn, operations, block) for family in FAMILIES}
        tables = {family.name: rows(family, self.alias) for family in FAMILIES}
        for family in WATCHED:
            self.compare(family, outcomes, tables)
            self.look(family, tables[family.name], is_told=family.name in self.unseen)
        if any(kind != "answer" for _, kind, _ in self.found):
            self.begin()  # the families have parted
        self.counted["turns"] += 1
        names = [outcome["operation"] for outcome in outcomes[BARE.name] if "operation" in outcome]
        self.counted.update([*names, *("operations" for _ in names)])
        done = f"{block.__name__}({', '.join(names)})"
        found, self.found = self.found, []
        return [Fault(self.seed, turn, done, *each) for each in found]

    def choose(self, turn: int) -> list[Operation]:
        """Give the two operations of a turn: of a shuffled deck the next ones, for none is to be left out."""
        places = [2 * turn, 2 * turn + 1]
        return [self.deck(place // len(self.operations))[place % len(self.operations)] for place in places]

    def deck(self, number: int) -> list[Operation]:
        """Give all operations in an order of chance."""
        return Random(f"{self.seed} deck {number}").sample(self.operations, len(self.operations))

    def play_block(self, family: Family, turn: int, operations: list[Operation], block: Block) -> list[Outcome]:
        """Play the operations of a turn in one family, and tell what came of each, and of the block."""
        outcomes: list[Outcome] = []
        left = iter(enumerate(operations))
        looks = family in WATCHED and not Random(f"{self.seed} look {turn}").randrange(LOOKS)

        def step() -> None:
            number, operation = next(left)
            self.do(family, operation, Random(f"{self.seed} {turn} {number}"), outcomes)

        def look() -> None:
            if looks and family.name not in self.unseen and is_usable(self.alias):
                self.look_inside(family)

        try:
            with connections[self.alias].execute_wrapper(self.trace(family)):
                block(step, look, self.alias)
        except Exception as error:  # noqa: BLE001  (whatever users get)
            return [*outcomes, end_of(error, self.alias)]
        return [*outcomes, end_of(None, self.alias)]

    def do(self, family: Family, operation: Operation, random: Random, outcomes: list[Outcome]) -> None:
        """Do one operation, and note what came of it. Raises what it raised."""
        result, failed = None, None
        try:
            result = operation.do(family, random)
        except Exception as error:  # noqa: BLE001  (whatever users get)
            failed = error
        outcomes.append(came_of(family, operation, self.alias, result, failed))
        self.unseen |= operation.unseen if self.capture == "signals" else frozenset()
        if failed is not None and "error" in outcomes[-1]:
            raise failed

    def trace(self, family: Family) -> Callable[..., Any]:
        """Give a wrapper of statements that tells them."""

        def wrapper(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if self.tell is not None:
                self.tell(f"{family.name}: {sql} {params}")
            return execute(sql, params, many, context)

        return wrapper

    def compare(self, family: Family, outcomes: dict[str, list[Outcome]], tables: dict[str, Rows]) -> None:
        """Compare what came of the operations, and the rows, with those of the family that nobody watches."""
        for kind, detail in (
            *differing_outcome(outcomes[BARE.name], outcomes[family.name]),
            *differing_rows(tables[BARE.name], tables[family.name]),
        ):
            self.found.append((family.name, kind, detail))

    def look(self, family: Family, tables: Rows, *, is_told: bool) -> None:
        """Ask everything, and compare it with what a compute gives; with that of the last look if the rows are its.

        Where `is_told`, what has another value is invalidated by hand before, as the documentation asks of those who
        write in a way that nobody sees.
        """
        known, before = self.oracle.get(family.name, (None, {}))
        right = before if known == tables else self.right(family)
        changed = [asked for asked in self.asked[family.name] if right[str(asked)] != before.get(str(asked))]
        for declared in dict.fromkeys(asked.statistic for asked in changed if is_told):
            declared.invalidate()
        for asked in self.asked[family.name]:
            self.ask(family, asked, right[str(asked)])
        self.oracle[family.name] = tables, right

    def look_inside(self, family: Family) -> None:
        """Ask everything inside a block."""
        right = self.right(family)
        for asked in self.asked[family.name]:
            self.ask(family, asked, right[str(asked)])

    def right(self, family: Family) -> dict[str, list[str]]:
        """Give what a compute gives."""
        return {str(asked): asked.statistic.compute(**asked.parameters) for asked in self.asked[family.name]}

    def ask(self, family: Family, asked: Asked, right: list[str]) -> None:
        """Ask one variant, and note an answer that is wrong."""
        try:
            answer = asked.statistic.answer(**asked.parameters)
        except Exception as error:  # noqa: BLE001  (a reader gets none, whatever was done)
            self.found.append((family.name, "answer", f"{asked} raised {error!r}"))
            return
        self.counted[f"answers {answer.tier}"] += 1
        if (answer.state, answer.value) != ("fresh", right):
            wrong = f"{asked} is {answer.state} from {answer.tier}: {answer.value}, and not {right}"
            self.found.append((family.name, "answer", wrong))
            asked.statistic.invalidate()
