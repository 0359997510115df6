"""JSON texts that come back equal: the only form in which parameters and values are stored or compared."""

import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

T = TypeVar("T")

FORMS = (
    {"by_alias": False},
    {"by_alias": False, "round_trip": True},
    {"by_alias": True, "round_trip": True},
)
CLEAREST = 1  # the form whose fault is told: by the names of fields alone, and of nothing that is computed from them
OF_VALIDATORS = (ArithmeticError, AttributeError, LookupError, TypeError)  # what they raise at names they do not know
IS_NONE = "it is None (`Sum` of no rows?)"
BEGINNING = datetime.min.replace(tzinfo=UTC)  # a duration since then: in UTC, no datetime holds each zone's first hours
WITHOUT_PARTS = frozenset({str, int, bool, float, Decimal, date, UUID})
NAMED_FIELD = re.compile(r"\bfield_name='(\w+)'")  # in what pydantic says of a value that it cannot write
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotEqual(ValueError):
    """A value does not come back from its JSON text: `path` says where, `reason` says why."""

    def __init__(self, path: tuple[Any, ...], reason: str) -> None:
        """Name the place as pydantic does: field names and indexes, outermost first."""
        super().__init__(reason)
        self.path = ".".join(map(str, path))
        self.reason = reason


class Kept(NamedTuple, Generic[T]):
    """A JSON text, and the value that it decodes to: made anew, and shared with nobody."""

    text: str
    value: T


def keep(adapter: TypeAdapter[T], value: object, *, exact: bool = False) -> Kept[T]:
    """Give the JSON text that `read` decodes to an equal value; `exact` demands equal types at every depth too.

    Raises NotEqual where there is no such text: infinities, unions that JSON cannot tell apart, a subclass's fields.
    (Note [Which text a value gets])
    """
    faults = []
    for form in FORMS:
        try:
            return keep_as(form, adapter, value, exact=exact)
        except NotEqual as fault:
            faults.append(fault)
    raise faults[CLEAREST]


def keep_as(form: Mapping[str, bool], adapter: TypeAdapter[T], value: object, *, exact: bool) -> Kept[T]:
    """Give the text of one form. Raises NotEqual where it does not come back."""
    try:
        text = adapter.dump_json(value, warnings="error", **form).decode()  # type: ignore[arg-type]
        from_json(text, allow_inf_nan=False)
        back = read(adapter, text)
    except PydanticSerializationError as error:
        raise NotEqual(tuple(NAMED_FIELD.findall(str(error))[:1]), str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = IS_NONE if holds_none(value, first["loc"]) else f"its JSON is refused: {first['msg']}"
        raise NotEqual(first["loc"], reason) from error
    except ValueError as error:  # infinities that a model's config writes as they are
        raise NotEqual((), f"its text is no JSON: {error}") from error
    except OF_VALIDATORS as error:
        raise NotEqual((), f"its JSON is refused: {type(error).__name__}: {error}") from error
    if is_one(value, back):
        return Kept(text, back)
    if (exact or back != value) and (path := difference(value, back, exact=exact)) is not None:
        raise NotEqual(path, "it comes back from JSON as another value")
    return Kept(text, back)


def is_one(value: object, back: object) -> bool:
    """Tell whether two values without parts are of one type and equal, or the same member of an Enum; it may miss."""
    return back is value or (type(value) in WITHOUT_PARTS and type(back) is type(value) and back == value)


def read(adapter: TypeAdapter[T], text: str | bytes) -> T:
    """Decode what `keep` wrote, anew each time: by the names of fields, or else as pydantic does by default."""
    try:
        return adapter.validate_json(text, by_alias=False, by_name=True)
    except (ValueError, *OF_VALIDATORS):
        return adapter.validate_json(text)


def holds_none(value: Any, path: Iterable[Any]) -> bool:
    """Tell whether a path into a value leads to None; infinities are None in its JSON alone."""
    try:
        for step in path:
            value = value[step] if isinstance(value, Mapping | Sequence) else getattr(value, step)
    except (AttributeError, LookupError, TypeError):  # an alias, or the name of a union's member
        return False
    return value is None


def difference(one: Any, other: Any, *, exact: bool) -> tuple[Any, ...] | None:
    """Give the path of the first place where two values differ, None where they are equal."""
    if exact and type(one) is not type(other):
        return ()
    if (pairs := children(one, other)) is None:
        return None if are_equal(one, other) else ()
    for name, left, right in pairs:
        if (path := difference(left, right, exact=exact)) is not None:
            return (name, *path)
    return None


def are_equal(one: Any, other: Any) -> bool:
    """Tell whether two values that have no parts are equal: instants by UTC, and any number by the float next to it.

    By `==`, an aware datetime in an hour that clocks repeat equals none of another zone (PEP 495).
    """
    if isinstance(other, float) and isinstance(one, Decimal | Real):
        return is_next_to(one, other)
    return bool(one == other or face(one) == face(other))


def is_next_to(number: Any, other: float) -> bool:
    """Tell whether a float is the one that stands for a number."""
    try:
        return float(number) == other
    except (OverflowError, ValueError):  # beyond all floats; a signalling NaN
        return False


def face(value: Any) -> Any:
    """Give what equals the face of each equal value, instants by UTC at every depth."""
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value - BEGINNING
    if isinstance(value, AbstractSet):
        return frozenset(map(face, value))
    if (parts := parts_of(value)) is not None:
        return (type(value), *((name, face(part)) for name, part in parts))
    return value


def children(one: Any, other: Any) -> list[tuple[Any, Any, Any]] | None:
    """Pair the parts of two containers of one shape and type; None for anything else."""
    if type(one) is not type(other) and (is_record(one) or is_record(other) or not isinstance(one, type(other))):
        return None
    mine, others = parts_of(one), parts_of(other)
    if mine is None or others is None or len(mine) != len(others):
        return None
    if isinstance(one, Mapping) and one.keys() == other.keys():
        return [(key, part, other[key]) for key, part in mine]
    if not all(are_equal(name, its) for (name, _), (its, _) in zip(mine, others, strict=True)):
        return None
    return [(name, part, its) for (name, part), (_, its) in zip(mine, others, strict=True)]


def is_record(value: Any) -> bool:
    """Tell whether a value is a model or a dataclass, where a subclass's fields are lost."""
    return isinstance(value, BaseModel) or is_dataclass(value)


def parts_of(value: Any) -> list[tuple[Any, Any]] | None:
    """Give the parts of a container, each with its name, key or index; None for what is no container."""
    if isinstance(value, BaseModel):
        names = [(name, getattr(value, name)) for name in type(value).model_fields]
        return [*names, *(value.__pydantic_extra__ or {}).items(), *(value.__pydantic_private__ or {}).items()]
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value) if field.compare]
    if isinstance(value, Mapping):
        return list(value.items())
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(enumerate(value))
    return None


def holds_nul(text: str) -> bool:
    """Tell whether a JSON text spells NUL, which no text column of PostgreSQL takes."""
    return "\\u0000" in text and ESCAPED_NUL.search(text) is not None


# Note [Which text a value gets]
# The first of the forms that comes back equal; what comes back is known, for `read` is tried at once. By the names of
# fields, because aliases may serve one way alone, and two fields may have each other's. With computed fields, because
# people look at these texts; without them (round_trip) where a model refuses what it has no field for, and where a
# field holds JSON itself. By aliases where a serializer of the user's own writes them, whatever it is asked for.
# Which form a text has is not noted: one that `read` would take for another value is not equal, and is not given.
