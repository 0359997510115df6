"""Saying by hand, around a write that nobody can see, which rows it changes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import router, transaction
from django.db.models import Model

from statistics_cache.declaring.parameters import did_you_mean

from .concerning import concerns
from .delivering import log
from .ongoing import announced
from .receiving import all_watches_on
from .walking import Unresolved, chain, concrete, walk
from .watching import scopes_of


@contextmanager
def invalidates(model: type[Model] | str, using: str | None = None, **values: Any) -> Iterator[None]:
    """Log, in one transaction with what is done inside, that rows of a model change in a way that Django cannot see.

    The model is a class or `"app.Model"`. Raises ValueError, naming it, for one or a field that does not exist.
    `values` names the scope as a row would have it, by field path (`category="clip"`, `model__category="clip"`); a
    statistic that asks for other fields, too, loses every scope. Nothing is logged if the block raises, and what the
    statements inside do to the model's tables is not looked at.
    """
    model = find_model(model)
    alias = using or router.db_for_write(model)
    unknown = [path for path in values if path.split("__")[0] not in names_of(model)]
    if unknown:
        raise ValueError(f"{model._meta.label} has no field {unknown[0]!r}. There are: {', '.join(names_of(model))}.")
    with transaction.atomic(using=alias), announced(alias, chain(model)):
        log_named(model, values, alias)  # before the write: readers in this transaction compute live from here on
        yield


def find_model(model: type[Model] | str) -> type[Model]:
    """Give a model by its class or label. Raises ValueError with the nearest label."""
    if not isinstance(model, str):
        return model
    try:
        return apps.get_model(model)
    except (LookupError, ValueError) as error:  # ValueError: there is no dot in it, or more than one
        known = {each._meta.label: each for each in apps.get_models()}
        raise ValueError(f"there is no model {model!r}.{did_you_mean(model, known)}") from error


def names_of(model: type[Model]) -> list[str]:
    """Give the names of a model's fields, and of the columns of its relations."""
    fields = model._meta.get_fields()
    return sorted({name for field in fields for name in (field.name, getattr(field, "attname", field.name))})


def log_named(model: type[Model], values: dict[str, Any], alias: str) -> None:
    """Log the scopes of a row that has these values."""
    named = {spelt(model, path): value for path, value in values.items()}
    found = concerns(all_watches_on(concrete(model)), alias)
    for concern in found:
        paths = {name: spelt(model, trail.path) for name, trail in concern.watch.trails.items()}
        if concern.watch.decide is None and paths and set(paths.values()) <= set(named):
            concern.scopes |= scopes_of(concern.watch.declaration, {name: named[path] for name, path in paths.items()})
        else:
            concern.add_every()
    log(found, alias, f"{model._meta.label} changed")


def spelt(model: type[Model], path: str) -> str:
    """Write a path in one way: a relation's own column is the relation."""
    try:
        trail = walk(model, path)
    except Unresolved:
        return path
    *steps, _ = path.split("__")
    return "__".join([*steps, trail.field.name])
