"""A statistic with a parameter of each kind, as HTTP spells them."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Literal
from uuid import UUID


class Level(Enum):
    """Members that JSON knows by number."""

    LOW = 1
    HIGH = 2


def spelt(
    level: Level,
    days: int,
    flag: bool = False,
    since: date | None = None,
    names: tuple[str, ...] = (),
    word: str = "x",
    at: datetime | None = None,
    price: Decimal = Decimal(1),
    share: float = 0.5,
    kind: Literal["a", "b"] = "a",
    which: UUID | None = None,
) -> str:
    """Have a parameter of each kind."""
    return f"{level.name} {days} {flag} {since} {'|'.join(names)} {word}"
