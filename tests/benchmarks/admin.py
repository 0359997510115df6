"""A page of the admin over a million entries, beside Django's own list of a bare table of that size."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

from django.contrib.admin import AdminSite, site
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.urls import path
from django.utils.timezone import now
from rich.console import Console
from rich.table import Table

from project.catalog.models import Category, ModelRecord, UsageRecord
from statistics_cache import statistic
from statistics_cache.cold import rows as cold
from statistics_cache.models import StatisticEntry

MANY, FEW = 1_000_000, 50_000
ROUNDS = 9
BARE = "/bare/catalog/usagerecord/"
LIST = "/admin/statistics_cache/statisticentry/"
PAYLOAD = '{"total":719,"shares":[' + ",".join(f'{{"tag":"tag-{at}","count":{at}}}' for at in range(16)) + "]}"


django_alone = AdminSite("alone")
django_alone.register(UsageRecord)
urlpatterns = [path("bare/", django_alone.urls), path("admin/", site.urls)]


@statistic(name="benchmarks.numbered", ttl=timedelta(hours=1), stale_ttl=timedelta(hours=2), depends_on=[UsageRecord])
def numbered(number: int) -> dict[str, Any]:
    """Stand for a statistic of very many variants."""
    return {"number": number}


def run() -> None:
    """Measure both in turn, then pages of fewer rows, and print medians."""
    call_command("migrate", verbosity=0)
    client = Client()
    client.force_login(User.objects.create_superuser("benchmark"))
    table = Table("page", "rows", "median", "best")
    fill_bare(MANY)
    fill_entries(MANY)
    analyze()
    with override_settings(ALLOWED_HOSTS=["testserver"], ROOT_URLCONF=__name__):
        rows = {
            "Django's own list of a bare table": lambda: get(client, BARE),
            "entries": lambda: get(client, LIST),
            "entries, stale by age": lambda: get(client, f"{LIST}?state=stale"),
            "entries, page 900": lambda: get(client, f"{LIST}?p=900"),
            "registry": lambda: get(client, f"{LIST}registry/"),
            "entries, everything counted": lambda: get(client, f"{LIST}?_facets=True"),
        }
        measure(table, MANY, rows)
        StatisticEntry.objects.filter(pk__gt=StatisticEntry.objects.order_by("pk")[FEW - 1].pk).delete()
        analyze()
        measure(table, FEW, {"entries": rows["entries"], "registry": rows["registry"]})
    Console(width=100).print(table)


def measure(table: Table, number: int, rows: Mapping[str, Callable[[], object]]) -> None:
    """Measure rows in turn, so that all share whatever else the machine does."""
    times: dict[str, list[float]] = {name: [] for name in rows}
    for each in rows.values():
        each()
    for _ in range(ROUNDS):
        for name, each in rows.items():
            began = perf_counter()
            each()
            times[name].append(perf_counter() - began)
    for name, taken in times.items():
        table.add_row(name, f"{number:,}", f"{1000 * median(taken):.0f} ms", f"{1000 * min(taken):.0f} ms")


def get(client: Client, url: str) -> None:
    """Open a page."""
    answer = client.get(url)
    if answer.status_code != 200:
        raise RuntimeError(f"{url} gave {answer.status_code}")


def fill_bare(number: int) -> None:
    """Store so many rows of a small table."""
    model = ModelRecord.objects.create(category=Category.CLIP, name="ViT-L/14")
    insert(UsageRecord, number, {"model_id": str(model.pk), "kudos": "1", "created_at": "%s"}, [now()])


def fill_entries(number: int) -> None:
    """Store so many entries, a third of each age."""
    at = now()
    columns = {
        "key": "'benchmarks.numbered:number=' || i",
        "params": "'{\"number\":' || i || '}'",
        "schema": "%s",
        "statistic": "%s",
        "scopes": "%s",
        "payload": "%s",
        "costs": "'[1.5, 1.7]'",
        "cost": "1.7",
        "computed_at": "CASE i % 3 WHEN 0 THEN %s WHEN 1 THEN %s ELSE %s END".replace("i % 3", "i %% 3"),
        "generation": "0",
        "epoch": "0",
        "reason": "''",
        "failures": "0",
        "last_error": "''",
    }
    texts: list[Any] = [numbered.declaration.fingerprint, numbered.name, cold.join_scopes([]), PAYLOAD]
    insert(StatisticEntry, number, columns, [*texts, *(at - timedelta(minutes=each) for each in (5, 90, 300))])


def insert(model: Any, number: int, columns: dict[str, str], values: list[Any]) -> None:
    """Let the database make rows: `i` counts them."""
    if connection.vendor == "postgresql":
        columns = {name: text.replace("ELSE %s END", "ELSE %s END::timestamptz") for name, text in columns.items()}
        columns = {name: f"{text}::jsonb" if name == "costs" else text for name, text in columns.items()}
    names = ", ".join(connection.ops.quote_name(name) for name in columns)
    numbers = f"numbers(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {number})"  # noqa: S608
    chosen = f"SELECT {', '.join(columns.values())} FROM numbers"  # noqa: S608
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({names}) WITH RECURSIVE {numbers} {chosen}",
            [adapt(each) if isinstance(each, datetime) else each for each in values],
        )


def analyze() -> None:
    """Give back what was deleted, and tell the database how large its tables are."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("ANALYZE")
