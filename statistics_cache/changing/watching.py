"""Which tables a statistic watches, and which of its scopes a row of them concerns."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import Model

from statistics_cache.conf import default_capture
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.declaring.sources import CaptureBy, Source
from statistics_cache.exceptions import ParameterError
from statistics_cache.signals import scope_failed

from .collating import are_blind
from .walking import Trail, Unresolved, chain, concrete, made_of, path_from, walk

Row = Mapping[str, Any]  # a row's own columns (attnames) and their values


@dataclass(frozen=True, eq=False)
class Watch:
    """One statistic's interest in the rows of one table.

    `trails` lead from a row to the values of the parameters in the scope; there are none where every scope is
    concerned. `decide`, if there is one, is the callable of the source, which takes an instance. `fields` are the
    columns whose change is of interest, None for any. `routes` are trails whose change is of interest, too, though no
    scope holds them. Rows that only lie on a path matter to nobody when they are `created`. Changes are seen
    `by_triggers` of the database, or by signals and statements here.
    """

    declaration: Declaration[..., Any]
    table: type[Model]
    trails: Mapping[str, Trail] = field(default_factory=dict)
    decide: Callable[[Any], Any] | None = None
    fields: frozenset[str] | None = None
    routes: tuple[Trail, ...] = ()
    created: bool = True
    by_triggers: bool = False

    @cached_property
    def name(self) -> str:
        """Name it for other processes: table and paths say all that its scopes are made of."""
        paths = ",".join(f"{name}={trail.path}" for name, trail in sorted(self.trails.items()))
        return f"{self.table._meta.label}({paths})"

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Give the columns that say which scopes a row is in."""
        return tuple(dict.fromkeys(column for trail in self.trails.values() for column in trail.columns))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Give the columns that say which scopes a row is in, and whether a change of it is of interest."""
        routes = (column for trail in self.routes for column in trail.columns)
        return tuple(dict.fromkeys((*self.keys, *routes, *sorted(self.fields or ()))))

    @cached_property
    def is_far(self) -> bool:
        """Tell whether any scope lies on other rows."""
        return any(trail.hops for trail in self.trails.values())

    @cached_property
    def moving(self) -> frozenset[str]:
        """Give the columns whose change moves a row to another scope, here or on the way to a statistic within."""
        return frozenset({*self.keys, *(column for trail in self.routes for column in trail.columns)})

    def is_moved_by(self, written: Iterable[str]) -> bool:
        """Tell whether a write of these columns may move a row to another scope."""
        return self.decide is not None or bool(self.moving & with_generated(self.table, written))

    def ignores(self, written: Iterable[str]) -> bool:
        """Tell whether a write of these columns alone is of no interest."""
        if self.fields is None or self.is_moved_by(written):
            return False
        return not self.fields & with_generated(self.table, written)

    def is_of_no_interest(self, old: Row, new: Row) -> bool:
        """Tell whether a row changed in no column that the watch is about, and moved nowhere."""
        if self.fields is None or self.decide is not None:
            return False
        return all(old[column] == new[column] for column in self.columns)


def with_generated(table: type[Model], written: Iterable[str]) -> set[str]:
    """Give columns with those that the database makes of them."""
    names = set(written)
    made = {each.attname for each in table._meta.local_concrete_fields if names & made_of(each)}
    return names | made


# The scopes of values


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


def scopes_of_instance(watch: Watch, instance: Any) -> set[str]:
    """Give the scopes that the source's callable names for an instance; every scope where it fails."""
    try:
        given = watch.decide(instance) if watch.decide else None
        if given is None:
            return {EVERY_SCOPE}
        several = [given] if isinstance(given, Mapping) else list(given)
        return {scope for values in several for scope in named_scopes(watch.declaration, values)}
    except Exception as error:  # noqa: BLE001  (a callable of the user's: it fails no write of theirs)
        return fallen(watch.declaration, error)


def named_scopes(declaration: Declaration[..., Any], values: Mapping[str, Any]) -> set[str]:
    """Give the scopes of a mapping that a callable gave, by the widest shape that entries have."""
    shape = declaration.widest_shape(values)
    return scopes_of(declaration, {name: values[name] for name in shape})


def fallen(declaration: Declaration[..., Any], error: Exception) -> set[str]:
    """Tell that a scope cannot be worked out, and give every scope: what fails in Python never fails a write."""
    scope_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
    return {EVERY_SCOPE}


# The tables of a declaration


def watches_of(declaration: Declaration[..., Any]) -> list[Watch]:
    """Give every watch that a declaration's sources mean; what cannot be found is said in one line, for not every site
    runs checks, and names that are no fields leave nothing out."""
    found: list[Watch] = []
    for traced in traced_sources(declaration.sources):
        if (model := model_of(traced.source)) is None:
            fallen(declaration, Unresolved(f"{traced.source.label} is no installed model with rows of its own"))
            continue
        if unknown := sorted(set(traced.source.fields or ()) - names_of(model)):
            fallen(declaration, Unresolved(f"{traced.source.label} has no field {unknown[0]!r}"))
            traced = traced._replace(source=replace(traced.source, fields=None))  # noqa: PLW2901
        by_triggers = capture_of(declaration, traced.source) == "triggers"
        found.extend(replace(each, by_triggers=by_triggers) for each in watches_of_source(declaration, traced, model))
    return found


