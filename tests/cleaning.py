"""What a test has committed goes at its end: as by Django's flush, but for what has to be made anew after that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.core.management import call_command
from django.db import connections, transaction
from django.test import testcases

from statistics_cache.changing import migrating as moving
from statistics_cache.changing.statements import quiet
from statistics_cache.triggering import migrating as triggering

KEPT = {
    "auth_permission",
    "django_content_type",
}  # no test writes these; to make them anew takes longer than most tests


@contextmanager
def cleaning_quickly() -> Iterator[None]:
    """Have tests that commit be cleaned after by `clean`."""
    with patch.object(testcases, "call_command", call):
        yield


def call(name: str, *args: Any, **options: Any) -> Any:
    """Call a command, but clean in place of a flush."""
    return clean(options["database"]) if name == "flush" else call_command(name, *args, **options)


def clean(alias: str) -> None:
    """Delete all rows, of the tables that have any, and do what the app does after a flush."""
    connection = connections[alias]
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    tables = [connection.ops.quote_name(name) for name in names if name not in KEPT]
    unchecked = connection.constraint_checks_disabled()  # MySQL checks what refers to a row at each statement
    with quiet(connection), unchecked, transaction.atomic(using=alias), connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in tables))  # noqa: S608
        for table, has_rows in zip(tables, cursor.fetchone(), strict=True):
            if has_rows:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608
    moving.end(alias)
    triggering.end(alias)
