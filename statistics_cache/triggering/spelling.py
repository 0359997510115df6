"""Which scopes SQL can spell as Python does; any other one is every scope (Note [What SQL can spell])."""

from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Field, Model

from statistics_cache.changing.trusting import AS_IT_IS, RELATIONS
from statistics_cache.changing.walking import Trail
from statistics_cache.changing.watching import Watch
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.exceptions import ParameterError

SCHEMAS: dict[str, type[Any]] = {"str": str, "int": int, "bool": bool, "date": date, "uuid": UUID}
BASES = (Enum, *Enum.mro())  # whose `_missing_` takes nothing
CHOSEN = {"type", "cls", "members", "sub_type", "ref", "metadata", "expected", "strict"}  # of an Enum or a Literal


class Unspelt(LookupError):
    """SQL cannot spell a scope as Python does; the text says why."""


class Value(NamedTuple):
    """How the JSON text of one parameter is made of a column's value.

    `kind` is the type that the column gives. There is a text for each value in `choices`, if there are any, and none
    for others. Where the parameter `may_be_none`, a change moves the scope of None, too.
    """

    kind: type[Any]
    may_be_none: bool
    choices: Mapping[str | int, str] | None = None


class Part(NamedTuple):
    """One parameter of a scope: its name, the path to the column that decides it, and how its text is made."""

    name: str
    trail: Trail
    value: Value


def parts_of(watch: Watch) -> list[Part]:
    """Give the parameters of a watch's scopes in the order in which a scope names them; none is every scope.

    Raises Unspelt.
    """
    if watch.decide is not None:
        raise Unspelt("its scope is a callable")
    names = [name for name in watch.declaration.parameters.adapters if name in watch.trails]
    found = []
    for name in names:
        trail = watch.trails[name]
        found.append(Part(name, trail, value_of(watch.declaration, name, trail.field)))
    return found


def value_of(declaration: Declaration[..., Any], name: str, field: Any) -> Value:
    """Say how the text of a parameter is made of a column. Raises Unspelt."""
    kind = kind_of(field)
    schema: Mapping[str, Any] = declaration.parameters.adapters[name].core_schema
    may_be_none = schema["type"] == "nullable" and schema.keys() == {"type", "schema"}
    inner = schema["schema"] if may_be_none else schema
    if SCHEMAS.get(inner["type"]) is kind and inner.keys() == {"type"}:
        return Value(kind, may_be_none)
    choices = choices_of(inner)
    if choices and inner.keys() <= CHOSEN and kind in (str, int) and all(type(each) is kind for each in choices):
        return Value(kind, may_be_none, texts_of(declaration, name, choices))
    raise Unspelt(f"parameter {name!r} is more than a plain {kind.__name__}, an Enum or a Literal of its values")


def kind_of(field: Any) -> type[Any]:
    """Give the type of a column's values that every database keeps as they are. Raises Unspelt."""
    while type(field) in RELATIONS:
        field = field.target_field
    real = field.output_field if field.generated and field.db_persist else field
    kind = AS_IT_IS.get(type(real))
    if kind is None or not getattr(field, "concrete", False):
        raise Unspelt(f"{field.model._meta.label}.{field.name} is a {type(field).__name__}")
    return kind


def choices_of(schema: Mapping[str, Any]) -> list[Any]:
    """Give the plain values of an Enum, or of a Literal; none of what takes others, too."""
    if schema["type"] == "literal":
        return list(schema["expected"])
    if schema["type"] != "enum" or "_missing_" in {
        name for base in schema["cls"].mro() if base not in BASES for name in vars(base)
    }:
        return []
    return [value_of_member(member) for member in schema["members"]]


def value_of_member(member: Any) -> Any:
    """Give the plain value of a member."""
    return member.value if isinstance(member, Enum) else member


def texts_of(declaration: Declaration[..., Any], name: str, choices: list[Any]) -> dict[str | int, str]:
    """Give the JSON text of each value, as scopes have it. Raises Unspelt where Python refuses one."""
    parameters = declaration.parameters
    try:
        return {each: parameters.spell({name: parameters.validate(name, each)})[name] for each in choices}
    except ParameterError as error:
        raise Unspelt(str(error)) from error


def column_of(table: type[Model], attname: str) -> str:
    """Give the name of a column in the database."""
    field: Field[Any, Any] = table._meta.get_field(attname)  # type: ignore[assignment]
    return str(field.column)


def keys_of(table: type[Model]) -> list[Any]:
    """Give the fields of a table's primary key."""
    return list(getattr(table._meta, "pk_fields", None) or [table._meta.pk])


def is_plain(field: Any) -> bool:
    """Tell whether every database compares a column's values as they are."""
    try:
        return bool(kind_of(field))
    except Unspelt:
        return False


def is_comparable(watch: Watch) -> bool:
    """Tell whether a watch is about some columns, which old and new rows have; what is only made when it is read is in
    no trigger."""
    if watch.fields is None or watch.decide is not None:
        return False
    fields = [watch.table._meta.get_field(name) for name in watch.columns]
    return all(not (field.generated and not field.db_persist) for field in fields)  # type: ignore[union-attr]


def literal(value: str | int) -> str:
    """Write a value in SQL."""
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


def combinations(parts: list[Part]) -> Iterator[tuple[bool, ...]]:
    """Give, for each scope that a row is in, which parameters are None there though the row has another value."""
    found: list[tuple[bool, ...]] = [()]
    for part in parts:
        found = [
            (*each, is_none) for each in found for is_none in ((False, True) if part.value.may_be_none else (False,))
        ]
    yield from found


# Note [What SQL can spell]
# Two programs that spell a scope have to agree on every character of it: a writer whose text differs drops nobody's
# answers. So the list is closed, field class and exact type, as for values that are trusted in memory: it holds texts,
# integers, booleans, dates and UUIDs of the plain type, and Enums and Literals of plain texts or integers; each may be
# Optional. What else there is has several texts for one value (Decimals, moments), may change what it is given (types
# with a validator) or is only known to Python: that is every scope, and a check says so. Where a value is none of the
# parameter's (a category that the Enum lacks), Python says every scope, and so does SQL.
