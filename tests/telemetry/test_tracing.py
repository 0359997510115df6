"""Spans around computes: whose they are, and that they hold no parameter."""

from unittest.mock import patch

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from tests.samples import Color, nested, stock

pytestmark = pytest.mark.django_db(transaction=True)


def test_each_compute_is_a_span(spans: InMemorySpanExporter) -> None:
    """A hit is none; a compute within a compute lies within its span."""
    nested()
    nested()
    told = {(each.attributes or {})["statistic"]: each for each in spans.get_finished_spans()}
    assert [each.name for each in spans.get_finished_spans()] == ["compute tests.stock"] * 2 + ["compute tests.nested"]
    outer = told["tests.nested"].get_span_context()
    assert outer is not None
    assert told["tests.stock"].parent is not None
    assert told["tests.stock"].parent.span_id == outer.span_id


def test_no_span_holds_a_parameter(spans: InMemorySpanExporter) -> None:
    """Nor the text of what a function raises, which may: its class is told."""
    with patch("tests.samples.count_stock", side_effect=ValueError("red")), pytest.raises(ValueError, match="red"):
        stock(Color.RED)
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert dict(span.attributes or {}) == {"statistic": "tests.stock", "error.type": "ValueError"}
    assert not span.events
