"""The JSON texts of plain values, by rules alone: what pydantic would write takes it ten times as long."""

from enum import Enum
from typing import Any

from pydantic import TypeAdapter

KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool}  # by pydantic's name of the schema
MOST = 2**63  # what every parser of JSON takes for an integer


class Plain:
    """What is known of the texts of one type: those of str, int, bool and None, and of the members of an Enum.

    A type that writes or reads them in a way of its own has none.
    """

    def __init__(self, adapter: TypeAdapter[Any]) -> None:
        """Look at the type's schema."""
        schema: Any = adapter.core_schema
        self.may_be_none = schema["type"] == "nullable" and "serialization" not in schema
        if self.may_be_none:
            schema = schema["schema"]
        is_its_own = "serialization" in schema
        self.kind = None if is_its_own else KINDS.get(schema["type"])
        is_enum = schema["type"] == "enum" and not is_its_own
        self.members = {id(member): None for member in schema["members"]} if is_enum else {}
        self.texts: dict[int, str] = {}  # of members, by id: they outlive this

    def text(self, value: Any) -> str | None:
        """Give the JSON text of a validated value; None where it is not known without pydantic."""
        kind = type(value)
        if kind is self.kind:
            return spell(value)
        if value is None and self.may_be_none:
            return "null"
        return self.texts.get(id(value)) if self.texts else None

    def note(self, value: Any, text: str) -> None:
        """Remember what was written of a member."""
        if id(value) in self.members and isinstance(value, Enum):
            self.texts[id(value)] = text


def spell(value: str | int | bool) -> str | None:
    """Write a value as every writer of JSON does; None for a text that has to be escaped, and for a huge number."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value) if -MOST <= value < MOST else None
    is_as_it_is = value.isascii() and value.isprintable() and '"' not in value and "\\" not in value
    return f'"{value}"' if is_as_it_is else None
