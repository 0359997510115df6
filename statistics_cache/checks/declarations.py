"""Checks of what `@statistic` was told: sources, scopes, fields, hydration."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from math import ceil
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage
from django.db.models import Model
from django.urls import get_resolver

from statistics_cache.api import late, registry
from statistics_cache.changing.collating import are_blind
from statistics_cache.changing.walking import Unresolved, walk
from statistics_cache.conf import limits, settings
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.declaring.sources import Source
from statistics_cache.exceptions import DeclarationError, ParameterError, SettingsError

from .messages import error, warning


def declarations() -> list[Declaration[..., Any]]:
    """Give every declaration."""
    return [found.declaration for found in registry.all()]


def check_places(**_: Any) -> list[CheckMessage]:
    """Report every statistic that processes know only once they import a module of its own; loads the site's URLs, and
    with them its views, so that it does not matter what was imported before."""
    load_urls()
    return [
        warning(
            19,
            f"{name}: it is declared in {late[name]}, which not every process imports: others neither log its changes "
            "nor refresh it.",
            "Move it to a module `statistics.py` of an installed app, or import its module there.",
            late[name],
        )
        for name in sorted(registry.named.keys() & late.keys())
    ]


def load_urls() -> None:
    """Import what the site's URLs lead to, if it has any; what fails there Django's own check of them says."""
    with suppress(Exception):  # whatever a site's own modules raise
        get_resolver().url_patterns  # noqa: B018  (imports them)


def check_sources(**_: Any) -> list[CheckMessage]:
    """Report every source that is no model, and every scope or field that names nothing."""
    return [
        fault
        for declaration in declarations()
        for source in declaration.sources
        for fault in source_faults(declaration, source)
    ]


def source_faults(declaration: Declaration[..., Any], source: Source) -> Iterator[CheckMessage]:
    """Give what is wrong with one source; another statistic is one too."""
    for name in source.paths:
        if name not in declaration.parameters.adapters:
            yield error(
                22,
                f"{declaration.name}: the scope of {source.label} names {name!r}, which is no parameter of it.",
                f"Name a parameter.{did_you_mean(name, declaration.parameters.adapters)}",
                declaration.path,
            )
    if hasattr(source.model, "declaration"):
        yield from inner_faults(declaration, source)
        return
    try:
        model = find_model(source)
    except Unresolved as wrong:
        hint = "Name a model of an installed app, as a class or as 'app_label.Model'."
        yield error(21, f"{declaration.name}: depends_on names {wrong}", hint, declaration.path)
        return
    yield from path_faults(declaration, source, model)
    yield from field_faults(declaration, source, model)


def inner_faults(declaration: Declaration[..., Any], source: Source) -> Iterator[CheckMessage]:
    """Give the paths of a scope that are no parameters of the statistic they lead to."""
    known = source.model.declaration.parameters.adapters
    for path in source.paths.values():
        if path not in known:
            yield error(
                23,
                f"{declaration.name}: the path {path!r} in the scope of {source.label} leads nowhere: "
                f"{source.model.declaration.name} has no parameter {path!r}.{did_you_mean(path, known)}",
                "Name a parameter of that statistic, or leave the scope out: then every change of it concerns all.",
                declaration.path,
            )


def path_faults(declaration: Declaration[..., Any], source: Source, model: type[Model]) -> Iterator[CheckMessage]:
    """Give the paths of a scope that do not lead to one value, or to one that no text names for certain."""
    for name, path in source.paths.items():
        try:
            if are_blind(declaration, {name: walk(model, path)}):
                yield warning(
                    10,
                    f"{declaration.name}: the column at the end of {path!r} may take texts that differ for equal.",
                    "A change of it drops every variant. Keep texts in one case, in a column that tells them apart "
                    "(on MySQL: db_collation='utf8mb4_0900_bin', on MariaDB 'utf8mb4_nopad_bin'), or let the "
                    "parameter be an Enum or a Literal.",
                    declaration.path,
                )
        except Unresolved as wrong:
            yield error(
                23,
                f"{declaration.name}: the path {path!r} in the scope of {source.label} leads nowhere: {wrong}",
                "Correct the path, or give a callable that takes the instance and gives the scope.",
                declaration.path,
            )


def field_faults(declaration: Declaration[..., Any], source: Source, model: type[Model]) -> Iterator[CheckMessage]:
    """Give the names in `fields=` that a save of the model cannot name."""
    columns = (name for field in model._meta.concrete_fields for name in (field.name, field.attname))
    known = dict.fromkeys((*columns, *(field.name for field in model._meta.many_to_many)))
    for name in source.fields or ():
        if name not in known:
            yield error(
                24,
                f"{declaration.name}: fields= of {source.label} names {name!r}, which is no field of it.",
                f"Name fields of the model.{did_you_mean(name, known)}",
                declaration.path,
            )


def find_model(source: Source) -> type[Model]:
    """Give a source's model, or what it was swapped for. Raises Unresolved for one that has no rows of its own."""
    given = find_named_model(source.model) if isinstance(source.model, str) else source.model
    if given not in apps.get_models(include_auto_created=True, include_swapped=True):
        raise Unresolved(f"{source.label}, which is no model that is installed and has rows of its own.")
    found: type[Model] = find_named_model(given._meta.swapped) if given._meta.swapped else given
    return found


