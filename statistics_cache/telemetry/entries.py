"""How many entries of each statistic are in which state, and how old the oldest is: asked when somebody collects."""

from collections.abc import Callable, Iterator, Mapping
from time import time
from typing import Any, TypeVar

from django.db import connections
from django.db.models import Min

from statistics_cache.api import registry
from statistics_cache.cold.rows import OUTAGES, alias_of, seconds_of
from statistics_cache.conf import settings
from statistics_cache.models import StatisticEntry
from statistics_cache.standing import Declarations, count_states

K = TypeVar("K")
V = TypeVar("V")
Labelled = tuple[float, dict[str, str]]
TICKS = 3  # after as many without one of its own, a process tells of entries no more: another's ticks do
EXACT = 10_000  # rows of a database that are judged one by one, which takes 0.1 s


class Entries:
    """What a process tells whose tick ended lately; nothing of a database that is out."""

    ticked_at = 0.0

    def states(self) -> Iterator[Labelled]:
        """Give the number of entries by statistic and state."""
        for alias, declarations in self.homes():
            counts = asked(alias, count_states, declarations, EXACT)
            for (statistic, state), number in counts.items():
                yield number, {"statistic": statistic, "state": state}

    def ages(self) -> Iterator[Labelled]:
        """Give the seconds since the oldest value of each statistic was computed."""
        for alias, declarations in self.homes():
            for statistic, at in asked(alias, find_oldest, declarations).items():
                yield max(0.0, time() - at), {"statistic": statistic}

    def homes(self) -> Iterator[tuple[str, Declarations]]:
        """Give what each database holds, if a tick of this process ended lately."""
        if time() - self.ticked_at >= TICKS * settings().TICK:
            return
        declared = [found.declaration for found in registry.all()]
        for alias in sorted({alias_of(each) for each in declared}):
            yield alias, {each.name: each for each in declared if alias_of(each) == alias}


def asked(alias: str, look: Callable[..., Mapping[K, V]], *arguments: Any) -> Mapping[K, V]:
    """Ask a database; nothing while it is out. The thread of who collects is left as it was: without a connection."""
    connection = connections[alias]
    was_closed = connection.connection is None
    try:
        return look(alias, *arguments)
    except OUTAGES:
        return {}
    finally:
        if was_closed:
            connection.close()


def find_oldest(alias: str, declarations: Declarations) -> dict[str, float]:
    """Give when the oldest value of each statistic was computed, those of other schemas left out."""
    rows = StatisticEntry.objects.using(alias).filter(statistic__in=list(declarations)).exclude(payload=None)
    oldest = rows.order_by().values_list("statistic", "schema").annotate(Min("computed_at"))
    return {name: seconds_of(at) for name, schema, at in oldest if declarations[name].fingerprint == schema}
