"""The schema of a value: what payloads mean tells releases apart, and what is said about them does not."""

from enum import Enum
from typing import Annotated, Any, Literal, NotRequired

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from typing_extensions import TypedDict

from statistics_cache.declaring.fingerprint import fingerprint


def model(**fields: Any) -> TypeAdapter[Any]:
    """Make a model of one name, as two releases declare it, and a model that holds it."""
    made = create_model("Value", **fields)
    return TypeAdapter(create_model("Whole", parts=(list[made], ...)))


def documented(text: str) -> TypeAdapter[Any]:
    """Make a model with words in every place that there is for them."""

    class Kind(Enum):
        A = "a"

    class Part(BaseModel):
        model_config = ConfigDict(title=text, json_schema_extra={"examples": [text], "$comment": text})
        kind: Kind = Field(Kind.A, title=text, description=text, examples=[text], deprecated=bool(text))
        either: int | Annotated[str, Field(description=text)] = text

    Kind.__doc__ = Part.__doc__ = text
    Part.model_rebuild(force=True)
    return TypeAdapter(Annotated[dict[str, Part], Field(title=text, description=text)])


def test_words_do_not_count() -> None:
    """Titles, descriptions, examples and defaults may change as they like, at any depth."""
    assert fingerprint(documented("one"), "") == fingerprint(documented("other"), "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (model(n=(int, 0)), model(n=(int, 1))),
        (model(n=(int, ...)), model(n=(int, 0))),
        (model(n=(int, Field(description="how many"))), model(n=(int, Field(title="N", default_factory=int)))),
    ],
)
def test_defaults_do_not_count(one: TypeAdapter[Any], other: TypeAdapter[Any]) -> None:
    """A payload holds every field: what the code fills in tells nothing of it."""
    assert fingerprint(one, "") == fingerprint(other, "")


class One(TypedDict):
    """A dict."""

    total: int


class Other(TypedDict):
    """Another one."""

    total: NotRequired[float]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (model(title=(int, 0)), model(n=(int, 0))),
        (model(title=(int, 0)), model(title=(str, ""))),
        (model(n=(int, 0), description=(str, "")), model(n=(int, 0))),
        (model(default=(Literal["title"], "title")), model(default=(Literal["default"], "default"))),
        (model(default=(dict[str, int], {})), model(examples=(dict[str, int], {}))),
        (model(n=(int, Field(alias="x"))), model(n=(int, Field(alias="y")))),
        (model(n=(int, Field(alias="x"))), model(m=(int, Field(alias="x")))),
        (model(n=(int, Field(serialization_alias="x"))), model(n=(int, 0))),
        (TypeAdapter(One), TypeAdapter(Other)),
        (TypeAdapter(int), TypeAdapter(float)),
    ],
)
def test_what_a_payload_holds_counts(one: TypeAdapter[Any], other: TypeAdapter[Any]) -> None:
    """Names and types of fields count, whatever the fields are called."""
    assert fingerprint(one, "") != fingerprint(other, "")


def test_the_version_counts() -> None:
    """`version=` tells apart what has one schema."""
    assert len({fingerprint(TypeAdapter(int), version) for version in ("", "1", 2)}) == 3
