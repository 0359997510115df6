"""What tells the payloads of one release from those of another: the schema of the result, without the words in it."""

import json
from hashlib import sha256
from itertools import product
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode

FINGERPRINT_LENGTH = 12  # 48 bits: only the schemas that one statistic ever had must differ
MODES: tuple[JsonSchemaMode, ...] = ("validation", "serialization")
WORDS = frozenset({"title", "description", "examples", "example", "deprecated", "readOnly", "writeOnly", "$comment"})
DEFAULTS = frozenset({"default", "required"})  # of code that makes a value: its payload holds every field
BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
DATA = frozenset({"const", "enum", "dependentRequired", "discriminator"})


def fingerprint(result: TypeAdapter[Any], version: str | int) -> str:
    """Identify what the payloads of a type mean: by the names of its fields and by their aliases, in and out."""
    forms = product(MODES, (True, False))
    schemas = [meaning(result.json_schema(mode=mode, by_alias=by_alias)) for mode, by_alias in forms]
    text = json.dumps([schemas, str(version)], sort_keys=True)
    return sha256(text.encode()).hexdigest()[:FINGERPRINT_LENGTH]


def meaning(schema: Any) -> Any:
    """Give a JSON schema without titles, descriptions, defaults and the like; a property may have such a name."""
    if isinstance(schema, list):
        return list(map(meaning, schema))
    if not isinstance(schema, dict):
        return schema
    return {key: meant(key, value) for key, value in schema.items() if key not in WORDS | DEFAULTS}


def meant(key: str, value: Any) -> Any:
    """Give the meaning of what stands under one keyword of a JSON schema."""
    if key in DATA:
        return value
    if key in BY_NAME and isinstance(value, dict):
        return {name: meaning(each) for name, each in value.items()}
    return meaning(value)
