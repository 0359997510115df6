"""The metrics, by OpenTelemetry's API: receivers of signals, and running totals that are read when somebody collects.

No label holds a parameter. (Note [Where each number is from])
"""

from collections.abc import Callable, Iterable, Iterator
from time import time
from typing import TYPE_CHECKING, Any

from celery.signals import before_task_publish, task_prerun

from statistics_cache.api import registry
from statistics_cache.broker.schedule import REFRESH
from statistics_cache.hot.counters import tallies
from statistics_cache.signals import refresh_failed, refresh_finished, tick_ended

from .causes import kind_of
from .entries import Entries

try:
    from opentelemetry import metrics
except ImportError:
    metrics = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

QUEUED_AT = "queued_at"  # a message's header: seconds since the Unix epoch
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)  # the SDK's own are for milliseconds


class Metrics:
    """The instruments of one provider's meter, None for the one that is set, and what feeds them."""

    def __init__(self, provider: "MeterProvider | None" = None) -> None:
        """Make the instruments."""
        meter = metrics.get_meter("statistics_cache", meter_provider=provider)
        self.entries = Entries()
        meter.create_observable_counter(
            "statistics_cache.reads", [observe_reads], "{read}", "Values asked for, by statistic and outcome."
        )
        self.computes = meter.create_counter(
            "statistics_cache.computes", "{compute}", "Computes that ended, by statistic and outcome."
        )
        self.invalidations = meter.create_counter(
            "statistics_cache.invalidations", "{change}", "Changes that a tick of this process folded, by cause."
        )
        self.compute_seconds = meter.create_histogram(
            "statistics_cache.compute.duration",
            "s",
            "What a compute took.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.queue_seconds = meter.create_histogram(
            "statistics_cache.queue.duration",
            "s",
            "How long a refresh waited for a worker.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        meter.create_observable_gauge(
            "statistics_cache.entries", [observing(self.entries.states)], "{entry}", "Stored entries, by state."
        )
        meter.create_observable_gauge(
            "statistics_cache.oldest_entry.age", [observing(self.entries.ages)], "s", "The age of the oldest value."
        )
        self.receivers: dict[Any, Callable[..., None]] = {
            refresh_finished: self.finished,
            refresh_failed: self.failed,
            tick_ended: self.ticked,
            task_prerun: self.begun,
        }

    def connect(self) -> None:
        """Begin to receive."""
        for signal, receiver in self.receivers.items():
            signal.connect(receiver, weak=False)

    def disconnect(self) -> None:
        """Receive no more."""
        for signal, receiver in self.receivers.items():
            signal.disconnect(receiver)

    def finished(self, statistic: str, cost: float, **_: Any) -> None:
        """Count a compute that ended with a value."""
        self.computes.add(1, {"statistic": statistic, "outcome": "finished"})
        self.compute_seconds.record(cost, {"statistic": statistic})

    def failed(self, statistic: str, **_: Any) -> None:
        """Count a compute that ended with an exception."""
        self.computes.add(1, {"statistic": statistic, "outcome": "failed"})

    def ticked(self, changes: Iterable[tuple[str, str]], **_: Any) -> None:
        """Count what was folded, and tell of entries from now on: one process's tick ends at a time."""
        self.entries.ticked_at = time()
        for statistic, cause in changes:
            self.invalidations.add(1, {"statistic": statistic, "cause": kind_of(cause)})

    def begun(self, task: Any, kwargs: Any = None, **_: Any) -> None:
        """Note how long a message waited, the first time that it is taken."""
        queued_at, statistic = task.request.get(QUEUED_AT), (kwargs or {}).get("statistic")
        is_ours = task.name == REFRESH and isinstance(statistic, str) and statistic in registry.named
        if is_ours and isinstance(queued_at, float) and not task.request.retries:
            self.queue_seconds.record(max(0.0, time() - queued_at), {"statistic": statistic})


def queued(sender: str, headers: dict[str, Any], **_: Any) -> None:
    """Have each message of ours say when it was queued."""
    if sender == REFRESH:
        headers.setdefault(QUEUED_AT, time())


def observe_reads(_: "CallbackOptions") -> "Iterator[Observation]":
    """Give how often this process was asked for values since it began."""
    for (statistic, outcome), number in tallies.totals().items():
        yield metrics.Observation(number, {"statistic": statistic, "outcome": outcome})


def observing(look: Callable[[], Iterable[tuple[float, dict[str, str]]]]) -> "Callable[[CallbackOptions], Any]":
    """Give a callback that observes what a look brings."""

    def observe(_: "CallbackOptions") -> "Iterator[Observation]":
        for number, labels in look():
            yield metrics.Observation(number, labels)

    return observe


def begin() -> None:
    """Measure, for whatever provider is set, now or later; nothing without OpenTelemetry."""
    if metrics is not None:
        before_task_publish.connect(queued)
        Metrics().connect()


# Note [Where each number is from]
# A hot hit raises a tally, as it does without any of this (`hot.counters`), and that is read when somebody collects:
# no lock, no label, no call. Computes are counted by the process that computes, queue time by the worker that takes a
# message. Changes are counted by the tick that folds them, once each, whoever wrote them, triggers of PostgreSQL
# included; those of SQLite leave no row to fold. Entries are told of by the process whose tick has ended lately, and
# by no other: it would be the same numbers, at the price of a look at the table for each.
