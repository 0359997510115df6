"""What the buttons do, and what the page's readers felt of it."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import randint
from time import monotonic
from typing import Any, NamedTuple

from django.core.cache import caches
from django.db import connections
from django.db.models import Max, Min

from project.catalog.models import Category, ModelRecord, UsageRecord
from project.catalog.showing.measuring import Variant
from project.catalog.statistics import category_statistics, usage_statistics
from statistics_cache.changing import checking
from statistics_cache.conf import settings as read_settings
from statistics_cache.entry import Generations
from statistics_cache.hot import counters

from . import controls
from .figures import felt
from .reading import Sample, sample
from .tiles import DAYS
from .traffic import traffic

MANY = 500  # records that are written at once
READERS = 40
WATCHED = 10.0  # seconds after a deed during which it is told what readers felt
REMEMBERED = 3  # deeds


class Told(NamedTuple):
    """Something that was done: its moment (`time.monotonic`), and what is said of it."""

    at: float
    text: str

    @property
    def felt(self) -> str:
        """Say what the page's readers have felt since, for some seconds."""
        return felt(traffic.since(self.at, self.at + WATCHED))


told: deque[Told] = deque(maxlen=REMEMBERED)


def do(name: str) -> Told:
    """Do what a button says, and remember it. Raises KeyError."""
    deed, at = DEEDS[name], monotonic()
    said = Told(at, deed())
    told.appendleft(said)
    return said


def save_one() -> str:
    """Save one record that has work, and one piece of that work."""
    work = some_work()
    before = generations()
    work.model.save()
    work.save()
    return f"ModelRecord {work.model.pk}, and a piece of its work, saved: {moved(before)}, 1 of {len(Category)} charts"


def some_work() -> UsageRecord:
    """Give any piece of work, without reading them all."""
    ends = UsageRecord.objects.aggregate(first=Min("pk"), last=Max("pk"))
    beyond = UsageRecord.objects.filter(pk__gte=randint(ends["first"], ends["last"]))
    return beyond.select_related("model").order_by("pk")[0]


def save_many() -> str:
    """Save many records in one statement."""
    records = list(ModelRecord.objects.order_by("?")[:MANY])
    before = generations()
    ModelRecord.objects.bulk_update(records, ["nsfw"])
    return f"{len(records)} ModelRecords saved in bulk: {moved(before)}"


def moved(before: Sequence[Generations]) -> str:
    """Say how many variants a change has reached: by their generations, for a state may have been stale before."""
    number = sum(was != now for was, now in zip(before, generations(), strict=True))
    return f"{number} of {len(before)} variants of category_statistics"


def generations() -> list[Generations]:
    """Give the generation of each variant, as the database has it now."""
    declaration = category_statistics.declaration
    variants = [declaration.variant((), dict(parameters)) for parameters in category_statistics.variants()]
    return [proof.database for proof in checking.prove_together([(declaration, variant) for variant in variants])]


def read_at_once() -> str:
    """Have many readers ask at once for what nobody has computed."""
    wanted = Variant(usage_statistics, {"category": Category.IMAGE_GENERATION, "days": DAYS})
    usage_statistics.clear(**wanted.parameters)
    with ThreadPoolExecutor(READERS) as readers:
        samples = list(readers.map(read_and_leave, [wanted] * READERS))
    computes = len({each.computed_at for each in samples if each.tier == "computed"})
    slowest = 1000 * max(each.took for each in samples)
    noun = "compute" if computes == 1 else "computes"
    return f"{READERS} readers of a value that was not stored: {computes} {noun}; the slowest waited {slowest:,.0f} ms"


def read_and_leave(wanted: Variant) -> Sample:
    """Read in a thread that ends."""
    try:
        return sample(wanted)
    finally:
        connections.close_all()


def empty_cache() -> str:
    """Empty the statistics' part of the cache, and read every chart again."""
    counters.flush()
    cache: Any = caches["statistics"]
    gone = cache.delete_pattern(f"{read_settings().KEY_PREFIX}:*")
    tiers = Counter(usage_statistics.answer(category, days=DAYS).tier for category in Category)
    return (
        f"cache emptied ({gone:,} keys); the {len(Category)} charts were read again: "
        f"{tiers['cold'] + tiers['hot']} from the table, {tiers['computed']} computed"
    )


def stop_or_start(name: str, number: Any, text: str) -> Callable[[], str]:
    """Make a deed of telling who keeps a server."""

    def deed() -> str:
        return text if controls.tell(name, number) else f"no {name} of the demo's own runs here"

    return deed


DEEDS: dict[str, Callable[[], str]] = {
    "save-one": save_one,
    "save-many": save_many,
    "read-at-once": read_at_once,
    "empty-cache": empty_cache,
    "stop-valkey": stop_or_start("valkey", controls.STOP, "Valkey stopped: readers are answered from the table"),
    "start-valkey": stop_or_start("valkey", controls.START, "Valkey started: values go back into it as they are read"),
    "stop-worker": stop_or_start("worker", controls.STOP, "worker stopped: values that change stay stale, and say so"),
    "start-worker": stop_or_start("worker", controls.START, "worker started: it computes what is stale"),
}
