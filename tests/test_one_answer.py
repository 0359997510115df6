"""One answer, one type: who computes gets what all others get, and what is handed out or in is nobody else's."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import caches
from django.db import transaction
from django.utils.html import format_html
from pydantic import BaseModel, Json

from statistics_cache import Statistic, statistic
from statistics_cache.cold import rows as cold
from tests.models import Paint

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

BERLIN = ZoneInfo("Europe/Berlin")
TWICE = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)  # in the hour that autumn repeats


class Priced(BaseModel):
    """A model that validates nothing when a field is set."""

    price: float
    moments: dict[str, list[datetime]]


def badge() -> str:
    """Return a text of another class, which templates do not escape."""
    return format_html("<b>{}</b>", 3)


def by_color() -> dict[str, int]:
    """Return a dict of another class, where a missing key is 0."""
    return Counter(["red", "red"])


def mean() -> float:
    """Return a number that no float equals, as `Avg` of a DecimalField does."""
    return Decimal("1.6")  # type: ignore[return-value]


def means() -> list[dict[str, float]]:
    """Return such numbers further down."""
    return [{"price": Decimal("1.6")}]  # type: ignore[dict-item]


def exact() -> float:
    """Return a whole number that no float equals."""
    return 2**53 + 1


def months() -> list[datetime]:
    """Return moments of a zone of their own."""
    return [TWICE.replace(fold=fold) for fold in (0, 1)]


def priced() -> Priced:
    """Return a model that holds what its annotations do not say."""
    made = Priced(price=0, moments={"a": [TWICE]})
    made.price = Decimal("0.1")  # type: ignore[assignment]
    return made


VALUES = [badge, by_color, mean, means, exact, months, priced]


def types_of(value: Any) -> Any:
    """Give the types of a value, at every depth; of a moment its zone's, too."""
    if isinstance(value, BaseModel):
        return type(value), types_of(dict(value))
    if isinstance(value, dict):
        return type(value), {key: types_of(each) for key, each in value.items()}
    if isinstance(value, list):
        return type(value), list(map(types_of, value))
    return (datetime, type(value.tzinfo), value.utcoffset()) if isinstance(value, datetime) else type(value)


def outer() -> list[str]:
    """Use another statistic."""
    value: Any = INNER[0]()
    return [repr(types_of(value)), repr(value)]


INNER: list[Statistic[..., Any]] = []


@pytest.mark.parametrize("function", VALUES, ids=lambda function: function.__name__)
def test_who_computes_gets_what_all_others_get(function: Callable[[], Any], conf: Any) -> None:
    """Whatever the function returned: computed, refreshed, hot, cold, bypassed and disabled, it is one value of one
    type."""
    declared: Any = statistic(name="tests.one", depends_on=[Paint])(function)
    given = [declared(), declared.refresh().value, declared.answer().value]
    caches["statistics"].clear()
    given += [declared(), declared.get_many([{}])[0].value, declared.entry().value, declared.get()]
    with transaction.atomic(using=cold.alias_of(declared.declaration)):
        Paint.objects.create(color="red", litres=1)
        given.append(declared())
    conf(ENABLED=False)
    given.append(declared())
    assert all(types_of(each) == types_of(given[0]) for each in given)
    assert all(each == given[0] for each in given)


@pytest.mark.parametrize("function", VALUES, ids=lambda function: function.__name__)
def test_another_statistic_gets_it_too(function: Callable[[], Any]) -> None:
    """Within a compute an inner statistic gives the same, computed there or found."""
    declared: Any = statistic(name="tests.one")(function)
    INNER[:] = [declared]
    wrapped: Any = statistic(name="tests.outer")(outer)
    computed_there = wrapped.refresh().value
    assert computed_there == [repr(types_of(declared())), repr(declared())] == wrapped.refresh().value


def collect(
    colors: list[str],
    limits: dict[str, int] = {"most": 3},  # noqa: B006
    raw: Json[dict[str, int]] = '{"a": 1}',  # type: ignore[assignment]
) -> dict[str, int]:
    """Do to its arguments what no function should."""
    given = {"colors": len(colors), "limits": len(limits), "raw": len(raw)}
    colors.append("more")
    limits["more"] = 1
    raw["more"] = 1
    return given


def test_what_a_function_does_to_an_argument_reaches_nobody() -> None:
    """Neither the caller's own objects, nor defaults, nor the next compute."""
    declared: Any = statistic(name="tests.collect")(collect)
    colors, limits = ["red"], {"most": 3}
    for _ in range(2):
        assert declared.refresh(colors).value == {"colors": 1, "limits": 1, "raw": 1}
        assert declared.refresh(colors, limits, '{"a": 1}').value == {"colors": 1, "limits": 1, "raw": 1}
    assert (colors, limits) == (["red"], {"most": 3})


class Asked(BaseModel, frozen=True):
    """A frozen model that holds a dict."""

    limits: dict[str, int]


DEFAULT = Asked(limits={"most": 3})


def ask(asked: Asked = DEFAULT) -> int:
    """Change what is frozen on the outside only."""
    asked.limits["more"] = 1
    return len(asked.limits)


def test_a_frozen_argument_is_made_anew_all_the_same() -> None:
    """A frozen model's dict is no more shared than any other: by default, by hand, or through `hydrate=`."""
    asked = Asked(limits={"most": 3})
    declared: Any = statistic(name="tests.ask", hydrate=[{"asked": asked}])(ask)
    assert [declared.refresh().value for _ in range(2)] == [2, 2]
    assert [declared.refresh(asked).value for _ in range(2)] == [2, 2]
    assert [declared.hydrate()[0].value, asked] == [2, Asked(limits={"most": 3})]


def count(colors: list[str]) -> list[str]:
    """Return the very list it was given."""
    return colors


def test_what_is_handed_out_is_nobody_elses() -> None:
    """A caller may change values, parameters and variants: the next one gets what was computed and declared."""
    declared: Any = statistic(name="tests.count", hydrate=[{"colors": ["red"]}])(count)
    for _ in range(3):
        assert declared(["red"]) == ["red"]
        declared(["red"]).append("blue")
        declared.get_many([{"colors": ["red"]}] * 2)[0].value.append("blue")
        declared.entry(["red"]).parameters["colors"].append("blue")
        declared.variants()[0]["colors"].append("blue")
        assert declared.entry(["red"]).parameters == declared.variants()[0] == {"colors": ["red"]}
        assert declared.hydrate()[0].value == ["red"]


def test_a_default_found_by_its_variant_stays_what_it_is() -> None:
    """A remembered call's parameters are not shared either."""
    declared: Any = statistic(name="tests.collect")(collect)
    declared.refresh(["red"])
    declared.entry(["red"]).parameters["limits"]["more"] = 1
    assert declared.entry(["red"]).parameters["limits"] == {"most": 3}


def since(start: datetime) -> list[datetime]:
    """Tell which moment it was given."""
    return [start]


@pytest.mark.parametrize("fold", [0, 1])
def test_a_parameter_may_lie_in_the_repeated_hour(fold: int) -> None:
    """A moment of the hour that autumn repeats is a parameter like any other, and stays the instant that it is."""
    declared: Any = statistic(name="tests.since")(since)
    (found,) = declared(TWICE.replace(fold=fold))
    assert found.astimezone(UTC) == TWICE.replace(fold=fold).astimezone(UTC)
