"""What `@statistic` was told about one function, frozen; every flow takes it."""

import inspect
import json
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from itertools import islice
from sys import getsizeof
from typing import Any, Generic, Literal, ParamSpec, TypeVar
from zlib import crc32

from django.apps import apps
from pydantic import TypeAdapter, ValidationError

from statistics_cache.exceptions import DeclarationError, ParameterError, PayloadError

from .consistency import Consistency
from .fingerprint import fingerprint
from .keys import CLEARED, INVALIDATED, entry_key, filter_scope, scope_text
from .parameters import Parameters, plain_identity, short
from .parts import ALONE, Names, has_equals, one_of_equals, parts_of, spell_parts
from .roundtrip import Kept, NotEqual, keep, read
from .sources import CaptureBy, Source, shapes

P = ParamSpec("P")
T = TypeVar("T")

MAX_REMEMBERED = 4_096  # calls whose variant is kept; a dashboard has tens, and each is a few kB
MAX_REMEMBERED_SIZE = 1_000  # bytes of a call's arguments: the long texts that one might hold are validated each time
SHARE = 4  # costs of a compute from one to the next: what is never left in peace takes a quarter of a worker at most
WIDEST = 4  # bytes that a character may have in UTF-8
MAX_NAME = 100  # characters; keys stay readable and the database column short
MAX_SHOWN = 200  # characters of a call's parameters in a message


