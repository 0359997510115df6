"""Which tables are meant: those of models, those behind views, and none of this app's own."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.models import Model

from statistics_cache.changing.parsing import table_text
from statistics_cache.changing.receiving import TRIGGERED, WATCHES
from statistics_cache.changing.walking import chain, concrete
from statistics_cache.changing.watching import model_of
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.sources import Source

from .texts import tables_of

# Rows that only `migrate` writes, after which every scope moves anyway.
MIGRATED = "contenttypes.ContentType"
VIEWS = {
    "postgresql": "SELECT viewname, definition FROM pg_views WHERE schemaname <> ALL "
    "(ARRAY['pg_catalog', 'information_schema'])",
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'view'",
    "mysql": "SELECT table_name, view_definition FROM information_schema.views WHERE table_schema = DATABASE()",
}


def name_of(model: type[Model]) -> str:
    """Give the name of a model's table as texts are compared."""
    return table_text(model._meta.db_table)


def models_by_table() -> dict[str, type[Model]]:
    """Give the model of each table; of several the one that Django manages."""
    every = [each for each in apps.get_models(include_auto_created=True) if not each._meta.proxy]
    return {name_of(each): each for each in sorted(every, key=lambda model: bool(model._meta.managed))}


def is_own(model: type[Model]) -> bool:
    """Tell whether a table is nobody's source: this app's own, or one that only `migrate` writes."""
    return model._meta.app_label == "statistics_cache" or model._meta.label == MIGRATED


def resolve(alias: str, named: AbstractSet[str], counted: Iterable[str]) -> set[str]:
    """Give the tables that a compute has read: of names in texts those of models, with what is behind views, and those
    that the server has counted."""
    models = models_by_table()
    doubtful = {name for name in named if name not in models or not models[name]._meta.managed}
    views = views_of(alias) if doubtful else {}
    found = set(counted) | {name for name in named - views.keys() if name in models}
    for name in named & views.keys():
        found |= {each for each in behind(name, views, set()) if each in models}
    return {name for name in found if name not in models or not is_own(models[name])}


def behind(name: str, views: dict[str, str], passed: set[str]) -> Iterator[str]:
    """Give the tables behind a view, through others, too."""
    passed.add(name)
    for each in tables_of(views[name]) - passed:
        if each in views:
            yield from behind(each, views, passed)
        else:
            yield each


def views_of(alias: str) -> dict[str, str]:
    """Give the views of a database and what they are made of."""
    connection: Any = connections[alias]
    if connection.connection is None or connection.vendor not in VIEWS:
        return {}
    try:
        cursor = connection.connection.cursor()  # the driver's own: nobody counts it among the user's statements
        cursor.execute(VIEWS[connection.vendor])
        return {table_text(name): text for name, text in cursor.fetchall() if text}
    except connection.Database.Error:  # a transaction that is broken: then the texts have to do
        return {}


def through_of(relation: Any) -> type[Model]:
    """Give the model of a many-to-many field's table."""
    return concrete(relation.remote_field.through)


def declared_tables(declaration: Declaration[..., Any]) -> set[str]:
    """Give the tables whose changes a statistic is told of."""
    every = (each for watches in (*WATCHES.values(), *TRIGGERED.values()) for each in watches)
    return {name_of(each.table) for each in every if each.declaration is declaration}


def ignored_tables(declaration: Declaration[..., Any]) -> set[str]:
    """Give the tables that a statistic names as ignored, itself or through others that it is computed from."""
    found = {name for source in declaration.ignored for name in tables_of_source(source)}
    for source in declaration.sources:
        if (inner := getattr(source.model, "declaration", None)) is not None:
            found |= ignored_tables(inner)
    return found


def tables_of_source(source: Source) -> Iterator[str]:
    """Give the tables of a source: its own, its parents', its many-to-many tables; a text may name a table itself."""
    inner: Declaration[..., Any] | None = getattr(source.model, "declaration", None)
    if inner is not None:
        yield from declared_tables(inner) | ignored_tables(inner)
    elif (model := model_of(source)) is not None:
        for table in chain(model):
            yield name_of(table)
            yield from (name_of(through_of(each)) for each in table._meta.local_many_to_many)
    elif isinstance(source.model, str):
        yield table_text(source.model)
