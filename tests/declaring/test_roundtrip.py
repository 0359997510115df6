"""Values come back equal from what is stored, or are refused by the field's name."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    TypeAdapter,
    computed_field,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

from statistics_cache import PayloadError, statistic
from statistics_cache.declaring.roundtrip import NotEqual, keep, read


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
    text, back = keep(adapter, value)
    assert back == read(adapter, text) == value
    assert not isinstance(value, dict) or list(back) == list(value)


BERLIN = ZoneInfo("Europe/Berlin")
FIRST, SECOND = (datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold) for fold in (0, 1))


class Hour(BaseModel, frozen=True):
    """A model that can be a member of a set."""

    begins: datetime


@dataclass
class Dated:
    """A dataclass of moments."""

    begins: datetime
    ends: tuple[datetime, ...] = ()


class Extra(BaseModel):
    """A model that takes what it has no field for."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, datetime]


REPEATED: list[tuple[Any, Any]] = [
    (datetime, FIRST),
    (datetime, SECOND),
    (list[datetime], [FIRST, SECOND]),
    (dict[str, list[Hour]], {"a": [Hour(begins=FIRST)]}),
    (dict[datetime, int], {FIRST: 1, datetime(2024, 1, 1, tzinfo=UTC): 2}),
    (dict[datetime, dict[datetime, datetime]], {FIRST: {SECOND: FIRST}}),
    (set[datetime], {FIRST, datetime(2024, 1, 1, tzinfo=UTC)}),
    (frozenset[Hour], frozenset({Hour(begins=SECOND)})),
    (set[tuple[datetime, int]], {(FIRST, 1)}),
    (Dated, Dated(FIRST, (SECOND,))),
    (Extra, Extra(begins=FIRST)),
    (defaultdict[str, list[datetime]], defaultdict(list, a=[FIRST])),
]


@pytest.mark.parametrize(("kind", "value"), REPEATED)
@pytest.mark.parametrize("exact", [True, False])
def test_instants_are_compared_not_clock_faces(kind: Any, value: Any, exact: bool) -> None:
    """A moment in the hour that autumn repeats comes back as the same instant, wherever it stands."""
    adapter = TypeAdapter(kind)
    text, back = keep(adapter, value, exact=exact)
    for each in (back, read(adapter, text)):  # pydantic writes a moment with its offset
        assert sorted(adapter.dump_json(each)) == sorted(adapter.dump_json(value))


def test_instants_are_compared_in_a_dict_of_another_class() -> None:
    """A dict of another class, which comes back as a plain one, may hold them, too."""
    kind = TypeAdapter(dict[str, list[datetime]])
    assert kind.dump_json(keep(kind, OrderedDict(a=[SECOND])).value) == kind.dump_json({"a": [SECOND]})


@pytest.mark.parametrize("value", [FIRST, [FIRST], {FIRST: 1}, {FIRST}])
def test_another_instant_is_another_value(value: Any) -> None:
    """The same face of the clock is another moment in another zone."""
    moments = Annotated[datetime, AfterValidator(lambda moment: moment.replace(tzinfo=UTC))]
    kind: Any = moments | list[moments] | dict[moments, int] | set[moments]
    with pytest.raises(NotEqual, match="another value"):
        keep(TypeAdapter(kind), value)


class Camel(BaseModel):
    """A model whose JSON has other names."""

    model_config = ConfigDict(alias_generator=to_camel)
    total_count: int
    parts: list["Camel"] = []


class Read(BaseModel):
    """A model that is read under another name than it is written."""

    total: int = Field(0, validation_alias="sum")
    first: int = Field(0, validation_alias=AliasPath("all", 0))
    other: int = Field(0, validation_alias=AliasChoices("one", "two"))


class Written(BaseModel):
    """A model that is written under another name than it is read."""

    model_config = ConfigDict(extra="forbid")
    total: int = Field(serialization_alias="sum")


