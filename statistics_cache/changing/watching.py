"""Which models a statistic watches, and which of its scopes a changed row concerns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist
from django.db.models import Field, ForeignObject, Model
from django.db.models.expressions import Combinable

from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.declaring.sources import Source
from statistics_cache.exceptions import ParameterError

Row = Mapping[str, Any]  # the values of a row by the paths that were asked for


@dataclass(frozen=True, eq=False)
class Watch:
    """One statistic's interest in the rows of one model.

    `paths` maps the parameters of a scope to field paths; empty means every scope. `decide`, if there is one, is the
    callable of the source, which takes the instance. `fields` are those whose change is of interest, None for any.
    `routes` are paths whose change is of interest, though no scope holds them. Rows that only lie on a path matter to
    nobody when they are `created`. With `reach` (a through table and its field), the rows of interest are those of the
    table that go when a row of the model is deleted.
    """

    declaration: Declaration[..., Any]
    model: type[Model]
    paths: Mapping[str, str]
    decide: Callable[[Any], Any] | None = None
    fields: frozenset[str] | None = None
    routes: frozenset[str] = frozenset()
    created: bool = True
    reach: tuple[type[Model], str] | None = None

    @property
    def all_paths(self) -> tuple[str, ...]:
        """Give the paths that say where a row belongs."""
        return (*self.paths.values(), *self.routes)

    def scopes(self, row: Row) -> set[str]:
        """Give the scopes that a row with these values belongs to."""
        if not self.paths:
            return {EVERY_SCOPE}
        return scopes_of(self.declaration, {name: row[path] for name, path in self.paths.items()})

    def scopes_of_instance(self, instance: Any) -> set[str]:
        """Give the scopes that the source's callable names for an instance."""
        given = self.decide(instance) if self.decide else None
        if given is None:
            return {EVERY_SCOPE}
        several = [given] if isinstance(given, Mapping) else list(given)
        return {scope for values in several for scope in self.named_scopes(values)}

    def named_scopes(self, values: Mapping[str, Any]) -> set[str]:
        """Give the scopes of a mapping that a callable gave, by the widest shape that entries have."""
        shape = self.declaration.widest_shape(values)
        return scopes_of(self.declaration, {name: values[name] for name in shape})

    def is_moved_by(self, fields: Iterable[str]) -> bool:
        """Tell whether a write of these fields of the model may move a row to another scope."""
        steps = {path.split("__")[0] for path in self.all_paths}
        return bool(steps & set(fields)) or self.decide is not None

    def ignores(self, fields: Iterable[str]) -> bool:
        """Tell whether a write of these fields alone is of no interest."""
        return self.fields is not None and not self.fields & set(fields) and not self.is_moved_by(fields)


def scopes_of(declaration: Declaration[..., Any], values: Mapping[str, Any]) -> set[str]:
    """Give the scopes of parameter values; where a parameter may be None, that of None too.

    A value that is none of the parameter concerns nobody knows whom: every scope.
    """
    if not values:
        return {EVERY_SCOPE}
    try:
        choices = [parameter_values(declaration, name, value) for name, value in values.items()]
        return {declaration.scope(dict(zip(values, chosen, strict=True))) for chosen in product(*choices)}
    except ParameterError:
        return {EVERY_SCOPE}


def parameter_values(declaration: Declaration[..., Any], name: str, value: Any) -> list[Any]:
    """Give a parameter's validated value, and None where that is one too."""
    parameters = declaration.parameters
    wanted = [parameters.validate(name, value.pk if isinstance(value, Model) else value)]
    return [*wanted, None] if wanted != [None] and parameters.may_be_none(name) else wanted


def watches_of(declaration: Declaration[..., Any]) -> list[Watch]:
    """Give every watch that a declaration's sources mean; models that are not installed are for `manage.py check`."""
    found: list[Watch] = []
    for traced in traced_sources(declaration.sources):
        if (model := model_of(traced.source)) is not None:
            found.extend(watches_of_source(declaration, traced, model))
    return found


@lru_cache(maxsize=1_024)
def models_of(declaration: Declaration[..., Any]) -> frozenset[type[Model]]:
    """Give the models that a declaration names as sources, through other statistics too."""
    found = (model_of(traced.source) for traced in traced_sources(declaration.sources))
    return frozenset(model for model in found if model is not None)


class Traced(NamedTuple):
    """A source that names a model, and the paths whose change is of interest though its scope does not hold them."""

    source: Source
    routes: frozenset[str] = frozenset()


def traced_sources(sources: Iterable[Source]) -> Iterator[Traced]:
    """Give the sources, those of another statistic in its place."""
    for source in sources:
        inner: Declaration[..., Any] | None = getattr(source.model, "declaration", None)
        if inner is None:
            yield Traced(source)
        else:
            yield from (through(source, *each) for each in traced_sources(inner.sources))


