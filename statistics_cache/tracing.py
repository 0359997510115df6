"""A span around each compute where OpenTelemetry is installed (the extra `otel`); nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

try:
    from opentelemetry import trace
except ImportError:
    TRACER: Any = None
else:
    TRACER = trace.get_tracer("statistics_cache")  # of whatever provider is set when a span begins


@contextmanager
def span(statistic: str) -> Iterator[None]:
    """Have what is called inside be a span that names the statistic, and the class of what it raises.

    No parameter is in it, and no text of an exception, which may hold one.
    """
    if TRACER is None:
        yield
        return
    named = {"statistic": statistic}
    with TRACER.start_as_current_span(
        f"compute {statistic}", attributes=named, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(trace.StatusCode.ERROR, type(error).__name__)
            current.set_attribute("error.type", type(error).__name__)
            raise
