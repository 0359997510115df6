"""The `depends_on` that computes speak for: what they read, with the paths at whose end a parameter stands."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from django.db.models import Model

from statistics_cache.changing.walking import concrete
from statistics_cache.cold.rows import alias_of
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import microseconds
from statistics_cache.underway import frame

from .recording import Arguments, Notes, noted
from .tables import models_by_table, name_of
from .texts import Block, blocks_of

MOST_HOPS = 3  # of a path that is looked for
Held = tuple[str, str]  # a parameter, and a field path whose value equals it


class Tried(NamedTuple):
    """A compute that was noted: the parameters' values, and what it sent."""

    values: Mapping[str, Any]
    notes: Notes


class Proposal(NamedTuple):
    """What a statistic reads: models with their scopes, other statistics, and what no source can name."""

    models: dict[type[Model], dict[str, str]]
    inner: list[str]
    others: list[str]

    @property
    def text(self) -> str:
        """Give the argument to paste."""
        lines = [f"    {model_text(model)}: {scope_text(scope)}," for model, scope in self.models.items()]
        lines += [f"    {name}: None," for name in self.inner]
        return "\n".join(["depends_on={", *lines, "},"]) if lines else "depends_on=[],"


def try_out(declaration: Declaration[..., Any], variant: Variant, at: float) -> Tried:
    """Compute a variant, store nothing, and note what it sends. Raises what the function raises."""
    with frame(declaration, variant, microseconds(at)), noted(keeps_arguments=True) as notes:
        declaration.call(variant)
    return Tried(declaration.parameters.read(variant.texts), notes)


def propose(declaration: Declaration[..., Any], tries: Sequence[Tried]) -> Proposal:
    """Give what computes of a statistic speak for."""
    home, known = alias_of(declaration), models_by_table()
    models, others = dict[type[Model], dict[str, str]](), set[str]()
    read = {(alias, table) for tried in tries for alias, each in tried.notes.tables().items() for table in each}
    for alias, table in sorted(read):
        if table not in known:
            others.add(f"{table} (no model)")
        elif alias != home:
            others.add(f"{known[table]._meta.label} on database {alias!r}")
        else:
            models[known[table]] = scope_of(known[table], tries)
    inner = {each.function.__name__ for tried in tries for each in tried.notes.inner()}
    return Proposal(without_through(models), sorted(inner), sorted(others))


def without_through(models: dict[type[Model], dict[str, str]]) -> dict[type[Model], dict[str, str]]:
    """Leave out many-to-many tables whose model is there: it watches them."""
    tied = {each.remote_field.through for model in models for each in model._meta.local_many_to_many}
    return {model: scope for model, scope in models.items() if model not in tied}


def scope_of(model: type[Model], tries: Sequence[Tried]) -> dict[str, str]:
    """Give the path of each parameter that decides which rows are read: in all that read the table, whatever its value.

    That a value is equal may be chance: it is believed of a column of the parameter's name, or of two values.
    """
    found: set[Held] | None = None
    for tried in tries:
        for block, arguments in reads_of(name_of(model), tried.notes):
            here = held_in(block, arguments, model, tried.values)
            found = here if found is None else found & here
    scope: dict[str, str] = {}
    for parameter, path in sorted(found or (), key=lambda held: (held[1].count("__"), held)):
        if parameter not in scope and is_meant(parameter, path, tries):
            scope[parameter] = path
    return scope


def is_meant(parameter: str, path: str, tries: Iterable[Tried]) -> bool:
    """Tell whether a path stands for a parameter by more than chance."""
    name = path.rpartition("__")[2]
    return name in (parameter, f"{parameter}_id", "pk") or len({spelt(tried.values[parameter]) for tried in tries}) > 1


def reads_of(table: str, notes: Notes) -> Iterator[tuple[Block, Arguments]]:
    """Give the SELECTs that read a table, with each set of arguments; what only the server tells of has none."""
    is_named = False
    for (_, text), every in notes.statements.items():
        for block in blocks_of(text):
            for arguments in every if block.owners(table) else ():
                is_named = True
                yield block, arguments
    if not is_named:
        yield Block(is_sound=False), None


def held_in(block: Block, arguments: Arguments, model: type[Model], values: Mapping[str, Any]) -> set[Held]:
    """Give the parameters that a SELECT holds equal to what lies at the end of a path from a model's rows."""
    if arguments is None or not block.is_sound:
        return set()
    found: list[set[Held]] = []
    for owner in block.owners(name_of(model)):
        here: set[Held] = set()
        for at, prefix, table in reached(block, owner, model):
            for pin, index in block.pins:
                if pin.owner == at and index < len(arguments) and (name := field_name(table, pin.name)):
                    here |= {(parameter, prefix + name) for parameter in equal_to(arguments[index], values)}
        found.append(here)
    return set.intersection(*found) if found else set()


def reached(block: Block, owner: str, model: type[Model]) -> Iterator[tuple[str, str, type[Model]]]:
    """Give a row's own table and those that a SELECT joins to it by its keys, each with the path that leads there."""
    known = models_by_table()
    here: list[tuple[str, str, type[Model]]] = [(owner, "", model)]
    for _ in range(MOST_HOPS + 1):
        yield from here
        here = [step for place in here for step in steps(block, *place, known)]


def steps(
    block: Block, owner: str, prefix: str, model: type[Model], known: Mapping[str, type[Model]]
) -> Iterator[tuple[str, str, type[Model]]]:
    """Give the tables that are joined by a key of a row."""
    tables = {name: known.get(table) for table, name in block.tables}
    keys: list[Any] = [each for each in model._meta.local_concrete_fields if each.many_to_one or each.one_to_one]
    for left, right in (*block.joins, *((right, left) for left, right in block.joins)):
        if left.owner != owner or (target := tables.get(right.owner)) is None:
            continue
        for key in keys:
            leads = column_of(key) == left.name and column_of(key.target_field) == right.name
            if leads and concrete(key.related_model) is target:
                yield right.owner, f"{prefix}{key.name}__", target


def column_of(field: Any) -> str:
    """Give the column of a field as texts are compared."""
    return str(field.column).lower()


def field_name(model: type[Model], column: str) -> str | None:
    """Give the field of a column."""
    return next((each.name for each in model._meta.local_concrete_fields if column_of(each) == column), None)


def equal_to(argument: Any, values: Mapping[str, Any]) -> Iterator[str]:
    """Give the parameters that have a value; True, False and None are too common to tell anything."""
    for name, value in values.items():
        if not (value is None or isinstance(value, bool)) and spelt(value) == spelt(argument):
            yield name


def spelt(value: Any) -> str:
    """Write a value as the driver is given it, whatever its type."""
    return str(value.value if isinstance(value, Enum) else value)


def model_text(model: type[Model]) -> str:
    """Write a model as `depends_on` takes it: by its class, where that has a name in a module."""
    return repr(model._meta.label) if model._meta.auto_created else model.__name__


def scope_text(scope: Mapping[str, str]) -> str:
    """Write a scope in its shortest form."""
    if not scope:
        return "None"
    if len(scope) == 1 and [*scope] == [*scope.values()]:
        return repr_of(next(iter(scope)))
    return "{" + ", ".join(f"{repr_of(name)}: {repr_of(path)}" for name, path in scope.items()) + "}"


def repr_of(text: str) -> str:
    """Write a text with the quotes that code has."""
    return f'"{text}"'
