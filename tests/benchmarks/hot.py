"""The hot read beside what it is made of: each on the same 2 KB value, interleaved, over one Valkey."""

from collections.abc import Callable
from datetime import timedelta
from statistics import median
from time import perf_counter, process_time

import redis
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.test import override_settings
from pydantic import BaseModel, TypeAdapter
from rich.console import Console
from rich.table import Table

from project.settings import redis_cache
from statistics_cache import statistic

ROUNDS = 300  # of each row in turn, so that all rows share whatever else the machine does
READS = 20  # in one measurement
BATCH = 100  # variants in one get_many


class Share(BaseModel, frozen=True):
    """One line of a typical value."""

    tag: str
    count: int
    percentage: float


class Value(BaseModel, frozen=True):
    """A typical value: about 2 KB as JSON."""

    total: int
    shares: list[Share]


VALUE = Value(total=719, shares=[Share(tag=f"tag-number-{n}", count=n, percentage=n / 7) for n in range(33)])


@statistic(name="benchmarks.value", ttl=timedelta(hours=1), stale_ttl=timedelta(hours=2), depends_on=[])
def value(number: int = 0) -> Value:
    """Give the value at once."""
    return VALUE


@statistic(
    name="benchmarks.scoped",
    ttl=timedelta(hours=1),
    stale_ttl=timedelta(hours=2),
    depends_on={"auth.User": {"name": "username"}},
)
def scoped(name: str = "red") -> Value:
    """Give the value at once; its entry has a scope, as nearly all have, and so three keys."""
    return VALUE


def run(url: str) -> None:
    """Measure all rows in turn and print best, median, client CPU and ratios."""
    call_command("migrate", verbosity=0)
    text_alias = redis_cache(f"{url}/2")
    pickle_alias = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{url}/3"}
    # Proofs of an hour: nothing is proved in the middle of a measurement.
    quiet = settings.STATISTICS_CACHE | {"PROOF_INTERVAL": 7200}
    with override_settings(
        CACHES=settings.CACHES | {"text": text_alias, "pickle": pickle_alias}, STATISTICS_CACHE=quiet
    ):
        measured = measure(rows(url))
    report(measured)


def rows(url: str) -> dict[str, Callable[[], object]]:
    """Give what is measured, by name; each call is one read of the value, or of a hundred."""
    adapter = TypeAdapter(Value)
    text = VALUE.model_dump_json()
    raw = redis.Redis.from_url(f"{url}/4")
    raw.set("key", text)
    caches["text"].set("key", text)
    caches["pickle"].set("key", VALUE)
    value()
    scoped()
    batch = [{"number": number} for number in range(BATCH)]
    value.get_many(batch)
    statistics = caches["statistics"]
    entries = statistics.keys("*scoped*entry*")  # type: ignore[attr-defined]

    def cold() -> object:
        statistics.delete_many(entries)
        return scoped()

    return {
        "raw GET": lambda: raw.get("key"),
        "typed floor: GET + validate": lambda: adapter.validate_json(raw.get("key")),  # type: ignore[arg-type]
        "django text: get + validate": lambda: adapter.validate_json(caches["text"].get("key")),
        "django pickle: get": lambda: caches["pickle"].get("key"),
        "ours, hot": scoped,
        "ours, cold (and promoted)": cold,
        "ours, batch of 100": lambda: value.get_many(batch),
    }


def measure(measured: dict[str, Callable[[], object]]) -> dict[str, tuple[list[float], float]]:
    """Give each row's times per call, and its client CPU per call; rows take turns."""
    times: dict[str, list[float]] = {name: [] for name in measured}
    cpu = dict.fromkeys(measured, 0.0)
    for _ in range(ROUNDS):
        for name, read in measured.items():
            reads = 1 if "batch" in name or "cold" in name else READS
            used, began = process_time(), perf_counter()
            for _ in range(reads):
                read()
            times[name].append((perf_counter() - began) / reads)
            cpu[name] += (process_time() - used) / reads
    return {name: (times[name], cpu[name] / ROUNDS) for name in measured}


def report(measured: dict[str, tuple[list[float], float]]) -> None:
    """Print the table."""
    table = Table("read", "best µs", "median µs", "CPU µs", "x raw", "x typed floor", "x django text", box=None)
    bases = [median(next(times for name, (times, _) in measured.items() if name.startswith(base))) for base in BASES]
    for column in table.columns[1:]:
        column.justify = "right"
    for name, (times, cpu) in measured.items():
        middle = median(times)
        ratios = (f"{middle / base:.2f}" for base in bases)
        table.add_row(name, *(f"{1e6 * seconds:.1f}" for seconds in (min(times), middle, cpu)), *ratios)
    Console(width=120).print(table)


BASES = ("raw", "typed floor", "django text")
