"""Reading many rows: a page at a time, each by a statement of its own."""

from typing import Any

import pytest
from django.db import connections

from statistics_cache.cold import rows as cold
from statistics_cache.models import StatisticEntry
from tests.conftest import Backend
from tests.samples import stock

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])


@pytest.mark.parametrize("number", [0, 1, 2, 5])
def test_rows_are_read_without_a_cursor(number: int, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row once, whatever a pooler does between two statements: no cursor outlives its own."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a cursor was opened")

    monkeypatch.setattr(cold, "PAGE", 2)
    monkeypatch.setattr(connections[backend.database], "chunked_cursor", refuse)
    columns = {"schema": stock.declaration.fingerprint, "statistic": "tests.stock", "params": "{}"}
    entries = StatisticEntry.objects.using(backend.database)
    made = entries.bulk_create(StatisticEntry(key=f"tests.stock:{at}", **columns) for at in range(number))
    assert cold.unreadable(stock.declaration) == [row.pk for row in made]
