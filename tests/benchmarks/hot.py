"""The hot read beside what it is made of: each on the same 2 KB value, interleaved, over one Valkey."""

import os
from datetime import timedelta
from functools import partial
from random import sample
from time import perf_counter, process_time, sleep

import redis
from django.conf import settings
from django.core.cache import caches
from django.core.management import call_command
from django.test import override_settings
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from pydantic import BaseModel, TypeAdapter
from rich.console import Console

from project.settings import redis_cache
from statistics_cache import statistic
from statistics_cache.telemetry.metrics import Metrics
from tests.benchmarks.comparing import tables
from tests.benchmarks.comparing.reading import Key, Times, with_ratios
from tests.benchmarks.peers.catalogue import FLOOR, OURS, TEXT
from tests.benchmarks.peers.form import Form
from tests.benchmarks.placing import apart

ROUNDS = 300  # of each row in turn, so that all rows share whatever else the machine does
READS = 20  # in one measurement; of what takes long, one
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
    name="benchmarks.aged",
    ttl=timedelta(milliseconds=100),
    stale_ttl=timedelta(hours=2),
    depends_on={"auth.User": None},
)
def aged() -> Value:
    """Give the value at once; it is soon stale."""
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
    """Measure all rows in turn and print best, median, client CPU, and ratios of best and CPU."""
    call_command("migrate", verbosity=0)
    text_alias = redis_cache(f"{url}/2")
    pickle_alias = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{url}/3"}
    # Proofs of an hour: nothing is proved in the middle of a measurement.
    quiet = settings.STATISTICS_CACHE | {"PROOF_INTERVAL": 7200}
    with override_settings(
        CACHES=settings.CACHES | {"text": text_alias, "pickle": pickle_alias}, STATISTICS_CACHE=quiet
    ):
        forms = rows(url)
        with apart(url, [os.getpid()]):
            measured = measure(forms)
    Console(width=150).print(tables.reads(with_ratios([times.row(key) for key, times in measured.items()])))


def rows(url: str) -> dict[Key, Form]:
    """Give what is measured."""
    adapter = TypeAdapter(Value)
    text = VALUE.model_dump_json()
    raw = redis.Redis.from_url(f"{url}/4")
    raw.set("key", text)
    caches["text"].set("key", text)
    caches["pickle"].set("key", VALUE)
    scoped()
    telemetry = Metrics(MeterProvider([PrometheusMetricReader()]))
    batch = [{"number": number} for number in range(BATCH)]
    value.get_many(batch)
    while aged.answer().state == "fresh":
        sleep(0.05)
    return {
        (FLOOR, "raw"): Form(lambda: raw.get("key")),
        (FLOOR, ""): Form(lambda: adapter.validate_json(raw.get("key"))),  # type: ignore[arg-type]
        (TEXT, ""): Form(lambda: adapter.validate_json(caches["text"].get("key"))),
        ("django-pickle", ""): Form(lambda: caches["pickle"].get("key")),
        (OURS, ""): Form(scoped),
        (OURS, "answer"): Form(scoped.answer),
        (OURS, "stale"): Form(aged),
        (OURS, "cold"): Form(partial(scoped, "blue"), partial(scoped.clear, "blue", tier="hot")),
        (OURS, "batch"): Form(partial(value.get_many, batch), values=BATCH),
        (OURS, "unmeasured"): Form(scoped, telemetry.disconnect),
        (OURS, "measured"): Form(scoped, telemetry.connect),
    }


def measure(measured: dict[Key, Form]) -> dict[Key, Times]:
    """Read in turns, in another order each round, for each row leaves the CPU's caches to the next; give the times."""
    times, rows = {key: Times() for key in measured}, list(measured.items())
    for _ in range(ROUNDS):
        for key, form in sample(rows, len(rows)):
            take_turn(times[key], form)
    return times


def take_turn(times: Times, form: Form) -> None:
    """Read some times; note the seconds of a value, and those of this process's CPU."""
    reads = 1 if form.before or form.values > 1 else READS
    if form.before:
        form.before()
    used, began = process_time(), perf_counter()
    for _ in range(reads):
        form.read()
    took = perf_counter() - began
    times.used.append((process_time() - used) / reads / form.values)
    times.took.append(took / reads / form.values)