class Swapped(BaseModel):
    """A model whose fields have each other's names."""

    x: int = Field(0, alias="y")
    y: int = Field(0, alias="x")


class Either(BaseModel):
    """A model that is read by both names, and written by the other one."""

    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True, extra="forbid")
    total: int = Field(alias="sum")


class Rate(BaseModel):
    """A model that computes a field and refuses to be given it."""

    model_config = ConfigDict(extra="forbid")
    hits: float
    reads: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def ratio(self) -> float:
        """Give a number that is in the JSON and no field."""
        return (self.hits or 0) / self.reads


class Raw(BaseModel):
    """A model that holds JSON, under another name."""

    data: Json[list[int]] = Field(alias="text")


class Own(BaseModel):
    """A model that writes other names by itself, and reads no others."""

    total: int = Field(alias="sum")

    @model_validator(mode="before")
    @classmethod
    def look(cls, data: Any) -> Any:
        """Fail as code does that expects its own names."""
        return {"sum": data["sum"]}

    @model_serializer
    def write(self) -> dict[str, int]:
        """Write the other name."""
        return {"sum": self.total}


class Named(TypedDict):
    """A dict with another name in its JSON."""

    total: Annotated[int, Field(alias="sum")]


ALIASED: list[tuple[Any, Any]] = [
    (Camel, Camel(totalCount=1, parts=[Camel(totalCount=2)])),
    (Read, Read(sum=3, all=[4], two=5)),
    (Written, Written(total=1)),
    (Swapped, Swapped(x=1, y=2)),
    (Either, Either(total=1)),
    (Rate, Rate(hits=1, reads=2)),
    (Raw, Raw(text="[1, 2]")),
    (Own, Own(sum=3)),
    (Named, Named(total=1)),
    (dict[str, list[Rate | Read]], {"a": [Rate(hits=1, reads=2), Read(sum=3)]}),
    (Json[dict[str, int]], {"a": 1}),
]


@pytest.mark.parametrize(("kind", "value"), ALIASED)
@pytest.mark.parametrize("exact", [True, False])
def test_models_that_json_can_keep_are_kept(kind: Any, value: Any, exact: bool) -> None:
    """Whatever names a model has in JSON, and whatever it computes or holds as JSON: it comes back."""
    adapter = TypeAdapter(kind)
    text, back = keep(adapter, value, exact=exact)
    assert back == read(adapter, text) == value


class Hidden(BaseModel):
    """A model with a field that is in no JSON."""

    shown: int
    hidden: int = Field(0, exclude=True)


def test_what_truly_cannot_come_back_is_refused_by_its_field() -> None:
    """A field that is never written is named, and none that is computed."""
    with pytest.raises(NotEqual) as error:
        keep(TypeAdapter(Hidden), Hidden(shown=1, hidden=2))
    assert error.value.path == "hidden"
    with pytest.raises(NotEqual) as error:
        keep(TypeAdapter(list[Rate]), [Rate(hits=float("inf"), reads=1)])
    assert error.value.path == "0.hits"


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        (dict[str, list[float]], {"a": [1, None]}, "it is None"),
        (list[Rate], [Rate.model_construct(hits=None, reads=1)], "it is None"),  # type: ignore[arg-type]
        (dict[str, list[float]], {"a": [1, float("inf")]}, "its JSON is refused"),
        (list[Rate], [Rate(hits=float("nan"), reads=1)], "its JSON is refused"),
    ],
)
def test_none_is_told_from_what_json_has_no_number_for(kind: Any, value: Any, reason: str) -> None:
    """Both are null in JSON, and the cure is another."""
    with pytest.raises(NotEqual, match=reason):
        keep(TypeAdapter(kind), value)


def test_computed_fields_are_in_the_text_where_they_may() -> None:
    """Who looks at a stored value sees what a model computes."""
    text, _ = keep(TypeAdapter(Whole), Whole(parts=[Part(share=1)]))
    assert '"count":1' in text


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
        keep(TypeAdapter(kind), value)
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
