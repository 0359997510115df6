"""A materialised view of PostgreSQL: no cache at all, and refreshed as a whole by whoever changes the data."""

from collections.abc import Iterable
from typing import Any

from django.db import connection

from .models import Share
from .peer import Compute, Peer
from .shelves import ADAPTER, NOTHING, Value

MAKE = """
    CREATE MATERIALIZED VIEW IF NOT EXISTS peers_shelves AS
    SELECT shelf, jsonb_build_object('total', sum(count), 'shares', jsonb_agg(jsonb_build_object(
        'tag', tag, 'count', count, 'percentage', count / 7.0) ORDER BY tag))::text AS payload
    FROM peers_share GROUP BY shelf;
    CREATE UNIQUE INDEX IF NOT EXISTS peers_shelves_shelf ON peers_shelves (shelf)
"""
READ = "SELECT payload FROM peers_shelves WHERE shelf = %s"
REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY peers_shelves"


class View(Peer):
    """One row per shelf, its value as JSON text."""

    can_race = False

    def __init__(self) -> None:
        """Make the view."""
        execute(MAKE)
        super().__init__()

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Read a row."""

        def read(number: int) -> Value:
            with connection.cursor() as cursor:
                cursor.execute(READ, [number])
                row = cursor.fetchone()
            return ADAPTER.validate_json(row[0]) if row else NOTHING

        return read

    def drop(self, number: int) -> None:
        """Compute all rows anew: no less can be named."""
        execute(REFRESH)

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Compute all rows anew."""
        execute(REFRESH)

    def fill(self, numbers: range) -> None:
        """Have a row for each."""
        Share.objects.bulk_create((Share(shelf=number, tag="tag", count=1) for number in numbers), batch_size=5000)
        execute(REFRESH)


def execute(sql: str) -> None:
    """Send a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
