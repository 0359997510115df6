"""Checks of the models that statistics watch: managers that hide writes or others, rows that the database writes."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.db.models import Manager, Model

from statistics_cache.changing.managers import StatisticsQuerySet, StatisticsSource
from statistics_cache.changing.receiving import WATCHES, is_source, is_through

from .messages import error, info


def check_managers(**_: Any) -> list[CheckMessage]:
    """Report every manager of a source whose bulk writes would not be of one transaction with their log rows."""
    sources = (model for model in apps.get_models() if issubclass(model, StatisticsSource))
    return [fault for model in sources for fault in manager_faults(model)]


def manager_faults(model: type[Model]) -> Iterator[CheckMessage]:
    """Give the managers of a model that give no StatisticsQuerySet, and those that one of ours hides."""
    label = model._meta.label
    for manager in model._meta.managers:
        if not issubclass(manager._queryset_class, StatisticsQuerySet):  # type: ignore[attr-defined]
            made_of = type(manager).__name__
            told = f"{label}.{manager.name} is a {made_of} without StatisticsQuerySet, though the model is a source."
            yield error(26, told, line_to_write(manager), model)
    for base, manager in hidden_managers(model):
        made_of = type(manager).__name__
        told = f"{label}.{manager.name} is that of StatisticsSource: it hides the {made_of} of {base.__name__}."
        yield error(26, told, line_to_write(manager), model)
    if before := former_default(model):
        told = f"{label}: the default manager is that of StatisticsSource, in place of {before.name!r}."
        yield error(26, told, line_to_write(before), model)


def line_to_write(manager: Any) -> str:
    """Give the line that makes a manager one of a source."""
    name, made_of = manager.name, type(manager).__name__
    if manager.use_in_migrations:
        return (
            f"Migrations know {made_of} by its name. Let it inherit from "
            "`models.Manager.from_queryset(StatisticsQuerySet)`; or, if it is of another package, write "
            f"`class Source{made_of}({made_of}.from_queryset(StatisticsQuerySet)): pass` and "
            f"`{name} = Source{made_of}()` in the model, and run `makemigrations` (it changes no table)."
        )
    if vars(manager).get("_built_with_as_manager"):
        queryset = manager._queryset_class.__name__
        return f"Let {queryset} inherit from StatisticsQuerySet; write `{name} = {queryset}.as_manager()` in the model."
    return (
        f"Write `{name} = {made_of}.from_queryset(StatisticsQuerySet)()` in the model, or let the queryset of your own "
        "inherit from StatisticsQuerySet."
    )


def hidden_managers(model: type[Model]) -> Iterator[tuple[type[Model], Any]]:
    """Give managers of other bases, with methods of their own, in whose place a model has that of StatisticsSource."""
    own = [(base, manager) for base in model.mro() if hasattr(base, "_meta") for manager in base._meta.local_managers]
    first = {manager.name: base for base, manager in reversed(own)}
    for base, manager in own:
        if base is not first[manager.name] is StatisticsSource and type(manager) is not Manager:
            yield base, manager


def former_default(model: type[Model]) -> Any:
    """Give the manager of another base that would be the default one, were it not for that of StatisticsSource."""
    if model._meta.default_manager_name or not is_ours(model, model._meta.managers[0]):
        return None
    return next((each for each in model._meta.managers if not is_ours(model, each)), None)


def is_ours(model: type[Model], manager: Any) -> bool:
    """Tell whether a manager is that of StatisticsSource, and none of the model's other bases."""
    bases = [base for base in model.mro() if hasattr(base, "_meta")]
    names = {base: {each.name for each in base._meta.local_managers} for base in bases}
    return next(base for base in bases if manager.name in names[base]) is StatisticsSource


def check_database_writes(**_: Any) -> list[CheckMessage]:
    """Report relations by which the database itself deletes or changes watched rows (`DB_CASCADE` and its like)."""
    return [fault for table in WATCHES if WATCHES[table] for fault in silent_writes(table)]


def silent_writes(table: type[Model]) -> Iterator[CheckMessage]:
    """Give the relations of a table over which Django writes nothing, and sends no signal (since Django 6.1)."""
    names = ", ".join(sorted({watch.declaration.name for watch in WATCHES[table]}))
    for field in table._meta.local_concrete_fields:
        if type(getattr(field.remote_field, "on_delete", None)).__name__ == "DatabaseOnDelete":
            yield error(
                27,
                f"{names}: rows of {table._meta.label} are written by the database when those behind {field.name!r} "
                "are deleted (on_delete=DB_…): nobody sees it.",
                "Use models.CASCADE, SET_NULL or SET_DEFAULT; or silence this and wrap such deletes in "
                "`with invalidates(…):`.",
                table,
            )


def check_plain_models(**_: Any) -> list[CheckMessage]:
    """Say of each watched plain model which writes its signals do not tell of."""
    plain = (table for table in WATCHES if WATCHES[table] and not (is_source(table) or is_through(table)))
    return [unseen_writes(table) for table in plain]


def unseen_writes(table: type[Model]) -> CheckMessage:
    """Say what is not seen of one model, and of whom."""
    names = ", ".join(sorted({watch.declaration.name for watch in WATCHES[table]}))
    return info(
        1,
        f"{names}: {table._meta.label} is watched by signals: save() and delete() are seen; update(), bulk_create(), "
        "bulk_update(), raw SQL and other programs are not.",
        f"Let {table.__name__} inherit from StatisticsSource, or have its changes seen by capture='triggers'. Where "
        "only save() and delete() write it, silence this.",
        table,
    )
