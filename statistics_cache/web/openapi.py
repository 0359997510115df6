"""The OpenAPI document of statistics: from the schemas that pydantic makes of their signatures."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from statistics_cache.declaring.declaration import Declaration
from statistics_cache.visibility import visible_declarations

VERSION = "3.1.0"  # whose schemas are JSON Schema 2020-12, as pydantic writes it
PROBLEM = {"$ref": "#/components/responses/Problem"}
PLAIN = ("string", "integer", "number", "boolean", "null")
PROBLEM_SCHEMA = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "parameter": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail"],
}
MISSING = {"type": "object", "properties": {"state": {"const": "missing"}}, "required": ["state"]}

Schemas = dict[str, Any]


def describe(request: HttpRequest) -> JsonResponse:
    """Describe the statistics that the user of the request may see."""
    return JsonResponse(document(visible_declarations(request), request.path.removesuffix("openapi.json")))


def document(declared: Mapping[str, Declaration[..., Any]], root: str) -> dict[str, Any]:
    """Describe statistics that are served below a path."""
    schemas: Schemas = {}
    paths = {f"{root}{name}/": {"get": operation(each, schemas)} for name, each in declared.items()}
    problem = {"description": "What is wrong", "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}
    return {
        "openapi": VERSION,
        "info": {"title": "Statistics", "version": "1"},
        "paths": paths,
        "components": {"schemas": schemas, "responses": {"Problem": problem}},
    }


def operation(declaration: Declaration[..., Any], schemas: Schemas) -> dict[str, Any]:
    """Describe one statistic; the schemas that it names are added to those of the document."""
    summary = (declaration.function.__doc__ or "").strip().partition("\n")[0]
    value = answer_schema(schema_of(declaration, declaration.result, "serialization", schemas))
    return {
        "operationId": declaration.name,
        "summary": summary,
        "parameters": [parameter(declaration, name, schemas) for name in declaration.parameters.adapters],
        "responses": {
            "200": {"description": "The value", "content": {"application/json": {"schema": value}}},
            "202": {"description": "Not yet there", "content": {"application/json": {"schema": MISSING}}},
            "304": {"description": "As the caller has it"},
            **dict.fromkeys(("400", "404", "503"), PROBLEM),
        },
    }


def answer_schema(value: dict[str, Any]) -> dict[str, Any]:
    """Describe an answer whose value is as described."""
    properties = {
        "value": value,
        "state": {"enum": ["fresh", "stale"]},
        "reason": {"enum": ["transaction", "clock", "source", "age", "unproven", None]},
        "computed_at": {"type": "string", "format": "date-time"},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def parameter(declaration: Declaration[..., Any], name: str, schemas: Schemas) -> dict[str, Any]:
    """Describe one parameter: what is no plain text is JSON."""
    parameters = declaration.parameters
    schema = schema_of(declaration, parameters.adapters[name], "validation", schemas)
    told = {"name": name, "in": "query", "required": name in parameters.required}
    is_plain = all(each.get("type") in PLAIN or "enum" in each or "const" in each for each in kinds(schema, schemas))
    return {**told, **({"schema": schema} if is_plain else {"content": {"application/json": {"schema": schema}}})}


def kinds(schema: dict[str, Any], schemas: Schemas) -> list[dict[str, Any]]:
    """Give what a value may be, references followed."""
    if "$ref" in schema:
        return kinds(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    return [kind for each in schema.get("anyOf", ()) for kind in kinds(each, schemas)] or [schema]


def schema_of(declaration: Declaration[..., Any], adapter: TypeAdapter[Any], mode: Any, schemas: Schemas) -> Any:
    """Give a type's schema; those that it refers to go to the document's, under the statistic's name and the mode."""
    prefix = f"{declaration.name}.{mode}"
    try:
        schema = adapter.json_schema(mode=mode, ref_template=f"#/components/schemas/{prefix}.{{model}}")
    except PydanticInvalidForJsonSchema:  # a type of the user's own, of which pydantic knows no schema
        return {}
    schemas.update({f"{prefix}.{name}": each for name, each in schema.pop("$defs", {}).items()})
    return schema
