"""What a writer has in the database, read past the app and past every proxy: how an oracle learns of a lost reply."""

import os
from collections import defaultdict
from collections.abc import Collection
from typing import Any

import psycopg

from tests.soak.declared import OWNERS
from tests.soak.hurting import DIRECT, ORACLE
from tests.soak.picture import Picture, Row
from tests.waiting import until

Known = tuple[dict[str, Row], list[tuple[str, int]], dict[int, int], frozenset[int]]


def known(picture: Picture) -> Known:
    """Give what of a picture a database can tell."""
    paints = sorted((row.color, row.amount) for row in picture.paints.values())
    return picture.items, paints, picture.orders, frozenset(picture.tags)


MINE = f"i.amount %% {OWNERS} = %s AND i.id < 1000000"  # not those that all writers move


class Past:
    """One connection past the app, of one writer."""

    def __init__(self, number: int) -> None:
        """Connect."""
        self.number = number
        self.connection: psycopg.Connection[Any] = psycopg.connect(
            os.environ[DIRECT], autocommit=True, application_name=ORACLE
        )

    def settle(self, sessions: Collection[int]) -> Known:
        """End sessions of the app, so that nothing of theirs can still be committed, and look."""
        until(lambda: not any(self.ends(pid) for pid in sessions), f"sessions {sessions} that were told to end")
        return self.look()

    def ends(self, pid: int) -> bool:
        """Have a session end, and tell whether it was still there."""
        return bool(self.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s", pid))

    def look(self) -> Known:
        """Read all that the writer has."""
        tied: dict[int, set[int]] = defaultdict(set)
        of_mine = f"JOIN tests_item i ON i.id = item_id WHERE {MINE}"
        for item, tag in self.ask(f"SELECT item_id, tag_id FROM tests_item_tags {of_mine}", self.number):  # noqa: S608
            tied[item].add(tag)
        items = self.ask(
            f"SELECT id, sku, color, amount, order_id FROM tests_item i WHERE {MINE}",  # noqa: S608
            self.number,
        )
        paints = self.ask("SELECT color, litres FROM tests_paint WHERE litres %% %s = %s", OWNERS, self.number)
        orders = self.ask(
            "SELECT id, region_id FROM tests_order WHERE id %% %s = %s AND id < 1000000", OWNERS, self.number
        )
        tags = self.ask("SELECT id FROM tests_tag WHERE id %% %s = %s", OWNERS, self.number)
        return (
            {sku: Row(color, amount, order, frozenset(tied[key])) for key, sku, color, amount, order in items},
            sorted(paints),
            dict(orders),
            frozenset(key for (key,) in tags),
        )

    def ask(self, sql: str, *values: int) -> list[Any]:
        """Ask one question."""
        return self.connection.execute(sql.encode(), values).fetchall()
