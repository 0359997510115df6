"""A real exporter of Prometheus, and what it is asked for."""

from collections.abc import Callable, Iterator
from urllib.request import urlopen

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from statistics_cache import tracing
from statistics_cache.telemetry.metrics import Metrics

Scrape = Callable[[], list[Sample]]


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    """Serve what is exported, as `prometheus_client` does."""
    server, thread = start_http_server(0, "127.0.0.1")
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def scrape(port: int) -> Iterator[Scrape]:
    """Give a function that scrapes what is exported, as Prometheus does."""
    provider = MeterProvider([PrometheusMetricReader()])
    measured = Metrics(provider)
    measured.connect()

    def ask() -> list[Sample]:
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            families = text_string_to_metric_families(answer.read().decode())
        return [each for family in families for each in family.samples if each.name.startswith("statistics_cache_")]

    yield ask
    measured.disconnect()
    provider.shutdown()


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Give what a real provider exports."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "TRACER", provider.get_tracer("statistics_cache"))
    yield exporter
    provider.shutdown()
