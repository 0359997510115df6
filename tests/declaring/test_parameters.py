"""Variants: every way to write a call is one entry, and two different calls never share one."""

import inspect
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, PlainSerializer

from statistics_cache.declaring.keys import (
    MAX_LENGTH,
    READABLE,
    entry_key,
    generation_key,
    readable,
    scope_text,
    shorten,
    spell,
)
from statistics_cache.declaring.parameters import Parameters
from statistics_cache.declaring.roundtrip import keep
from statistics_cache.exceptions import DeclarationError, ParameterError


class Shade(StrEnum):
    """Text members."""

    LIGHT = "light"
    DARK = "dark"


class Level(IntEnum):
    """Number members."""

    LOW = 1
    HIGH = 2


class Kind(Enum):
    """Plain members of mixed values."""

    ONE = 1
    TEXT = "1"


TYPES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, st.text()),
    (int, st.integers()),
    (bool, st.booleans()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (date, st.dates()),
    (datetime, st.datetimes()),
    (time, st.times()),
    (timedelta, st.timedeltas(min_value=timedelta(-1000), max_value=timedelta(1000))),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (Shade, st.sampled_from(Shade)),
    (Level, st.sampled_from(Level)),
    (Kind, st.sampled_from(Kind)),
    (Literal["a", 1, True], st.sampled_from(["a", 1, True])),
    (str | None, st.none() | st.text()),
    (int | str, st.integers() | st.text()),
    (bool | int | float | str | None, st.none() | st.booleans() | st.integers() | st.floats() | st.text()),
    (date | str, st.dates() | st.text()),
    (Shade | str, st.sampled_from(Shade) | st.text()),
    (tuple[int, ...], st.lists(st.integers(), max_size=4).map(tuple)),
    (list[str | int], st.lists(st.integers() | st.text(), max_size=4)),
]


def parameters_of(**hints: Any) -> Parameters:
    """Read the signature of a function that has these parameters."""

    def function() -> int:
        return 1

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in hints])  # type: ignore[attr-defined]
    return Parameters(function, hints)


def key_of(parameters: Parameters, values: tuple[Any, ...]) -> str | None:
    """Give a call's key, None where the call is refused."""
    try:
        return entry_key("app.name", parameters.spell(parameters.bind(values, {})))
    except ParameterError:
        return None


@st.composite
def two_calls(draw: st.DrawFn) -> tuple[Parameters, tuple[Any, ...], tuple[Any, ...]]:
    """Draw a signature of one to three parameters and two calls of it."""
    chosen = draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3))
    names = ["a", "_b", "model_config"][: len(chosen)]
    parameters = parameters_of(**dict(zip(names, (hint for hint, _ in chosen), strict=True)))
    calls = [tuple(draw(strategy) for _, strategy in chosen) for _ in range(2)]
    return parameters, calls[0], calls[1]


def same(one: Any, other: Any) -> bool:
    """Tell whether two validated values are one, by type and value at every depth."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)


@given(two_calls())
def test_two_variants_share_a_key_only_if_they_are_one(
    calls: tuple[Parameters, tuple[Any, ...], tuple[Any, ...]],
) -> None:
    """For any signature and any characters: equal keys mean equal values, and equal values mean equal keys."""
    parameters, one, other = calls
    keys = key_of(parameters, one), key_of(parameters, other)
    assume(None not in keys)
    values = parameters.bind(one, {}), parameters.bind(other, {})
    alike = all(same(values[0][name], values[1][name]) for name in values[0])
    assert (keys[0] == keys[1]) is alike


@given(two_calls())
def test_every_way_to_write_a_call_is_one_key(calls: tuple[Parameters, tuple[Any, ...], tuple[Any, ...]]) -> None:
    """By position, by name in any order, and as the validated values again."""
    parameters, values, _ = calls
    key = key_of(parameters, values)
    assume(key is not None)
    named = dict(zip(parameters.adapters, values, strict=True))
    backwards = dict(reversed(named.items()))
    for written in (named, backwards, parameters.bind(values, {})):
        assert entry_key("app.name", parameters.spell(parameters.bind((), written))) == key


@given(two_calls())
def test_keys_are_short_and_printable(calls: tuple[Parameters, tuple[Any, ...], tuple[Any, ...]]) -> None:
    """A key has at most 200 characters, none of which a cache backend minds."""
    parameters, values, _ = calls
    key = key_of(parameters, values)
    assume(key is not None)
    assert key is not None
    assert len(key) <= MAX_LENGTH
    assert key.isascii()
    assert key.isprintable()
    assert " " not in key


@given(two_calls())
def test_plain_texts_are_those_of_pydantic(calls: tuple[Parameters, tuple[Any, ...], tuple[Any, ...]]) -> None:
    """What is written without pydantic, of members that it has written before, too, is what that writes."""
    parameters, values, _ = calls
    assume(key_of(parameters, values) is not None)
    for name, value in parameters.bind(values, {}).items():
        assert parameters.keep(name, value) == keep(parameters.adapters[name], value, exact=True)


def test_a_character_that_json_escapes_is_escaped() -> None:
    """Each character is written as pydantic writes it."""
    parameters = parameters_of(a=str)
    for text in map(chr, range(1, 256)):
        assert parameters.keep("a", text) == keep(parameters.adapters["a"], text, exact=True)


@pytest.mark.parametrize(
    ("hint", "value"), [(str, "a b"), (int, -7), (bool, True), (str | None, None), (Shade, Shade.LIGHT)]
)
def test_plain_texts_are_written_without_pydantic(hint: Any, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value of most calls is validated, and nothing more; a member of an Enum from the second time on."""
    parameters = parameters_of(a=hint)
    first = parameters.keep("a", value)
    monkeypatch.setattr(Parameters, "_kept", None)
    assert parameters.keep("a", value) == first


