"""What a writer knows of its own rows, without asking the database."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, NamedTuple, Self, TypeVar

from tests.soak.declared import COLORS, OWNERS, REGIONS, SCOPES, SHARED_ORDERS
from tests.soak.ledger import State
from tests.soak.sharing import Place

ORDERS = TAGS = 4  # of each writer
AMOUNTS = 2**27  # so many that no two states of a scope are alike

K = TypeVar("K")


class Row(NamedTuple):
    """An item, or (with no order) some paint."""

    color: str
    amount: int
    order: int = 0
    tags: frozenset[int] = frozenset()


@dataclass
class Picture:
    """Items by sku, paints by a number of ours, orders with their regions, tags."""

    items: dict[str, Row] = field(default_factory=dict)
    paints: dict[str, Row] = field(default_factory=dict)
    orders: dict[int, int] = field(default_factory=dict)
    tags: list[int] = field(default_factory=list)

    def copy(self) -> Self:
        """Give a picture that may be changed without changing this one."""
        return replace(
            self, items=dict(self.items), paints=dict(self.paints), orders=dict(self.orders), tags=list(self.tags)
        )

    def states(self) -> list[State]:
        """Give the state of every scope."""
        totals = [State()] * len(SCOPES)
        for row in (*self.items.values(), *self.paints.values()):
            for scope in map(SCOPES.__getitem__, self.scopes(row)):
                rows, amount, tags = totals[scope]
                totals[scope] = State(rows + 1, amount + row.amount, tags + sum(row.tags))
        return totals

    def scopes(self, row: Row) -> Iterator[str]:
        """Give the scopes of a row."""
        if not row.order:
            yield f"paint {row.color}"
            return
        region = self.orders[row.order]
        yield from (f"color {row.color}", f"region {region}", f"crossed {row.color} {region}", "all")


class Desk:
    """A writer's picture, and its own source of chance, names and amounts."""

    def __init__(self, number: int, seed: int) -> None:
        """Begin with no items and no paint, in orders and with tags that are yet to be made."""
        self.number = number
        self.random = Random(f"{seed} writer {number}")
        self.made = 0
        self.touched: dict[int, int] = {}  # the versions of shared rows that the write under way has made
        self.plan_shared: Callable[[int, int, Place], None] = lambda *_: None
        self.line: Any = None  # a connection past Django, of whoever writes there
        self.picture = Picture(tags=[self.new_key() for _ in range(TAGS)])
        self.picture.orders = {self.new_key(): self.region() for _ in range(ORDERS)}

    def new_key(self) -> int:
        """Give a key that no writer has used."""
        self.made += 1
        return OWNERS * self.made + self.number

    def color(self) -> str:
        """Choose a colour."""
        return self.random.choice(COLORS)

    def region(self) -> int:
        """Choose a region."""
        return self.random.choice(REGIONS)

    def order(self) -> int:
        """Choose an order."""
        return self.random.choice(list(self.picture.orders))

    def place(self) -> Place:
        """Choose a place of a shared item."""
        return Place(self.random.randrange(len(COLORS)), self.random.choice(SHARED_ORDERS))

    def amount(self) -> int:
        """Give an amount that tells this writer."""
        return OWNERS * self.random.randrange(1, AMOUNTS) + self.number

    def new_items(self, number: int) -> dict[str, Row]:
        """Make rows of new items, put them into the picture and give them."""
        rows = {f"{self.number}-{self.new_key()}": self.new_item() for _ in range(number)}
        self.picture.items |= rows
        return rows

    def new_item(self) -> Row:
        """Make a row anywhere."""
        return Row(self.color(), self.amount(), self.order())

    def some(self, rows: Iterable[K], most: int = 3) -> list[K]:
        """Choose one or several rows; none where there are too few left to take from."""
        known = list(rows)
        return self.random.sample(known, self.random.randint(1, most)) if len(known) > most else []

    def change(self, sku: str, **values: object) -> Row:
        """Change an item in the picture and give its row."""
        row = self.picture.items[sku] = self.picture.items[sku]._replace(**values)  # type: ignore[arg-type]
        return row
