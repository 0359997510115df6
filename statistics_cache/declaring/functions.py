"""Which functions can be statistics, and what their annotations say."""

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, get_type_hints

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from statistics_cache.exceptions import DeclarationError

from .parameters import Parameters

P = ParamSpec("P")
T = TypeVar("T")


def read_function(function: Callable[P, T]) -> tuple[Parameters, TypeAdapter[T]]:
    """Read a function's parameters and result from its annotations. Raises DeclarationError with the cure."""
    if not isinstance(function, FunctionType):
        raise DeclarationError(f"{function!r} is no function. Decorate a plain function with `@statistic()`.")
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise DeclarationError("it is `async def`. Declare a plain `def`; from async code await its `.acall`.")
    if inspect.isgeneratorfunction(function):
        raise DeclarationError("it is a generator. Return the value instead of yielding.")
    if "." in function.__qualname__ or not function.__name__.isidentifier():
        raise DeclarationError("it is a method, a nested function or a lambda. Move it to the top level of its module.")
    try:
        hints = get_type_hints(function, include_extras=True)
    except NameError as error:
        raise DeclarationError(f"an annotation cannot be resolved: {error}. Import it at run time.") from error
    return Parameters(function, hints), read_result(hints)


def read_result(hints: Mapping[str, Any]) -> TypeAdapter[Any]:
    """Read the return annotation. Raises DeclarationError where None is a value: `get` gives None for a miss."""
    if "return" not in hints:
        raise DeclarationError("its result has no annotation. Annotate it, for example `-> int`.")
    try:
        adapter = TypeAdapter[Any](hints["return"])
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError, PydanticInvalidForJsonSchema) as error:
        raise DeclarationError(
            f"its result {hints['return']!r} is nothing that pydantic keeps as JSON ({str(error).splitlines()[0]}). "
            "Return a pydantic model."
        ) from error
    if accepts_none(adapter):
        raise DeclarationError(
            "its result may be None, which `get` gives for a miss. Return a model with an optional field."
        )
    return adapter


def accepts_none(adapter: TypeAdapter[Any]) -> bool:
    """Tell whether None is a value of the type."""
    try:
        return adapter.validate_python(None) is None
    except ValidationError:
        return False
