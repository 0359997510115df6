"""Values come back equal from what is stored, or are refused by the field's name."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import caches
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, computed_field
from typing_extensions import TypedDict

from statistics_cache import PayloadError, statistic
from statistics_cache.declaring.roundtrip import NotEqual, to_json


class Part(BaseModel):
    """A model."""

    share: float
    when: date | None = None


class Whole(BaseModel):
    """A model of models."""

    parts: list[Part]
    by_name: dict[str, Part] = {}

    @computed_field  # type: ignore[prop-decorator]
    @property
    def count(self) -> int:
        """Give a number that is in the JSON and not among the fields."""
        return len(self.parts)


class Constants(BaseModel):
    """A model whose config writes infinities as they are."""

    model_config = ConfigDict(ser_json_inf_nan="constants")
    share: float


class Wider(Part):
    """A subclass with a field of its own."""

    extra: int = 1


class Typed(TypedDict):
    """A dict with names."""

    total: int


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: Decimal


PARTS = st.builds(Part, share=st.floats(allow_nan=False, allow_infinity=False), when=st.none() | st.dates())
VALUES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (UUID, st.uuids()),
    (date, st.dates()),
    (list[int | str], st.lists(st.integers() | st.text(), max_size=4)),
    (tuple[int, ...], st.lists(st.integers(), max_size=4).map(tuple)),
    (set[int], st.sets(st.integers(), max_size=4)),
    (dict[str, int], st.dictionaries(st.text(), st.integers(), max_size=4)),
    (dict[date, int], st.dictionaries(st.dates(), st.integers(), max_size=4)),
    (Whole, st.builds(Whole, parts=st.lists(PARTS, max_size=3), by_name=st.dictionaries(st.text(), PARTS, max_size=3))),
    (Typed, st.builds(Typed, total=st.integers())),
    (Point, st.builds(Point, x=st.integers(), y=st.decimals(allow_nan=False, allow_infinity=False))),
]


@given(st.sampled_from(VALUES).flatmap(lambda pair: st.tuples(st.just(TypeAdapter(pair[0])), pair[1])))
def test_every_supported_value_comes_back_equal(case: tuple[TypeAdapter[Any], Any]) -> None:
    """The JSON text of a value decodes to an equal one, in the order it had."""
    adapter, value = case
    back = adapter.validate_json(to_json(adapter, value))
    assert back == value
    assert not isinstance(value, dict) or list(back) == list(value)


NAN = float("nan")


@pytest.mark.parametrize(
    ("kind", "value", "path"),
    [
        (float, float("inf"), ""),
        (Part, Part(share=NAN), "share"),
        (Whole, Whole(parts=[Part(share=1), Part(share=float("inf"))]), "parts.1.share"),
        (Whole, Whole(parts=[Wider(share=1)]), "parts.0"),
        (Whole, Whole(parts=[], by_name={"a": Wider(share=1)}), "by_name.a"),
        (dict[str, Any], {"a": {"when": date(2026, 1, 1)}}, "a.when"),
        (list[Any], [1, (2, 3)], "1"),
        (Point, Point(1, Decimal("NaN")), "y"),
        (int, "seven", ""),
        (str, "\ud800", ""),
        (Constants, Constants(share=float("inf")), ""),
    ],
)
def test_what_does_not_come_back_is_refused_by_its_path(kind: Any, value: object, path: str) -> None:
    """The error names the first field that would be another one."""
    with pytest.raises(NotEqual) as error:
        to_json(TypeAdapter(kind), value)
    assert error.value.path == path


def bad() -> Whole:
    """Return a value that JSON cannot keep."""
    return Whole(parts=[Part(share=float("inf"))])


@pytest.mark.django_db
def test_a_value_that_does_not_come_back_is_an_error_by_name() -> None:
    """The compute fails naming statistic and field, and nothing is stored."""
    declared = statistic(name="tests.bad")(bad)
    with pytest.raises(PayloadError, match=r"tests\.bad: field 'parts\.0\.share'"):
        declared()
    assert declared.get() is None


@pytest.mark.django_db(databases=["default", "postgres"])
@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("kind", [kind for kind, _ in VALUES])
def test_every_supported_type_goes_through_both_tiers(kind: Any) -> None:
    """What is stored is read back equal from the hot tier and from the table."""
    value = dict_of_values()[str(kind)]

    def give() -> Any: ...

    give.__annotations__["return"] = kind
    give.__qualname__ = "give"
    declared: Any = statistic(name="tests.give")(give)
    flush: Callable[[], None] = caches["statistics"].clear
    declared.set(result=value)
    assert [declared.answer().tier, declared()] == ["hot", value]
    flush()
    assert [declared.answer().tier, declared()] == ["cold", value]


def dict_of_values() -> dict[str, Any]:
    """Give one telling value of each type."""
    part = Part(share=0.1, when=date(2026, 1, 1))
    values = [
        2**70,
        -0.1,
        'ä\0"\\😀',
        Decimal("1.10"),
        UUID(int=7),
        date(1, 1, 1),
        [1, "1"],
        (1, 2),
        {1, 2},
        {"b": 1, "a": 2},
        {date(2026, 1, 1): 1},
        Whole(parts=[part], by_name={"z": part, "a": part}),
        Typed(total=1),
        Point(1, Decimal("2.0")),
    ]
    return {str(kind): value for (kind, _), value in zip(VALUES, values, strict=True)}