def through(outer: Source, inner: Source, routes: frozenset[str]) -> Traced:
    """Give a source of another statistic as one of the statistic that uses it, in that one's parameters.

    Whatever moves a row from one variant of the inner statistic to another concerns the outer one, too.
    """
    if callable(inner.scope):
        return Traced(replace(inner, scope=None, fields=None), routes)
    wanted = outer.paths
    is_known = wanted and set(wanted.values()) <= set(inner.paths)
    scope = {name: inner.paths[parameter] for name, parameter in wanted.items()} if is_known else {}
    left = {*routes, *inner.paths.values()} - set(scope.values())
    return Traced(replace(inner, scope=scope or None), frozenset(left))


def model_of(source: Source) -> type[Model] | None:
    """Give a source's concrete model; None if it is not installed, or abstract."""
    try:
        model = apps.get_model(source.model) if isinstance(source.model, str) else source.model
    except (LookupError, ValueError):
        return None
    options = getattr(model, "_meta", None)
    return None if options is None or options.abstract else concrete(model)


def concrete(model: type[Model]) -> type[Model]:
    """Give the model that has the table: a proxy's, or the model itself."""
    found: type[Model] = model._meta.concrete_model or model
    return found


def watches_of_source(declaration: Declaration[..., Any], traced: Traced, model: type[Model]) -> Iterator[Watch]:
    """Give the watches of one source: its model, its parents, each model on a path, and its many-to-many tables."""
    source, routes = traced
    decide = source.scope if callable(source.scope) else None
    fields = None if source.fields is None else frozenset(source.fields)
    own = Watch(declaration, model, source.paths, decide, fields, routes)
    yield own
    yield from (on_parent(own, parent) for parent in model._meta.get_parent_list())
    yield from on_paths(own)
    yield from on_many_to_many(own)
    if model._meta.auto_created:
        yield from on_ends(own)


def on_parent(own: Watch, parent: type[Model]) -> Watch:
    """Watch the table of a parent, whose rows are part of the source's; of every scope if the path starts elsewhere."""
    known = {field.name for field in parent._meta.get_fields()}
    is_known = all(path.split("__")[0] in known for path in own.paths.values())
    routes = frozenset(path for path in own.all_paths if path.split("__")[0] in known)
    return replace(own, model=parent, paths=own.paths if is_known else {}, decide=None, routes=routes)


def on_paths(own: Watch) -> Iterator[Watch]:
    """Watch each model that a path leads over: a row that is moved there moves all that refer to it."""
    found: dict[str, tuple[type[Model], dict[str, str]]] = {}
    for name, path in (*own.paths.items(), *((f"*{route}", route) for route in own.routes)):
        for prefix, model, rest in hops(own.model, path):
            found.setdefault(prefix, (model, {}))[1][name] = rest
    for related, rests in found.values():
        steps = frozenset(rest.split("__")[0] for rest in rests.values())
        is_whole = rests.keys() == own.paths.keys()
        yield Watch(own.declaration, related, rests if is_whole else {}, fields=steps, created=False)


def hops(model: type[Model], path: str, before: str = "") -> Iterator[tuple[str, type[Model], str]]:
    """Give each further model on a path, with the path so far and the rest; nothing for a path that is wrong."""
    step, _, rest = path.partition("__")
    try:
        field = model._meta.pk if step == "pk" else model._meta.get_field(step)
    except FieldDoesNotExist:
        return
    if rest and isinstance(field, ForeignObject) and isinstance(field.related_model, type):
        prefix = f"{before}{step}__"
        yield prefix, concrete(field.related_model), rest
        yield from hops(field.related_model, rest, prefix)


def on_many_to_many(own: Watch) -> Iterator[Watch]:
    """Watch the through tables of a source's many-to-many fields of interest, from the source's side."""
    for field in own.model._meta.many_to_many:
        if own.fields is None or field.name in own.fields:
            prefix = field.m2m_field_name()
            paths = {name: f"{prefix}__{path}" for name, path in own.paths.items()}
            table: Watch = Watch(own.declaration, concrete(through_model(field)), paths)
            yield table
            yield from on_ends(table)


def through_model(field: Any) -> type[Model]:
    """Give the table behind a many-to-many field."""
    model: type[Model] = field.remote_field.through
    return model


def on_ends(table: Watch) -> Iterator[Watch]:
    """Watch what a through table ties together: Django deletes its rows with either end, and sends no signal."""
    for field in table.model._meta.fields:
        if isinstance(field, ForeignObject) and isinstance(field.related_model, type):
            yield replace(table, model=concrete(field.related_model), reach=(table.model, field.name))


def value_at(instance: Any, path: str) -> Any:
    """Give the value that a path leads to from an instance; None where it leads nowhere."""
    step, _, rest = path.partition("__")
    if not rest:
        return getattr(instance, attribute_of(instance, step))
    try:
        related = getattr(instance, step)
    except ObjectDoesNotExist:
        return None
    return None if related is None else value_at(related, rest)


def attribute_of(instance: Model, step: str) -> str:
    """Give the attribute that holds a field's own value: the key, for a relation."""
    if step == "pk":
        return "pk"
    field = instance._meta.get_field(step)
    return field.attname if isinstance(field, Field) else step


def is_plain(value: object) -> bool:
    """Tell whether a value is one, rather than an expression that the database works out."""
    return not isinstance(value, Combinable) and not hasattr(value, "resolve_expression")
