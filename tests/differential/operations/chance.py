"""What chance chooses: few values, so that they meet."""

from decimal import Decimal
from random import Random
from typing import Any

from tests.differential.families import Family

PRICES = ("1", "1.00", "1.125", "1.13", "2.5")  # the column has two places


def color(random: Random) -> str:
    """Give a colour."""
    return random.choice(("red", "Blue", "blue", "green"))


def town(random: Random) -> str:
    """Give a town."""
    return random.choice(("york", "bath"))


def name(random: Random) -> str:
    """Give the name of a node."""
    return random.choice("abc")


def price(random: Random) -> Decimal:
    """Give a price, not always as its column will keep it."""
    return Decimal(random.choice(PRICES))


def sku(random: Random) -> str | None:
    """Give a number of which there may be one alone, or none at all."""
    chosen: str | None = random.choice([None, *"0123456789"])
    return chosen


def number(random: Random) -> int:
    """Give a small number."""
    return random.randint(0, 4)


def items(family: Family, random: Random, count: int) -> list[Any]:
    """Give new items that are not saved."""
    return [new_item(family, random) for _ in range(count)]


def new_item(family: Family, random: Random, **values: Any) -> Any:
    """Give a new item that is not saved."""
    order = family.some("Order", random)
    chosen = {"order": order, "color": color(random), "amount": number(random), "price": price(random)}
    return family.Item(**{**chosen, "sku": sku(random), **values})