def find_named_model(label: str) -> type[Model]:
    """Give the model of a label. Raises Unresolved with the nearest one."""
    try:
        found: type[Model] = apps.get_model(label)
    except (LookupError, ValueError) as wrong:
        known = {model._meta.label: model for model in apps.get_models()}
        raise Unresolved(f"{label!r}, which is no installed model.{did_you_mean(label, known)}") from wrong
    return found


def models_of(declaration: Declaration[..., Any]) -> list[type[Model]]:
    """Give every installed model that a statistic is computed from: sources, those on their paths, and those of
    statistics it depends on. What cannot be found is left to `check_sources`."""
    found: dict[type[Model], None] = {}
    for source in declaration.sources:
        if hasattr(source.model, "declaration"):
            found |= dict.fromkeys(models_of(source.model.declaration))
        else:
            found |= dict.fromkeys(models_of_source(source))
    return list(found)


def models_of_source(source: Source) -> list[type[Model]]:
    """Give a source's model and those on the paths of its scope, as far as they can be found."""
    try:
        model = find_model(source)
        return [model, *(hop.model for path in source.paths.values() for hop in walk(model, path).hops)]
    except Unresolved:
        return []


def check_hydration(**_: Any) -> list[CheckMessage]:
    """Report what `hydrate=` names and no call can mean; a callable is not called."""
    found = []
    for declaration in declarations():
        try:
            hydration_of(declaration)()
        except (DeclarationError, ParameterError) as wrong:
            hint = "Give True for a finite signature of at most 1,000 variants, a list of mappings, or a callable."
            found.append(error(25, f"{declaration.name}: hydrate= is wrong: {wrong}", hint, declaration.path))
    return found


def check_ttls(**_: Any) -> list[CheckMessage]:
    """Report hydrated statistics that may be stale between two ticks, however early the tick refreshes them."""
    try:
        conf = settings()
    except SettingsError:  # E001 says so
        return []
    least = 2 * conf.TICK / (1 - conf.JITTER)
    return [
        warning(
            5,
            f"{declaration.name}: its ttl ({limits(declaration).ttl:g} s, less up to {conf.JITTER:.0%} JITTER) is "
            f"below two TICKs ({2 * conf.TICK:g} s): it is computed at every tick, and may be stale in between.",
            f"Give it a ttl of at least {ceil(least)} s, or set a shorter TICK, or do not hydrate it.",
            declaration.path,
        )
        for declaration in declarations()
        if declaration.is_hydrated and limits(declaration).ttl < least
    ]


def hydration_of(declaration: Declaration[..., Any]) -> Callable[[], object]:
    """Give what tries a declaration's `hydrate=`. An iterator is left alone: it can be read only once."""
    given = declaration.hydrate
    if given is True:
        return declaration.grid
    if isinstance(given, list | tuple):
        return declaration.read_grid
    return lambda: None
