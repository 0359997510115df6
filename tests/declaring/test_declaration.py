"""What `@statistic` refuses at import, by name and with the cure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from typing import Any, ClassVar, Optional

import pytest
from django.core.management import call_command
from pydantic import BaseModel, field_validator

from statistics_cache import DeclarationError, ParameterError, PayloadError, Source, statistic
from statistics_cache.declaring.declaration import MAX_REMEMBERED
from tests.samples import Color, stock


def no_annotation(color) -> int: ...  # type: ignore[no-untyped-def, empty-body]
def no_result(color: str): ...  # type: ignore[no-untyped-def]
def star_args(*colors: str) -> int: ...  # type: ignore[empty-body]
def star_kwargs(**colors: str) -> int: ...  # type: ignore[empty-body]
async def coroutine() -> int: ...  # type: ignore[empty-body]
def generator() -> Iterator[int]:
    yield 1


def optional() -> int | None: ...
def old_optional() -> Optional[int]: ...  # noqa: UP045
def none() -> None: ...
def anything() -> Any: ...
def reserved_wait(wait: bool) -> int: ...  # type: ignore[empty-body]
def reserved_tier(tier: str) -> int: ...  # type: ignore[empty-body]
def reserved_consistency(consistency: str) -> int: ...  # type: ignore[empty-body]
def reserved_token(token: str) -> int: ...  # type: ignore[empty-body]
def reserved_result(result: str) -> int: ...  # type: ignore[empty-body]
def reserved_stale(allow_stale: bool) -> int: ...  # type: ignore[empty-body]
def unresolved(color: "Nowhere") -> int: ...  # type: ignore[name-defined, empty-body]  # noqa: F821
def unknown_type(color: object) -> Iterator[int]: ...  # type: ignore[empty-body]
def fine(color: Color = Color.RED) -> int:
    return 1


class Holder:
    """Holds a method."""

    def method(self) -> int: ...  # type: ignore[empty-body]


def nested() -> Any:
    """Give a nested function."""

    def inner() -> int: ...  # type: ignore[empty-body]

    return inner


REFUSED = [
    (no_annotation, "'color' has no annotation"),
    (no_result, "result has no annotation"),
    (star_args, r"\*colors is open-ended"),
    (star_kwargs, r"\*\*colors is open-ended"),
    (coroutine, "async def"),
    (generator, "generator"),
    (optional, "may be None"),
    (old_optional, "may be None"),
    (none, "may be None"),
    (anything, "may be None"),
    (reserved_wait, "'wait' is an argument"),
    (reserved_tier, "'tier' is an argument"),
    (reserved_consistency, "'consistency' is an argument"),
    (reserved_token, "'token' is an argument"),
    (reserved_result, "'result' is an argument"),
    (reserved_stale, "'allow_stale' is an argument"),
    (unresolved, "Nowhere"),
    (unknown_type, "nothing that pydantic keeps"),
    (Holder.method, "method"),
    (nested(), "nested function"),
    (Holder, "no function"),
]


@pytest.mark.parametrize(("function", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_refused_by_name_with_the_cure(function: Any, message: str) -> None:
    """Each refusal names the function, says what is wrong, and ends with a sentence that says what to do."""
    with pytest.raises(DeclarationError, match=message) as refusal:
        statistic()(function)
    assert function.__name__ in str(refusal.value)
    assert ". " in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ttl": timedelta(minutes=5), "stale_ttl": timedelta(minutes=4)}, "is below ttl"),
        ({"ttl": timedelta(0)}, "above 0"),
        ({"stale_ttl": timedelta(seconds=-1)}, "above 0"),
        ({"ttl": 300}, "timedelta"),
        ({"on_change": "drop"}, "'expire' or 'revalidate'"),
        ({"depends_on": "tests.Paint"}, r"\[Model\]"),
        ({"depends_on": [7]}, "no model"),
        ({"depends_on": {"tests.Paint": 7}}, "scope of tests.Paint"),
        ({"name": "not a name"}, "no name"),
        ({"hydrate": {"color": "red"}}, "hydrate is {'color': 'red'}. Give True, a list of mappings"),
        ({"hydrate": "red"}, "hydrate is 'red'"),
        ({"hydrate": None}, "hydrate is None"),
        ({"name": "x" * 101}, "no name"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    """A wrong option is named, with what to write."""
    with pytest.raises(DeclarationError, match=message):
        statistic(**options)(fine)


def square(number: int, /, power: int = 2) -> int:
    return number**power  # type: ignore[no-any-return]


@pytest.mark.django_db
def test_a_parameter_by_position_alone_can_be_named() -> None:
    """Where there is JSON, parameters have names; the function itself is called as it wants to be."""
    squared: Any = statistic(name="tests.square", hydrate=[{"number": 3}])(square)
    assert [squared(3), squared(number=3), squared(3, power=3)] == [9, 9, 27]
    assert [each.value for each in squared.get_many([{"number": 3}, {"number": 2, "power": 3}])] == [9, 8]
    assert [squared.hydrate()[0].value, squared.refresh(3).value, squared.get(number=3)] == [9, 9, 9]
    assert squared.declaration.restore('{"number":3,"power":2}').key == "tests.square:number=3,power=2"
    call_command("refresh_statistics", "tests.square", "--force", "--params", '{"number": 3}', stdout=StringIO())
    assert squared.clear(number=3) == 2
    squared.invalidate(2)
    assert squared.get(2, 3) is None
    with pytest.raises(ParameterError, match="missing a required argument: 'number'"):
        squared()


def test_without_parentheses_is_refused() -> None:
    """`@statistic` alone names the cure."""
    with pytest.raises(DeclarationError, match="with parentheses"):
        statistic(fine)


def test_a_function_outside_every_app_wants_a_name() -> None:
    """A statistic is named for its app; without one the name is to be given."""
    namespace: dict[str, Any] = {"__name__": "nowhere.at.all"}
    exec("def lonely() -> int: ...", namespace)  # noqa: S102
    with pytest.raises(DeclarationError, match="INSTALLED_APPS"):
        statistic()(namespace["lonely"])


def test_the_name_is_app_and_function() -> None:
    """Names are `app_label.function_name`."""
    assert stock.name == "tests.stock"
    assert stock.__name__ == "stock"
    assert stock.__doc__ == stock.declaration.function.__doc__
    assert repr(stock) == "<statistic tests.stock>"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("green",), {}, "'color' is 'green'"),
        ((), {}, "missing a required argument"),
        (("red", "blue"), {}, "too many positional"),
        (("red",), {"double": True}, "Did you mean 'doubled'"),
        (("red",), {"doubled": "perhaps"}, "'doubled' is 'perhaps'"),
    ],
)
def test_wrong_arguments_are_named(args: tuple[Any, ...], kwargs: dict[str, Any], message: str) -> None:
    """A call that does not fit says which statistic and which parameter."""
    with pytest.raises(ParameterError, match=message) as error:
        stock(*args, **kwargs)
    assert "tests.stock" in str(error.value)


def test_remembered_calls_are_bounded_and_keep_types_apart() -> None:
    """A call of plain values is validated once; 1, True and "1" are remembered apart; memory is bounded."""
    declaration = statistic(name="tests.remembering")(remembering).declaration
    variants = [declaration.variant((value,), {}) for value in (1, True, "1", 1)]
    assert variants[0] is variants[3]
    assert len({variant.key for variant in variants}) == 3
    for number in range(MAX_REMEMBERED + 10):
        declaration.variant((number,), {})
    assert len(declaration.remembered) <= MAX_REMEMBERED


def test_the_oldest_call_is_forgotten() -> None:
    """One call more than are remembered makes one be forgotten, the oldest, and no other."""
    declaration = statistic(name="tests.remembering")(remembering).declaration
    variants = [declaration.variant((number,), {}) for number in range(MAX_REMEMBERED + 1)]
    again = [declaration.variant((number,), {}) for number in range(1, MAX_REMEMBERED + 1)]
    assert all(one is other for one, other in zip(variants[1:], again, strict=True))
    assert declaration.variant((0,), {}) is not variants[0]


def test_long_texts_are_not_remembered() -> None:
    """What a call's arguments take is bounded as well: long texts are validated each time."""
    declaration = statistic(name="tests.remembering")(remembering).declaration
    for text in ("short", "x" * 5_000):
        declaration.variant((text,), {})
        declaration.variant((), {"value": text})
    assert {variant.texts["value"] for variant in declaration.remembered.values()} == {'"short"'}