def capture_of(declaration: Declaration[..., Any], source: Source) -> CaptureBy:
    """Tell how changes of a source are seen: as it says itself, else its statistic, else the setting."""
    return source.capture or declaration.capture or default_capture()


def names_of(model: type[Model]) -> set[str]:
    """Give the names that `fields=` may hold."""
    columns = {name for each in model._meta.concrete_fields for name in (each.name, each.attname)}
    return columns | {each.name for each in model._meta.many_to_many}


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
            for found in traced_sources(inner.sources):
                capture = source.capture or found.source.capture or inner.capture
                yield through(source, replace(found.source, capture=capture), found.routes)


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
    """Give a source's concrete model, or the one it was swapped for; None if it is not installed, or abstract."""
    try:
        model = apps.get_model(source.model) if isinstance(source.model, str) else source.model
        options = getattr(model, "_meta", None)
        if options is not None and options.swapped:
            model = apps.get_model(options.swapped)
    except (LookupError, ValueError):
        return None
    return None if options is None or options.abstract else concrete(model)


def watches_of_source(declaration: Declaration[..., Any], traced: Traced, model: type[Model]) -> Iterator[Watch]:
    """Give the watches of one source: its table and its parents', those on its paths, and its many-to-many tables."""
    source = traced.source
    decide = source.scope if callable(source.scope) else None
    own = sought(declaration, model, source.paths, traced.routes)
    own = replace(own, decide=decide, fields=columns_named(model, source.fields))
    yield own
    yield from (on_parent(own, traced, parent) for parent in chain(model)[1:])
    yield from on_paths(own)
    yield from on_many_to_many(own, source)


def sought(
    declaration: Declaration[..., Any], table: type[Model], paths: Mapping[str, str], routes: Iterable[str] = ()
) -> Watch:
    """Give a watch of these paths; of every scope, said in one line, where one cannot be followed."""
    try:
        return tracked(declaration, table, paths, routes)
    except Unresolved as error:
        fallen(declaration, error)
        return Watch(declaration, table)


def tracked(
    declaration: Declaration[..., Any], table: type[Model], paths: Mapping[str, str], routes: Iterable[str] = ()
) -> Watch:
    """Give a watch of these paths; of every scope where texts that differ may name one. Raises Unresolved."""
    trails = {name: walk(table, path) for name, path in paths.items()}
    further = tuple(walk(table, path) for path in routes)
    if are_blind(declaration, trails):
        return Watch(declaration, table, routes=(*further, *trails.values()))
    return Watch(declaration, table, trails, routes=further)


def columns_named(model: type[Model], names: Iterable[str] | None) -> frozenset[str] | None:
    """Give the columns of a model's own table that `fields=` names, by name or attname; None where it names none."""
    if names is None:
        return None
    wanted = set(names)
    local = model._meta.local_concrete_fields
    return frozenset(each.attname for each in local if wanted & {each.name, each.attname})


def on_parent(own: Watch, traced: Traced, parent: type[Model]) -> Watch:
    """Watch the table of a parent, whose rows are part of the source's."""
    try:
        paths = {name: path_from(parent, own.table, trail.path) for name, trail in own.trails.items()}
        routes = [path_from(parent, own.table, trail.path) for trail in own.routes]
        found = tracked(own.declaration, parent, paths, routes)
    except Unresolved:  # the link from the parent to the child has no name
        found = Watch(own.declaration, parent)
    return replace(found, fields=columns_named(parent, traced.source.fields), created=False)


def on_paths(own: Watch) -> Iterator[Watch]:
    """Watch each table that a path leads over: a row that is moved there moves all that refer to it.

    So does one that others refer to by another key than before, or that leads to another row (from its own end).
    """
    found: dict[tuple[tuple[str, ...], ...], tuple[Any, dict[str, str]]] = {}
    for name, trail in (*own.trails.items(), *((f"*{trail.path}", trail) for trail in own.routes)):
        for count, hop in enumerate(trail.hops, 1):
            place = tuple(each.columns for each in trail.hops[:count])
            found.setdefault(place, (hop, {}))[1][name] = hop.rest
    for hop, rests in found.values():
        paths = rests if rests.keys() == own.trails.keys() else {}
        far = sought(own.declaration, hop.model, paths)
        steps = {column for rest in rests.values() for column in walk(hop.model, rest).columns}
        yield replace(far, fields=frozenset({*steps, *hop.joins}), created=not hop.certain)


def on_many_to_many(own: Watch, source: Source) -> Iterator[Watch]:
    """Watch the through tables of a source's many-to-many fields of interest, from the source's side."""
    paths = source.paths if own.trails else {}
    for each in own.table._meta.many_to_many:
        if source.fields is None or each.name in source.fields:
            yield on_through(own, each, paths)


def on_through(own: Watch, relation: Any, paths: Mapping[str, str]) -> Watch:
    """Watch one through table: of every scope where no column of it leads to the source (tags of any model, say)."""
    table = concrete(relation.remote_field.through)
    try:
        end = relation.m2m_field_name()
        home = concrete(relation.model)
        led = {name: f"{end}__{path_from(home, own.table, path)}" for name, path in paths.items()}
        return tracked(own.declaration, table, led)
    except (AttributeError, Unresolved):
        return Watch(own.declaration, table)
