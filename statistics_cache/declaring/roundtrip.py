"""JSON texts that come back equal: the only form in which parameters and values are stored or compared."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json

ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class NotEqual(ValueError):
    """A value does not come back from its JSON text: `path` says where, `reason` says why."""

    def __init__(self, path: tuple[Any, ...], reason: str) -> None:
        """Name the place as pydantic does: field names and indexes, outermost first."""
        super().__init__(reason)
        self.path = ".".join(map(str, path))
        self.reason = reason


def to_json(adapter: TypeAdapter[Any], value: object, *, exact: bool = False) -> str:
    """Give the JSON text that `adapter` decodes to an equal value; `exact` demands equal types at every depth too.

    Raises NotEqual where there is no such text: infinities, unions that JSON cannot tell apart, a subclass's fields.
    """
    try:
        text = adapter.dump_json(value, warnings="error").decode()
        from_json(text, allow_inf_nan=False)
        back = adapter.validate_json(text)
    except PydanticSerializationError as error:
        raise NotEqual((), str(error)) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise NotEqual(first["loc"], f"its JSON is refused: {first['msg']}") from error
    except ValueError as error:  # infinities that a model's config writes as they are
        raise NotEqual((), f"its text is no JSON: {error}") from error
    if (exact or back != value) and (path := difference(value, back, exact=exact)) is not None:
        raise NotEqual(path, "it comes back from JSON as another value")
    return text


def difference(one: Any, other: Any, *, exact: bool) -> tuple[Any, ...] | None:
    """Give the path of the first place where two values differ, None where they are equal."""
    if type(one) is type(other) and (pairs := children(one, other)) is not None:
        for name, left, right in pairs:
            if (path := difference(left, right, exact=exact)) is not None:
                return (name, *path)
        return None if one == other else ()
    return None if one == other and not (exact and type(one) is not type(other)) else ()


def children(one: Any, other: Any) -> list[tuple[Any, Any, Any]] | None:
    """Pair the parts of two containers of one shape and type; None for anything else."""
    if isinstance(one, BaseModel):
        return [(name, getattr(one, name), getattr(other, name)) for name in type(one).model_fields]
    if is_dataclass(one):
        return [(field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(one)]
    if isinstance(one, Mapping) and one.keys() == other.keys():
        return [(key, one[key], other[key]) for key in one]
    if isinstance(one, Sequence) and not isinstance(one, str | bytes) and len(one) == len(other):
        return [(index, *pair) for index, pair in enumerate(zip(one, other, strict=True))]
    return None


def holds_nul(text: str) -> bool:
    """Tell whether a JSON text spells NUL, which no text column of PostgreSQL takes."""
    return ESCAPED_NUL.search(text) is not None