def test_a_type_that_writes_its_own_texts_has_no_plain_ones() -> None:
    """A serializer of the user's is asked for every value."""
    parameters = parameters_of(a=Annotated[int, PlainSerializer(lambda value: f"{value}", return_type=str)])
    for number in (7, 8):
        assert parameters.keep("a", number).text == f'"{number}"'


@given(st.text() | st.text("ab%~_é \n"))
def test_a_readable_text_is_what_it_would_be_encoded_to(text: str) -> None:
    """What is taken as it is needs no encoding, and all else is encoded."""
    assume(not any("\ud800" <= each <= "\udfff" for each in text))
    assert readable(text[:100]) == shorten(quote(text[:100], safe=READABLE))


@given(st.text(), st.text())
def test_long_texts_stay_apart(one: str, other: str) -> None:
    """What is shortened stays distinct, and no short text looks like a shortened one."""
    assume(one != other)
    parameters = parameters_of(a=str)
    padding = "x" * MAX_LENGTH
    keys = {key_of(parameters, (text,)) for text in (one, other, padding + one, padding + other)} - {None}
    texts = {text for text in (one, other, padding + one, padding + other) if key_of(parameters, (text,))}
    assert len(keys) == len(texts)


@given(
    st.dictionaries(st.sampled_from("abc"), st.text().map(repr)),
    st.dictionaries(st.sampled_from("abc"), st.text().map(repr)),
)
def test_a_scope_spells_neither_star_nor_nothing(one: dict[str, str], other: dict[str, str]) -> None:
    """The reserved scopes are nobody's; no names at all mean every scope."""
    assert scope_text({}) == "*"
    assert (scope_text(one) in {"*", ""}) is (not one)
    assert generation_key("p", "app.name", "*") != generation_key("p", "app.name", "")


def test_spelling_is_plain() -> None:
    """A person reads the parameters as a call writes them, in JSON."""
    assert spell({"category": '"clip"', "days": "30"}) == 'category="clip",days=30'


@pytest.mark.parametrize("text", ["a\0b", "\0", "\ud800", "x\udfffy"])
def test_nul_and_lone_surrogates_are_refused_by_name(text: str) -> None:
    """What a text column or UTF-8 refuses is refused before it is stored."""
    parameters = parameters_of(color=str)
    with pytest.raises(ParameterError, match="'color'"):
        parameters.spell(parameters.bind((text,), {}))


def test_an_escaped_backslash_is_no_nul() -> None:
    r"""The six characters \u0000 in a text are a text."""
    parameters = parameters_of(color=str)
    assert parameters.spell(parameters.bind(("\\u0000",), {}))


@pytest.mark.parametrize(
    ("hint", "value"),
    [(float, float("nan")), (float | None, float("inf")), (date | str, "2026-01-01"), (Decimal | str, "1.0")],
)
def test_what_json_cannot_keep_apart_is_refused_by_name(hint: Any, value: object) -> None:
    """A value whose JSON would be another value's is refused rather than confused."""
    parameters = parameters_of(when=hint)
    with pytest.raises(ParameterError, match="'when'"):
        parameters.spell(parameters.bind((value,), {}))


class Tags(BaseModel):
    """Holds a set."""

    tags: set[str]


SORTED = Annotated[frozenset[str], PlainSerializer(sorted, return_type=list[str])]


@pytest.mark.parametrize(
    "hint", [set[str], frozenset[int], AbstractSet[str], list[set[int]], frozenset[str] | None, Tags]
)
def test_sets_are_refused_by_name(hint: Any) -> None:
    """A set has another order in each process, and so would have an entry of its own in each, at any depth."""
    with pytest.raises(DeclarationError, match=r"parameter 'colors' holds a set .* Take a tuple or list"):
        parameters_of(colors=hint)


@pytest.mark.parametrize("hint", [tuple[str, ...], list[int], SORTED])
def test_what_has_one_order_is_taken(hint: Any) -> None:
    """A sequence has an order, and so has a set that is sorted when it is written."""
    assert parameters_of(colors=hint).adapters.keys() == {"colors"}


def test_the_grid_is_every_variant() -> None:
    """A finite signature has a product of variants, defaults or not."""
    grid = list(parameters_of(a=Shade, b=bool, c=Literal["x"] | None, d=Annotated[Level, Field()]).grid())
    assert len(grid) == 2 * 2 * 2 * 2
    assert len({str(variant) for variant in grid}) == len(grid)


@pytest.mark.parametrize(
    "hints", [{"a": str}, {"a": bool, "days": int}, dict.fromkeys("abcd", Literal[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])]
)
def test_an_endless_grid_is_refused(hints: dict[str, Any]) -> None:
    """What has no end, or more than 1,000 variants, wants a list or a callable."""
    with pytest.raises(DeclarationError, match="Give a list or a callable"):
        parameters_of(**hints).grid()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"colour": 1}', "Did you mean 'color'"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_parameters_as_json_are_checked(text: str, message: str) -> None:
    """What a command is given is refused with an example."""
    with pytest.raises(ParameterError, match=message):
        parameters_of(color=str).parse(text)


def test_some_parameters_mean_any_of_the_others() -> None:
    """Omitted or None means any; what is named is validated."""
    parameters = parameters_of(color=Shade, days=int)
    bind_some: Callable[..., dict[str, Any]] = parameters.bind_some
    assert bind_some((), {}) == bind_some((None,), {"days": None}) == {}
    assert bind_some(("light",), {}) == {"color": Shade.LIGHT}
    with pytest.raises(ParameterError, match="'days'"):
        bind_some((), {"days": "many"})