@pytest.mark.parametrize("value", [10**5000, [10**5000], "x" * 1_000_000], ids=type)
def test_a_value_that_cannot_be_shown_is_named_all_the_same(value: Any) -> None:
    """A number that Python does not write, or a huge text, is an error of a few words, by its parameter."""
    sized = statistic(name="tests.sized")(count_up_to)
    for verb in (sized, sized.get, sized.invalidate):
        with pytest.raises(ParameterError, match=r"tests\.sized: parameter 'size' is") as error:
            verb(value)
        assert len(str(error.value)) < 300


def count_up_to(size: int) -> int:
    """Take a number."""
    return size


@pytest.mark.parametrize("error", [AttributeError("old"), TypeError("old"), KeyError("old"), RecursionError("old")])
def test_a_stored_text_that_breaks_a_validator_is_no_value(error: Exception) -> None:
    """Whatever a validator raises on what older code stored, the text is none of the statistic's values."""
    declaration = statistic(name="tests.picky")(picky).declaration
    Picky.error = error
    with pytest.raises(PayloadError, match=f"tests.picky: a stored text is no value of it: {type(error).__name__}"):
        declaration.decode('{"size": 1}')


class Picky(BaseModel):
    """Cannot read what was stored."""

    error: ClassVar[Exception]
    size: int

    @field_validator("size")
    @classmethod
    def refuse(cls, _: int) -> int:
        """Fail as code does that expects another shape."""
        raise cls.error


def picky() -> Picky:
    """Have a value that is never read."""
    return Picky(size=1)


@pytest.mark.parametrize("given", [["eu"], "eu", {"color": "red"}, None, [None]])
def test_many_variants_are_mappings(given: Any) -> None:
    """What is no mapping of parameters is named with what to write instead."""
    with pytest.raises(ParameterError, match=r"get_many of tests.stock (holds .*; write \{'color'|is .* Give a list)"):
        stock.get_many(given)


def remembering(value: int | bool | str) -> int:
    """Take values that are equal in Python and different as JSON."""
    return 1


def measure(amount: Decimal, at: datetime) -> int:
    """Take values that lie beyond what a column holds."""
    return 1


@pytest.mark.parametrize("amount", [Decimal("1E+9999999"), Decimal("-1E-9999999"), Decimal(0)])
@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)])
@pytest.mark.parametrize("hours", [-23, 0, 23])
def test_a_scope_may_lie_beyond_every_column(amount: Decimal, at: datetime, hours: int) -> None:
    """No UTC holds the first and last hours of some zones, and no arithmetic some numbers: they have scopes, too."""
    sources = [Source("tests.Paint", {"amount": "litres", "at": "color"})]
    declared = statistic(name="tests.measure", depends_on=sources)(measure)
    moment = at.replace(tzinfo=timezone(timedelta(hours=hours)))
    variant = declared.declaration.variant((amount, moment), {})
    assert declared.declaration.restore(variant.json) == variant
    assert len(variant.scopes) == 1
