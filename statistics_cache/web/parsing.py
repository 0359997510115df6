"""A query's texts, read by the statistic's own schema into a variant."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from django.http import QueryDict
from pydantic import TypeAdapter, ValidationError

from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.parameters import short
from statistics_cache.exceptions import ParameterError

from .problems import Problem

UNKNOWN_VALUES = {"enum", "literal_error"}  # kinds of pydantic's errors: right in form, and there is no such thing


def read_query(declaration: Declaration[..., Any], query: QueryDict) -> Variant:
    """Give the variant that a query means; what it leaves out has its default. Raises Problem, naming the parameter."""
    parameters = declaration.parameters
    for name in query:
        try:
            parameters.refuse_unknown({name: None})
        except ParameterError as error:
            raise Problem(400, str(error), name) from error
    return variant_of(
        declaration, {name: read_one(declaration, name, query.getlist(name)) for name in parameters.adapters}
    )


def variant_of(declaration: Declaration[..., Any], values: dict[str, Any]) -> Variant:
    """Give the variant of values. Raises Problem for what JSON or a database cannot keep, and for too much of it."""
    try:
        for name, value in values.items():
            culprit = name
            declaration.parameters.keep(name, value)
        culprit = ""
        return declaration.variant_of(values)
    except ParameterError as error:
        raise Problem(400, str(error), culprit or None) from error


def read_one(declaration: Declaration[..., Any], name: str, texts: list[str]) -> Any:
    """Give one parameter's value. Raises Problem for one that is missing, and for a text that is none of its values."""
    parameters = declaration.parameters
    if not texts and name in parameters.required:
        raise Problem(400, f"parameter {name!r} is missing.", name)
    if not texts:
        return parameters.validate(name, parameters.defaults[name])
    try:
        return read_texts(parameters.adapters[name], texts)
    except ValidationError as error:
        refuse(name, texts, error)


def read_texts(adapter: TypeAdapter[Any], texts: list[str]) -> Any:
    """Read a text as the value that it spells, else as JSON; else, and if there are several, read a list of texts.

    Raises ValidationError.
    """
    if len(texts) > 1:
        return adapter.validate_python(texts)
    try:
        return adapter.validate_strings(texts[0])
    except ValidationError as error:
        others: list[tuple[Callable[[Any], Any], Any]] = [
            (adapter.validate_json, texts[0]),
            (adapter.validate_python, texts),
        ]
        for read, given in others:
            with suppress(ValidationError):
                return read(given)
        raise error from None


def refuse(name: str, texts: list[str], error: ValidationError) -> NoReturn:
    """Raise the Problem of a value: 404 if it is right in form, and there is no such thing."""
    fault = error.errors()[0]
    status = 404 if fault["type"] in UNKNOWN_VALUES and len(texts) == 1 else 400
    given = texts[0] if len(texts) == 1 else texts
    raise Problem(status, f"parameter {name!r} is {short(given)}: {fault['msg']}.", name) from error