@dataclass(frozen=True)
class Variant:
    """One validated set of parameters: the JSON text of each, and where it is stored. Their values are made anew for
    each who wants them (`Declaration.arguments`).

    `ones` are its `texts` as all equal values share them; `parts` are the combinations of them that name a part.
    """

    texts: dict[str, str]
    key: str
    scopes: tuple[str, ...]
    ones: dict[str, str] = field(default_factory=dict, repr=False, compare=False)
    parts: tuple[Names, ...] = field(default=(), repr=False, compare=False)
    hot_keys: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    plans: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def share(self) -> float:
        """Give a number from 0 to below 1 that is this variant's own, in every process: how much jitter it gets."""
        return share_of(self.key)

    @cached_property
    def clearing(self) -> tuple[str, ...]:
        """Give its filter scopes of the epoch, one for each part that it belongs to."""
        return self.filter_scopes(CLEARED)

    @cached_property
    def invalidating(self) -> tuple[str, ...]:
        """Give its filter scopes of the generation alone, one for each part that it belongs to."""
        return self.filter_scopes(INVALIDATED)

    def filter_scopes(self, kind: str) -> tuple[str, ...]:
        """Name the filter scopes of one kind."""
        return tuple(filter_scope(kind, {name: self.ones[name] for name in names}) for names in self.parts)

    def whole(self, kind: str) -> str:
        """Name the filter scope of one kind that it shares with equal variants alone."""
        return filter_scope(kind, self.ones)

    @property
    def json(self) -> str:
        """Give the parameters as one canonical JSON object."""
        return canonical_json(self.texts)

    @property
    def shown(self) -> str:
        """Give the parameters as a message shows them: long ones without their middle."""
        text = self.json
        return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN // 2]}…{text[-MAX_SHOWN // 2 :]}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Declaration(Generic[P, T]):
    """A typed function and the options it was declared with; None means the setting of that name.

    `max_parameters` gives the setting MAX_PARAMETERS, which lies above this floor. `run` tells one run of the
    function's module from another.
    """

    function: Callable[P, T]
    parameters: Parameters
    result: TypeAdapter[T]
    max_parameters: Callable[[], int]
    explicit_name: str | None = None
    ttl: timedelta | None = None
    stale_ttl: timedelta | None = None
    sources: tuple[Source, ...] = ()
    ignored: tuple[Source, ...] = ()
    on_change: Literal["expire", "revalidate"] = "expire"
    refresh_every: timedelta | None = None
    changed_ttl: timedelta | None = None
    version: str | int = ""
    hydrate: bool | tuple[Mapping[str, Any], ...] | Callable[[], Iterable[Mapping[str, Any]]] = False
    queue: str | None = None
    time_limit: timedelta | None = None
    using: str | None = None
    visible_to: Callable[[Any], bool] | None = None
    capture: CaptureBy | None = None
    consistency: Consistency = "delivered"
    remembered: OrderedDict[Any, Variant] = field(default_factory=OrderedDict, repr=False)
    run: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Note which run of its module this is of: running it again gives the module another spec."""
        object.__setattr__(self, "run", getattr(sys.modules.get(self.function.__module__), "__spec__", None))

    @cached_property
    def name(self) -> str:
        """Give `app_label.function_name`, resolved at first use: apps need not be loaded to declare.

        Raises DeclarationError for a function outside every installed app.
        """
        if self.explicit_name:
            return self.explicit_name
        config = apps.get_containing_app_config(self.function.__module__)
        if config is None:
            raise DeclarationError(
                "it lies in no installed app. Add its app to INSTALLED_APPS, or give name='app.name'."
            )
        return check_name(f"{config.label}.{self.function.__name__}")

    def is_visible_to(self, user: Any) -> bool:
        """Tell whether a user of the admin may see its values; without a `visible_to`, everybody may."""
        return self.visible_to is None or bool(self.visible_to(user))

    def floor(self, cost: float) -> float:
        """Give the seconds since a compute, of such a cost, before which no worker is asked for the next: 0 without
        `refresh_every`."""
        return max(self.refresh_every.total_seconds(), SHARE * cost) if self.refresh_every else 0.0

    @property
    def path(self) -> str:
        """Give the function's dotted path, for messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @cached_property
    def shapes(self) -> tuple[tuple[str, ...], ...]:
        """Give the distinct shapes of scope that the sources name."""
        return shapes(self.sources, list(self.parameters.adapters))

    @cached_property
    def parts(self) -> tuple[Names, ...]:
        """Give the combinations of parameters that name a part."""
        return parts_of(list(self.parameters.adapters), self.shapes)

    @cached_property
    def spelt_names(self) -> str:
        """Give what the JSON of all parameters has besides their values."""
        return canonical_json(dict.fromkeys(self.parameters.adapters, ""))

    @cached_property
    def fingerprint(self) -> str:
        """Identify the return type's JSON schema and the `version`: entries of another one are not read."""
        return fingerprint(self.result, self.version)

    def variant(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Variant:
        """Give the variant that a call means; the latest calls of few plain values are remembered.

        Raises ParameterError.
        """
        identity = plain_identity(args, kwargs)
        if identity is None:
            return self.new_variant(args, kwargs)
        if (found := self.remembered.get(identity)) is not None:
            return found
        variant = self.new_variant(args, kwargs)
        if sum(map(getsizeof, (*args, *kwargs.values()))) > MAX_REMEMBERED_SIZE:
            return variant
        if len(self.remembered) >= MAX_REMEMBERED:
            self.remembered.popitem(last=False)
        self.remembered[identity] = variant
        return variant

    def new_variant(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Variant:
        """Validate a call into its variant. Raises ParameterError."""
        try:
            return self.variant_of(self.parameters.bind(args, kwargs))
        except ParameterError as error:
            raise self.named(error) from error

    def named(self, error: ParameterError) -> ParameterError:
        """Name the statistic in an error."""
        return ParameterError(f"{self.name}: {error}")

    def variant_of(self, values: Mapping[str, Any]) -> Variant:
        """Give the variant of validated values. Raises ParameterError where JSON cannot keep one."""
        kept = {name: self.parameters.keep(name, value) for name, value in values.items()}
        texts = self.check_size({name: each.text for name, each in kept.items()})
        ones = {
            name: each.text if type(each.value) in ALONE else self.one_text(name, *each) for name, each in kept.items()
        }
        scopes = tuple(scope_text({name: ones[name] for name in shape}) for shape in self.shapes)
        return Variant(texts, entry_key(self.name, texts), scopes, ones, self.parts)

    def one_text(self, name: str, text: str, value: Any) -> str:
        """Give the text that all values share which equal this one, whose own text is given."""
        one = one_of_equals(value)
        return text if one is value else self.parameters.spell({name: one})[name]

    def ones(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Give the texts that all equal values share, of parameters by their own texts, in the signature's order."""
        values = self.parameters.read(texts)
        return {
            name: self.one_text(name, texts[name], values[name]) for name in self.parameters.adapters if name in texts
        }

    def has_equals(self, name: str, text: str) -> bool:
        """Tell whether a value equal to that of a text may have another text."""
        return has_equals(self.parameters.read({name: text})[name])

    def part(self, kind: str, texts: Mapping[str, str]) -> str:
        """Name the filter scope of all variants that have these parameters. Raises ParameterError where there is none,
        with the combinations that there are."""
        ones = self.ones(texts)
        if tuple(ones) not in self.parts:
            there_are = spell_parts(list(self.parameters.adapters), self.parts)
            raise ParameterError(f"{self.name}: {', '.join(ones)} together name no part of it. Name {there_are}.")
        return filter_scope(kind, ones)

    def restore(self, params: str) -> Variant:
        """Give the variant of stored or sent parameters, which are its `json`. Raises ParameterError."""
        try:
            return self.variant_of(self.parameters.restore(params))
        except ParameterError as error:
            raise self.named(error) from error

    def mappings(self, place: str, given: Any) -> list[Mapping[str, Any]]:
        """Give mappings of parameters back. Raises ParameterError for what is none, with what to write instead."""
        if isinstance(given, Mapping | str) or not isinstance(given, Iterable):
            raise ParameterError(f"{place} of {self.name} is {short(given)}. Give a list of mappings of parameters.")
        found = list(given)
        for each in found:
            if not isinstance(each, Mapping):
                written = dict.fromkeys(islice(self.parameters.adapters, 1), each)
                raise ParameterError(f"{place} of {self.name} holds {short(each)}; write {short(written)}.")
        return found

    def some(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, str]:
        """Give the JSON text of each parameter that is named; one omitted or None means any. Raises ParameterError."""
        try:
            return self.check_size(self.parameters.spell(self.parameters.bind_some(args, kwargs)))
        except ParameterError as error:
            raise self.named(error) from error

    def check_size(self, texts: dict[str, str]) -> dict[str, str]:
        """Give JSON texts by name back. Raises ParameterError for more than MAX_PARAMETERS: each row keeps them."""
        most = self.max_parameters()
        if WIDEST * (len(self.spelt_names) + sum(map(len, texts.values()))) <= most:  # nearly always
            return texts
        size = len(canonical_json(texts).encode())
        if size > most:
            raise ParameterError(
                f"its parameters have {size:,} bytes as JSON, more than MAX_PARAMETERS ({most:,}). "
                "Pass less, such as the key of a row that holds the rest, or raise MAX_PARAMETERS."
            )
        return texts

    def scope(self, values: Mapping[str, Any]) -> str:
        """Name the scope of validated values: equal values, which a database takes for one, name one scope."""
        named = [name for name in self.parameters.adapters if name in values]
        return scope_text(self.parameters.spell({name: one_of_equals(values[name]) for name in named}))

    def arguments(self, variant: Variant) -> dict[str, Any]:
        """Give a variant's values by name, made anew: what is done to them reaches nobody else."""
        return self.parameters.read(variant.texts)

    def call(self, variant: Variant) -> T:
        """Call the plain function with a variant's values."""
        bound = inspect.BoundArguments(self.parameters.signature, self.arguments(variant))
        return self.function(*bound.args, **bound.kwargs)

    def encode(self, value: T) -> Kept[T]:
        """Give a value's JSON text, and the value that everybody gets of it. Raises PayloadError, naming the field,
        where it would not come back equal."""
        if value is None:
            raise PayloadError(f"{self.name}: it returned None (`Sum` of no rows?). Return a value, such as `… or 0`.")
        try:
            return keep(self.result, value)
        except NotEqual as error:
            expected = self.result.core_schema.get("cls")
            if expected and isinstance(value, dict) and self.result.core_schema["type"] != "typed-dict":
                message = f"{self.name}: result is a dict; give a {expected.__name__}."
                raise PayloadError(message) from error
            place = f"field {short(error.path)} of its value" if error.path else "its value"
            raise PayloadError(
                f"{self.name}: {place} cannot be stored: {error.reason}. "
                "Return what its annotation says, in types that JSON keeps."
            ) from error

    def decode(self, payload: str | bytes) -> T:
        """Give the value of a JSON text, made anew. Raises PayloadError."""
        try:
            return read(self.result, payload)
        except ValidationError as error:
            raise PayloadError(f"{self.name}: a stored text is no value of it: {error.errors()[0]['msg']}.") from error
        except Exception as error:  # a validator of the user may raise anything at a text that it has not seen yet
            message = f"{self.name}: a stored text is no value of it: {type(error).__name__}: {error}."
            raise PayloadError(message) from error

    def widest_shape(self, names: Iterable[str]) -> tuple[str, ...]:
        """Give the shape of scope that holds most of these parameters and no other; () means every scope."""
        known = set(names)
        return max((shape for shape in self.shapes if set(shape) <= known), key=len, default=())

    @property
    def is_hydrated(self) -> bool:
        """Tell whether `hydrate=` says which variants to keep warm."""
        return self.hydrate is not False

    def hydrated(self) -> Mapping[str, Variant]:
        """Give the variants to hydrate by key; a callable is asked each time. Raises DeclarationError, ParameterError,
        and what the callable raises."""
        return self.read_grid() if callable(self.hydrate) else self.fixed_grid

    @cached_property
    def fixed_grid(self) -> Mapping[str, Variant]:
        """Give the variants to hydrate where they are always the same."""
        return self.read_grid()

    def read_grid(self) -> dict[str, Variant]:
        """Validate the variants to hydrate."""
        variants = (self.new_variant((), parameters) for parameters in self.grid())
        return {variant.key: variant for variant in variants}

    def grid(self) -> Iterable[Mapping[str, Any]]:
        """Give the variants to hydrate, each a mapping of parameters. Raises DeclarationError."""
        if self.hydrate is True:
            return self.parameters.grid()
        if self.hydrate is False:
            return ()
        try:
            return self.mappings("hydrate=", self.hydrate() if callable(self.hydrate) else self.hydrate)
        except ParameterError as error:
            raise DeclarationError(str(error)) from error


def canonical_json(texts: Mapping[str, str]) -> str:
    """Write JSON texts by name as one JSON object."""
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in texts.items()) + "}"


def share_of(key: str) -> float:
    """Give the share of jitter of the variant that has a key."""
    return crc32(key.encode()) / 2**32


def check_name(name: str) -> str:
    """Give a statistic's name back. Raises DeclarationError for one that keys or commands cannot carry."""
    if not name or len(name) > MAX_NAME or not all(part.isidentifier() for part in name.split(".")):
        raise DeclarationError(
            f"{name!r} is no name for a statistic. Use dotted identifiers of at most {MAX_NAME} characters."
        )
    return name
