"""What goes through the queue comes out as the same variant, whatever characters it holds."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from io import StringIO
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from celery import current_app
from django.core.management import call_command
from hypothesis import given, reject
from hypothesis import strategies as st
from pydantic import BaseModel, BeforeValidator, ConfigDict, Json
from pydantic.alias_generators import to_camel

from statistics_cache import ParameterError, statistic
from statistics_cache.api import registry
from statistics_cache.broker import queue
from statistics_cache.broker.queue import Wanted
from statistics_cache.broker.schedule import REFRESH
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Variant
from statistics_cache.entry import Generations
from tests.messages import Messages
from tests.samples import Color


class Mixed(Enum):
    """Members that JSON tells apart by type alone."""

    ONE = 1
    TEXT = "1"


class Camel(BaseModel):
    """A model whose JSON has other names."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)
    total_count: int


def day_of(value: object) -> object:
    """Take a day of a month for the day; what it gives, it would not take."""
    return date(2026, 1, int(value)) if isinstance(value, str) and len(value) < 3 else value


def plain(text: str, number: int, flag: bool, day: date, amount: Decimal, one: UUID, color: Color, kind: Mixed) -> int:
    """Have a parameter of each type."""
    return 1


def perhaps(
    text: str | None,
    number: int | None,
    flag: bool | None,
    day: date | None,
    amount: Decimal | None,
    one: UUID | None,
    color: Color | None,
    mixed: int | str | None,
    chosen: Literal["a", "1", 1] | None,
    moment: datetime | None,
) -> int:
    """Have parameters of which each may be missing, or of another type."""
    return 1


TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NUL, too, which are refused by name
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "number": st.integers(),
    "flag": st.booleans(),
    "day": st.dates(),
    "amount": st.decimals(allow_nan=False, allow_infinity=False),
    "one": st.uuids(),
    "color": st.sampled_from(Color),
    "kind": st.sampled_from(Mixed),
}
OTHERS: dict[str, st.SearchStrategy[Any]] = {
    "mixed": st.integers() | TEXT,
    "chosen": st.sampled_from(["a", "1", 1]),
    "moment": st.datetimes(timezones=st.none() | st.timezones()),
}
PERHAPS = {name: st.none() | values for name, values in (VALUES | OTHERS).items() if name != "kind"}


def through_the_queue(function: Any, values: dict[str, Any]) -> tuple[Variant, Variant]:
    """Publish what a call means, decode it as a worker does; give the variants before and after.

    What the function gets is the same before and after: equal values of equal types.
    """
    declared: Any = registry.named.get("tests.sent") or statistic(name="tests.sent")(function)
    try:
        variant = declared.declaration.variant((), values)
    except ParameterError:
        reject()
    task = current_app.tasks[REFRESH]
    queue.send(task, Wanted(declared.declaration, variant, Generations(0, 0), None, None))
    (message,) = Messages().take()
    restored = registry.get(message["statistic"]).declaration.restore(message["parameters"])
    given, got = (list(declared.declaration.arguments(each).values()) for each in (variant, restored))
    assert (given, list(map(type, given))) == (got, list(map(type, got)))
    return variant, restored


@given(st.fixed_dictionaries(VALUES))
def test_a_variant_comes_through_the_queue(values: dict[str, Any]) -> None:
    """Parameters of every plain type: equal values of equal types, one key, one scope."""
    before, after = through_the_queue(plain, values)
    assert after == before


@given(st.fixed_dictionaries(PERHAPS))
def test_an_optional_parameter_comes_through_the_queue(values: dict[str, Any]) -> None:
    """None stays None, and what JSON could confuse stays what it is."""
    before, after = through_the_queue(perhaps, values)
    assert after == before


def nested(raw: Json[dict[str, int]], read: Camel, day: Annotated[date, BeforeValidator(day_of)] = "7") -> str:  # type: ignore[assignment]
    """Have parameters that are written otherwise than they are validated."""
    raw["more"] = 1
    return f"{len(raw)} {read.total_count} {day}"


@pytest.mark.django_db(databases=["default", "postgres"])
def test_what_is_validated_from_another_form_comes_through_the_queue() -> None:
    """A worker, a row and a command read what was written, and validate nothing twice."""
    declared: Any = statistic(name="tests.sent")(nested)
    assert declared('{"a": 1}', Camel(totalCount=3)) == "2 3 2026-01-07"
    variant, restored = through_the_queue(nested, {"raw": '{"a": 1}', "read": Camel(totalCount=3)})
    assert declared.declaration.call(variant) == declared.declaration.call(restored) == "2 3 2026-01-07"
    assert declared.declaration.restore('{"raw":"{}","read":{"total_count":1}}').texts["day"] == '"2026-01-07"'
    (stored,) = cold.stored_variants(declared.declaration, {})
    assert stored == [variant]
    call_command("refresh_statistics", "tests.sent", "--force", stdout=(told := StringIO()))
    assert "refreshed 1" in told.getvalue()


@pytest.mark.parametrize("text", ["", "null", '"', "\\u0000", "\n", "é", "𝄞", "{}", "%s", "a" * 4_000])
def test_odd_texts_come_through_the_queue(text: str) -> None:
    """Texts that look like something else stay texts."""
    values = dict.fromkeys(PERHAPS, None) | {"text": text, "mixed": text}
    before, after = through_the_queue(perhaps, values)
    assert after == before
    assert json.loads(after.texts["text"]) == json.loads(after.texts["mixed"]) == text
