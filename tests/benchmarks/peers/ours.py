"""This app, with the settings of its README."""

from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from time import sleep
from typing import Any

from celery import Celery
from django.db import connection

from statistics_cache import statistic
from statistics_cache.models import StatisticEntry

from .form import Form
from .models import Share
from .peer import Compute, Peer, in_thousands
from .shelves import SHELVES

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")

OTHER = 1_000_000  # a shelf without rows, whose entry is copied


class Ours(Peer):
    """The decorator; a change of a row reaches it by itself."""

    is_automatic = True

    def declare(self, compute: Compute, ttl: int) -> Any:
        """Decorate."""
        return statistic(
            name=f"peers.{compute.__name__}",
            ttl=timedelta(seconds=ttl),
            stale_ttl=timedelta(hours=2),
            depends_on={Share: {"number": "shelf"}},
        )(compute)

    def drop(self, number: int) -> None:
        """Invalidate the variant."""
        self.lasting.invalidate(number)

    def drop_all(self, numbers: Iterable[int]) -> None:
        """Invalidate every variant."""
        self.lasting.invalidate()

    def forget(self) -> None:
        """Lose what is in the table, too."""
        super().forget()
        for each in (self.lasting, self.brief):
            each.clear_all()

    def forms(self) -> dict[str, Form]:
        """Give a hot call, one with its provenance, a stale one, one from the table, and a batch."""
        batch = [{"number": number} for number in range(SHELVES)]
        self.lasting.get_many(batch)
        while self.brief.answer(0).state == "fresh":
            sleep(0.1)
        return {
            "": Form(partial(self.lasting, 0)),
            "answer": Form(partial(self.lasting.answer, 0)),
            "stale": Form(partial(self.brief, 0)),
            "cold": Form(partial(self.lasting, 1), partial(self.lasting.clear, 1, tier="hot")),
            "batch": Form(partial(self.lasting.get_many, batch), values=SHELVES),
        }

    def fill(self, numbers: range) -> None:
        """Copy the row of one entry, past Django, and have the rows promoted."""
        self.read(OTHER)
        copy_rows(f"peers.shelf:number={OTHER}", numbers)
        for few in in_thousands(numbers):
            self.lasting.get_many([{"number": number} for number in few])


def copy_rows(key: str, numbers: range) -> None:
    """Copy the row of an entry for each number, in the columns that hold the number of its own."""
    names = [field.attname for field in StatisticEntry._meta.concrete_fields if not field.primary_key]
    holding = {"key", "params", "scopes"}
    values = [f"replace({name}::text, '{OTHER}', n::text)" if name in holding else name for name in names]
    types = {"params": "::jsonb"} if StatisticEntry._meta.get_field("params").get_internal_type() == "JSONField" else {}
    chosen = ", ".join(value + types.get(name, "") for name, value in zip(names, values, strict=True))
    table = StatisticEntry._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM {table}, "  # noqa: S608
            "generate_series(%s, %s) AS n WHERE key = %s ON CONFLICT DO NOTHING",
            [numbers.start, numbers.stop - 1, key],
        )
