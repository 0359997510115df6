"""A statistic's parameters, read from its signature: what a call means, whichever way it is written."""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from itertools import islice, product
from reprlib import Repr
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from statistics_cache.exceptions import DeclarationError, ParameterError

from .plain import Plain
from .roundtrip import Kept, NotEqual, holds_nul, keep, read

RESERVED = frozenset(
    {"allow_stale", "consistency", "result", "token", "wait", "tier"}
)  # arguments of the verbs themselves
PLAIN = frozenset({str, int, bool, NoneType})  # values that can be told apart by type and equality alone
MAX_GRID = 1_000  # variants that `hydrate=True` may name; more wants a list or a callable that chooses
VARIADIC: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


SHORT = Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 100  # characters of a value in a message


class Parameters:
    """The validated signature of one function."""

    def __init__(self, function: Callable[..., Any], hints: Mapping[str, Any]) -> None:
        """Read the signature. Raises DeclarationError, naming the parameter and the cure."""
        self.signature = inspect.signature(function)
        self.named = inspect.Signature(list(map(by_name, self.signature.parameters.values())))
        kinds = {name: parameter.kind for name, parameter in self.named.parameters.items()}
        self.by_position = [name for name, kind in kinds.items() if kind is not inspect.Parameter.KEYWORD_ONLY]
        self.defaults = {name: parameter.default for name, parameter in self.named.parameters.items()}
        self.required = {name for name, default in self.defaults.items() if default is inspect.Parameter.empty}
        self.hints = {name: hints.get(name) for name in self.signature.parameters}
        self.adapters: dict[str, TypeAdapter[Any]] = {}
        for name, parameter in self.signature.parameters.items():
            self.adapters[name] = self._adapter(parameter, hints)
        self.plain = {name: Plain(adapter) for name, adapter in self.adapters.items()}

    @staticmethod
    def _adapter(parameter: inspect.Parameter, hints: Mapping[str, Any]) -> TypeAdapter[Any]:
        name = parameter.name
        if stars := VARIADIC.get(parameter.kind):
            raise DeclarationError(f"parameter {stars}{name} is open-ended. Name each parameter.")
        if name in RESERVED:
            raise DeclarationError(f"parameter {name!r} is an argument of the verbs. Give it another name.")
        if name not in hints:
            raise DeclarationError(f"parameter {name!r} has no annotation. Annotate it, for example `{name}: str`.")
        try:
            adapter = TypeAdapter[Any](hints[name])
        except (PydanticSchemaGenerationError, PydanticUserError) as error:
            raise DeclarationError(
                f"parameter {name!r} has a type that pydantic cannot validate: {hints[name]!r}. "
                "Use str, int, bool, date, Decimal, UUID, an Enum, a Literal, or Optional of these."
            ) from error
        if spells_sets(adapter):
            raise DeclarationError(
                f"parameter {name!r} holds a set ({hints[name]!r}), whose order differs between processes: each would "
                "have an entry of its own. Take a tuple or list, or give the set a serializer that sorts it."
            )
        return adapter

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give every parameter's validated value, defaults included. Raises ParameterError by name."""
        return {name: self.validate(name, value) for name, value in self._whole(args, kwargs).items()}

    def _whole(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        given = {**dict(zip(self.by_position, args, strict=False)), **kwargs}
        are_apart = len(given) == len(args) + len(kwargs)
        if are_apart and self.required <= given.keys() <= self.adapters.keys():  # spares what `Signature.bind` takes
            return {name: given.get(name, default) for name, default in self.defaults.items()}
        return self._bound(args, kwargs)

    def _bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        try:
            bound = self.named.bind(*args, **kwargs)
        except TypeError as error:
            self.refuse_unknown(kwargs)
            raise ParameterError(f"{error}. Its parameters are {self.signature}.") from error
        bound.apply_defaults()
        return bound.arguments

    def bind_some(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Give the validated values of the parameters that are named; one omitted or None means any."""
        self.refuse_unknown(kwargs)
        try:
            named = self.named.bind_partial(*args, **kwargs).arguments
        except TypeError as error:
            raise ParameterError(f"{error}. Its parameters are {self.signature}.") from error
        return {name: self.validate(name, value) for name, value in named.items() if value is not None}

    def validate(self, name: str, value: object) -> Any:
        """Validate one parameter, as pydantic does by default: members of an Enum and their values alike."""
        try:
            return self.adapters[name].validate_python(value)
        except ValidationError as error:
            raise ParameterError(f"parameter {name!r} is {short(value)}: {error.errors()[0]['msg']}.") from error

    def may_be_none(self, name: str) -> bool:
        """Tell whether None is a value of a parameter."""
        try:
            return self.adapters[name].validate_python(None) is None
        except ValidationError:
            return False

    def spell(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Give each value's JSON text. Two values that the type keeps apart never share one: what could is refused."""
        return {name: self.keep(name, value).text for name, value in values.items()}

    def keep(self, name: str, value: object) -> Kept[Any]:
        """Give a value's JSON text, and what it decodes to. Raises ParameterError where there is none."""
        if (text := self.plain[name].text(value)) is not None:
            return Kept(text, value)
        kept = self._kept(name, value)
        self.plain[name].note(value, kept.text)
        return kept

    def _kept(self, name: str, value: object) -> Kept[Any]:
        try:
            kept = keep(self.adapters[name], value, exact=True)
        except NotEqual as error:
            message = f"parameter {name!r} is {short(value)}, which JSON cannot keep: {error.reason}."
            raise ParameterError(message) from error
        if holds_nul(kept.text):
            raise ParameterError(f"parameter {name!r} holds NUL, which databases refuse. Remove it.")
        return kept

    def read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Give the values of texts that `spell` or `keep` wrote, made anew."""
        return {name: read(self.adapters[name], text) for name, text in texts.items()}

    def parse(self, text: str) -> dict[str, Any]:
        """Read parameters from a JSON object, as commands take them. Raises ParameterError."""
        given = self.read_object(text)
        self.refuse_unknown(given)
        return given

    def read_object(self, text: str) -> dict[str, Any]:
        """Read a JSON object, whatever its names are. Raises ParameterError."""
        try:
            given = json.loads(text)
        except (TypeError, ValueError, RecursionError) as error:  # no text, not JSON, too long a number, too deep
            raise ParameterError(f"{short(text)} is not JSON ({error}). Write for example {self.example()}.") from error
        if not isinstance(given, dict):
            raise ParameterError(f"{short(text)} is not a JSON object. Write for example {self.example()}.")
        return given

    def restore(self, text: str) -> dict[str, Any]:
        """Read every parameter's value from a stored JSON object, as `spell` wrote it; what is not there has its
        default. Raises ParameterError."""
        given = self.parse(text)
        try:
            values = self.read({name: json.dumps(value) for name, value in given.items()})
        except ValidationError as error:
            raise ParameterError(f"{short(text)} are no parameters of now: {error.errors()[0]['msg']}.") from error
        whole = self._whole((), values)
        return {name: values[name] if name in values else self.validate(name, whole[name]) for name in whole}

    def example(self) -> str:
        """Give a JSON object that names the first parameter, for messages."""
        return json.dumps(dict.fromkeys(islice(self.adapters, 1), "…"), ensure_ascii=False)

    def refuse_unknown(self, names: Mapping[str, Any]) -> None:
        """Raise ParameterError for the first name that is no parameter, with the nearest one."""
        for name in names:
            if name not in self.adapters:
                raise ParameterError(f"there is no parameter {short(name)}.{did_you_mean(name, self.adapters)}")

    def grid(self) -> Iterator[dict[str, Any]]:
        """Give every variant of a finite signature. Raises DeclarationError where there is no end, or over 1,000."""
        choices = {name: list(finite(name, hint)) for name, hint in self.hints.items()}
        count = 1
        for values in choices.values():
            count *= len(values)
        if count > MAX_GRID:
            raise DeclarationError(
                f"hydrate=True means {count:,} variants; at most {MAX_GRID:,} are allowed. Give a list or a callable."
            )
        return (dict(zip(choices, values, strict=True)) for values in product(*choices.values()))


def spells_sets(adapter: TypeAdapter[Any]) -> bool:
    """Tell whether the JSON text of a type holds sets, at any depth, in the order in which they happen to be."""
    try:
        schema = adapter.json_schema(mode="serialization")
    except PydanticInvalidForJsonSchema:  # of a type of its own, which may well have texts
        return False
    return has_unique_items(schema)


def has_unique_items(schema: object) -> bool:
    """Tell whether a JSON schema speaks of a set anywhere."""
    if isinstance(schema, dict):
        return schema.get("uniqueItems") is True or any(map(has_unique_items, schema.values()))
    return isinstance(schema, list) and any(map(has_unique_items, schema))


def by_name(parameter: inspect.Parameter) -> inspect.Parameter:
    """Let a parameter that a function takes by position alone be named, too: JSON has names and nothing else."""
    is_nameless = parameter.kind is inspect.Parameter.POSITIONAL_ONLY
    return parameter.replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD) if is_nameless else parameter


def finite(name: str, hint: Any) -> Iterator[Any]:
    """Give every value of an Enum, a Literal, bool, None, or a union of these."""
    origin = get_origin(hint)
    if origin is Annotated:
        yield from finite(name, get_args(hint)[0])
    elif origin in (Union, UnionType):
        for member in get_args(hint):
            yield from finite(name, member)
    elif origin is Literal:
        yield from get_args(hint)
    elif hint is bool:
        yield from (False, True)
    elif hint in (None, NoneType):
        yield None
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield from hint
    else:
        raise DeclarationError(
            f"hydrate=True wants a finite signature, and parameter {name!r} has no end. Give a list or a callable."
        )


def plain_identity(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Give a hashable identity of a call, by type and value; None unless every value is a plain one or a member."""
    identity: list[Any] = []
    for value in args:
        kind = type(value)
        if kind in PLAIN:
            identity.append((kind, value))
        elif isinstance(value, Enum):
            identity.append((kind, id(value)))
        else:
            return None
    for name, value in kwargs.items():
        kind = type(value)
        if kind in PLAIN:
            identity.append((name, kind, value))
        elif isinstance(value, Enum):
            identity.append((name, kind, id(value)))
        else:
            return None
    return tuple(identity)


def short(value: object) -> str:
    """Give a value as a message shows it: shortened, and its type alone where Python cannot write it."""
    try:
        return SHORT.repr(value)
    except ValueError:  # a number of more digits than Python writes
        return f"<{type(value).__name__}>"


def did_you_mean(name: str, known: Mapping[str, Any]) -> str:
    """Give the end of a message about an unknown name: the nearest known one, or all of them."""
    if near := get_close_matches(name, known, n=1):
        return f" Did you mean {near[0]!r}?"
    return f" There are: {', '.join(sorted(known))}." if known else " There are none."
