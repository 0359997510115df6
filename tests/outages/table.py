"""The outages of the table, and what each leaves to be seen."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.outages import database, hot_tier, others
from tests.outages.hot_tier import Hurt
from tests.outages.world import World


@contextmanager
def nothing(_: World) -> Iterator[None]:
    """Change nothing."""
    yield


@dataclass(frozen=True)
class Outage:
    """How it is caused, what is set up for it before and stays until all is well, and whose breaker it opens."""

    hurt: Hurt
    around: Hurt = nothing
    on_change: Literal["expire", "revalidate"] = "expire"
    is_dead: bool = False  # whether the cache answers nothing at all


DEAD = {"cache refused", "cache hung", "cache cut", "cache delayed", "cache swallowed"}

HOT_TIER = hot_tier.GONE | hot_tier.LOST | hot_tier.WRONG

EVERYWHERE = (
    {name: Outage(hurt, is_dead=name in DEAD) for name, hurt in HOT_TIER.items()}
    | {name: Outage(hurt, others.on_broker, "revalidate") for name, hurt in others.BROKER.items()}
    | {name: Outage(hurt) for name, hurt in (others.CLOCK | others.DEPLOY).items()}
)
STRANGE = {name: Outage(hurt) for name, hurt in hot_tier.STRANGE.items()}  # only readers notice these
ON_SQLITE = EVERYWHERE | {name: Outage(hurt) for name, hurt in database.SQLITE.items()}
ON_POSTGRES = EVERYWHERE | {name: Outage(hurt) for name, hurt in database.POSTGRES.items()}
