"""On MySQL and MariaDB a text is to equal itself alone; nothing is done elsewhere."""

from random import randint
from typing import Any

from django.db import migrations

from statistics_cache.fields import collation_of, inexact
from statistics_cache.identity.facts import MAX_NUMBER, ROW

# The log is the last: who is ended before that does all of it again.
MODELS = ("StatisticEntry", "StatisticScope", "StatisticChange", "StatisticInvalidation")


def mend(apps: Any, schema_editor: Any) -> None:
    """Convert the tables. Values go, for one may lie in another's row: they are computed anew, also what is hot."""
    connection = schema_editor.connection
    models = [apps.get_model("statistics_cache", name) for name in MODELS]
    if not inexact(connection, [model._meta.db_table for model in models]):
        return
    forget_values(apps, connection.alias)
    for model in models:
        convert(schema_editor, model._meta.db_table)
        forget_values(apps, connection.alias)


def convert(schema_editor: Any, table: str) -> None:
    """Give all texts of a table the collation, and those that it may get later."""
    name, collation = schema_editor.quote_name(table), collation_of(schema_editor.connection)
    schema_editor.execute(f"ALTER TABLE {name} CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation}")


def forget_values(apps: Any, alias: str) -> None:
    """Delete stored values, and have the hot tier begin anew."""
    apps.get_model("statistics_cache", "StatisticEntry")._base_manager.using(alias)._raw_delete(alias)
    identities = apps.get_model("statistics_cache", "StatisticIdentity")._base_manager.using(alias)
    identities.filter(pk=ROW).update(number=randint(1, MAX_NUMBER))


class Migration(migrations.Migration):
    dependencies = [("statistics_cache", "0007_declared_statistic")]

    operations = [migrations.RunPython(mend, migrations.RunPython.noop, atomic=False)]
