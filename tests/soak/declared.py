"""The statistics under the soak: each tells, in one statement, the state of every writer's rows in its scope."""

from collections.abc import Iterator
from datetime import timedelta
from time import time
from typing import Any, Literal, NamedTuple, get_args

from django.db import connection
from pydantic import BaseModel

from statistics_cache import Source, Statistic, statistic
from tests.models import Item, Order, Paint

Color = Literal["red", "blue", "green", "white"]  # few, so that MySQL, too, tells their scopes apart
COLORS: tuple[Color, ...] = get_args(Color)
REGIONS = (1, 2, 3)
PARTS = 3  # variants of a scope
WRITERS = 2  # that write by Django
STRANGER = WRITERS  # the number of the one that does not; only triggers see it
OWNERS = WRITERS + 1
SHARED_ITEMS, SHARED_ORDERS = (1_000_001, 1_000_002, 1_000_003), (1_000_011, 1_000_012)  # all writers move these

TTL, STALE_TTL = timedelta(seconds=20), timedelta(seconds=60)
CHANGED_TTL = timedelta(seconds=2)  # as long as the floor: then readers and workers compute in turn
ORDERS = Source(Order, ignored=True)  # whoever tells of no region shows orders, and owes no version of them
SHORT_TTL, SHORT_STALE_TTL = timedelta(seconds=3), timedelta(seconds=6)  # so that age, too, makes answers stale


class Share(BaseModel, frozen=True):
    """What one writer has in a scope: rows, the sum of their amounts, and that of the keys of their tags."""

    owner: int
    rows: int
    amount: int
    tags: int


class Sighting(BaseModel, frozen=True):
    """One item that all writers move, with the version of it and of its order."""

    item: int
    version: int
    order: int
    order_version: int


class Seen(BaseModel, frozen=True):
    """The state of a scope, and when the compute began, in seconds since the Unix epoch."""

    at: float
    shares: list[Share]
    shared: list[Sighting]


# A writer's rows are told by what is left of their amounts.
ITEMS = f"""
    SELECT i.amount %% {OWNERS}, count(*), sum(i.amount), coalesce(sum(t.tags), 0)
    FROM tests_item i JOIN tests_order o ON o.id = i.order_id
    LEFT JOIN (SELECT item_id, sum(tag_id) AS tags FROM tests_item_tags GROUP BY item_id) t ON t.item_id = i.id
    WHERE {{0}} AND i.id NOT IN {SHARED_ITEMS} GROUP BY 1
    UNION ALL
    SELECT -i.id, i.amount, o.id, CAST(o.note AS decimal(9)) FROM tests_item i JOIN tests_order o ON o.id = i.order_id
    WHERE {{0}} AND i.id IN {SHARED_ITEMS}
"""  # noqa: S608
PAINTS = f"SELECT litres %% {OWNERS}, count(*), sum(litres), 0 FROM tests_paint WHERE {{0}} GROUP BY 1"  # noqa: S608


def look(sql: str, where: str, *values: str | int) -> Seen:
    """Ask the database once."""
    at = time()
    with connection.cursor() as cursor:
        cursor.execute(sql.format(where), values * sql.count("{0}"))
        rows = sorted(cursor.fetchall())
    shares = [Share(owner=a, rows=b, amount=c, tags=d) for a, b, c, d in rows if a >= 0]
    return Seen(
        at=at,
        shares=shares,
        shared=[Sighting(item=-a, version=b, order=c, order_version=d) for a, b, c, d in rows if a < 0],
    )


@statistic(name="soak.by_color", ttl=TTL, stale_ttl=STALE_TTL, depends_on=[Source(Item, "color"), ORDERS])
def by_color(color: Color, *, part: int = 0) -> Seen:
    """The items of a colour."""
    return look(ITEMS, "i.color = %s", color)


@statistic(name="soak.by_region", ttl=TTL, stale_ttl=STALE_TTL, depends_on={Item: {"region": "order__region"}})
def by_region(region: int, *, part: int = 0) -> Seen:
    """The items of a region, which their orders decide."""
    return look(ITEMS, "o.region_id = %s", region)


@statistic(
    name="soak.crossed",
    ttl=TTL,
    stale_ttl=STALE_TTL,
    depends_on={Item: {"color": "color", "region": "order__region"}},
    hydrate=[{"color": color, "region": region} for color in COLORS for region in REGIONS],
)
def crossed(color: Color, region: int) -> Seen:
    """The items of a colour and a region."""
    return look(ITEMS, "i.color = %s AND o.region_id = %s", color, region)


@statistic(name="soak.every", ttl=TTL, stale_ttl=STALE_TTL, depends_on=[Source(Item), ORDERS])
def every(*, part: int = 0) -> Seen:
    """All items."""
    return look(ITEMS, "true")


@statistic(
    name="soak.shelf",
    ttl=SHORT_TTL,
    stale_ttl=SHORT_STALE_TTL,
    depends_on={Paint: "color"},
    on_change="revalidate",
)
def shelf(color: Color, *, part: int = 0) -> Seen:
    """The paint of a colour. A changed entry is stale."""
    return look(PAINTS, "color = %s", color)


@statistic(
    name="soak.busy",
    ttl=TTL,
    stale_ttl=STALE_TTL,
    depends_on={Item: {"region": "order__region"}},
    on_change="revalidate",
    refresh_every=CHANGED_TTL,
    changed_ttl=CHANGED_TTL,
)
def busy(region: int, *, part: int = 0) -> Seen:
    """The items of a region. A changed entry is stale for so long."""
    return look(ITEMS, "o.region_id = %s", region)


class Target(NamedTuple):
    """One entry that readers read: a statistic with its parameters, and the scope whose state it tells."""

    statistic: Statistic[..., Seen]
    parameters: dict[str, Any]
    scope: str

    @property
    def tells_items(self) -> bool:
        """Tell whether it is items that it tells of."""
        return not self.scope.startswith("paint")


def targets() -> Iterator[Target]:
    """Give every entry."""
    parts = range(PARTS)
    for color in COLORS:
        yield from (Target(by_color, {"color": color, "part": part}, f"color {color}") for part in parts)
        yield from (Target(shelf, {"color": color, "part": part}, f"paint {color}") for part in parts)
        yield from (Target(crossed, {"color": color, "region": r}, f"crossed {color} {r}") for r in REGIONS)
    for region in REGIONS:
        yield from (Target(by_region, {"region": region, "part": part}, f"region {region}") for part in parts)
        yield from (Target(busy, {"region": region, "part": part}, f"region {region}") for part in parts)
    yield from (Target(every, {"part": part}, "all") for part in parts[:2])


TARGETS = tuple(targets())
SCOPES = {name: number for number, name in enumerate(dict.fromkeys(target.scope for target in TARGETS))}
