"""A scope has one text, whether SQL or Python spells it; what SQL cannot spell is every scope, and says so."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import AfterValidator

from statistics_cache import Statistic, statistic
from statistics_cache.changing.watching import scopes_of
from statistics_cache.declaring.keys import EVERY_SCOPE, MAX_LENGTH
from statistics_cache.triggering import installing
from statistics_cache.triggering.describing import watched_on
from tests.models import Kept
from tests.triggering.conftest import empty, logged

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])


class Kind(Enum):
    """Some texts, among them what wants quoting."""

    PLAIN = "plain"
    ODD = 'it\'s "odd" \\ ü'


class Size(IntEnum):
    """Some numbers."""

    SMALL = 1
    LARGE = -2


def by_text(text: str) -> int:
    return 0


def by_text_or_none(text: str | None) -> int:
    return 0


def by_kind(char: Kind | None) -> int:
    return 0


def by_word(char: Literal["plain", "b"]) -> int:
    return 0


def by_size(small: Size) -> int:
    return 0


def by_big(big: int) -> int:
    return 0


def by_flag(boolean: bool | None) -> int:
    return 0


def by_day(date: date | None) -> int:
    return 0


def by_uuid(uuid: UUID | None) -> int:
    return 0


def by_several(uuid: UUID | None, text: str | None, integer: int, boolean: bool) -> int:
    return 0


FORMS: list[Callable[..., int]] = [
    by_text, by_text_or_none, by_kind, by_word, by_size, by_big, by_flag, by_day, by_uuid, by_several
]  # fmt: skip


def declare(function: Callable[..., int]) -> Statistic[..., Any]:
    """Declare a statistic of the columns that its parameters are named like."""
    paths = {name: name for name in function.__annotations__ if name != "return"}
    name = f"tests.{function.__name__}"
    return statistic(name=name, depends_on={Kept: paths}, capture="triggers")(function)


WHOLE = st.integers(-(2**31), 2**31 - 1)
VALUES = {
    "text": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=250),
    "char": st.none() | st.sampled_from([each.value for each in Kind]) | st.text("abc", max_size=2),
    "small": st.none() | st.integers(-3, 3),
    "big": st.none() | st.integers(-(2**63), 2**63 - 1),
    "integer": st.none() | WHOLE,
    "boolean": st.none() | st.booleans(),
    "date": st.none() | st.dates(),
    "uuid": st.none() | st.uuids(),
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(row=st.fixed_dictionaries(VALUES))
@example(row=dict.fromkeys(VALUES) | {"text": "x" * MAX_LENGTH, "date": date.min})
@example(row=dict.fromkeys(VALUES) | {"text": "\x00"})
@example(row=dict.fromkeys(VALUES) | {"text": "".join(map(chr, range(1, 0x100))), "date": date.max})
def test_sql_spells_a_scope_as_python_does(
    declared: list[Statistic[..., Any]], database: str, row: dict[str, Any]
) -> None:
    """Any characters, NULL, several parameters, and texts beyond the width of the column, which end in a hash."""
    if database == "postgres" and "\x00" in (row["text"] or ""):
        return
    empty(database)
    Kept.objects.create(**row)
    found = {each.name: {scope for name, scope in logged(database) if name == each.name} for each in declared}
    for each in declared:
        values = {name: row[name] for name in each.declaration.parameters.adapters}
        expected = scopes_of(each.declaration, values)
        if database == "default" and any("~" in scope[-40:] and len(scope) == MAX_LENGTH for scope in expected):
            assert found[each.name] >= {EVERY_SCOPE}
        else:
            assert found[each.name] == expected


@pytest.fixture
def declared(database: str) -> list[Statistic[..., Any]]:
    """Declare every form, and install the triggers."""
    found = [declare(function) for function in FORMS]
    assert installing.install(database) == []
    return found


def by_price(decimal: Decimal) -> int:
    return 0


def by_moment(moment: datetime) -> int:
    return 0


def by_upper(text: Annotated[str, AfterValidator(str.upper)]) -> int:
    return 0


def by_mixed(text: int) -> int:
    return 0


def test_what_sql_cannot_spell_is_every_scope(database: str) -> None:
    """A Decimal, a moment, a type with a validator, another type than the column's: all fall, and it is said why."""
    several = [declare(function) for function in (by_price, by_moment, by_upper, by_mixed)]
    assert installing.install(database) == []
    empty(database)
    Kept.objects.create(decimal="1.50", text="a", integer=1)
    assert {(name, scope) for name, scope in logged(database)} == {(each.name, EVERY_SCOPE) for each in several}
    (watched,) = watched_on(database)
    assert all(installing.unspelt(database, watch) for watch in watched.watches)
