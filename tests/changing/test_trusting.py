"""Which values are believed from memory: those, and only those, that every database gives back as they are."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, models, transaction
from django.utils.safestring import SafeString
from hypothesis import given
from hypothesis import strategies as st

from statistics_cache.changing.trusting import AS_IT_IS, are_kept, is_kept
from tests.conftest import BACKENDS, Backend
from tests.differential.families import SOURCE
from tests.models import Item, Kept
from tests.samples import Color

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("char", "slug", "email", "url", "text"), TEXTS),
    "small": st.integers(-(2**15), 2**15 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "positive_small": st.integers(0, 2**15 - 1),
    "positive": st.integers(0, 2**31 - 1),
    "positive_big": st.integers(0, 2**63 - 1),
    "boolean": st.booleans(),
    "date": st.dates(),
    "uuid": st.uuids(),
}


def is_same(one: object, other: object) -> bool:
    """Tell whether two values are one, and of one type."""
    return type(one) is type(other) and one == other


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
@pytest.mark.django_db(databases=["default", "postgres"])
def test_what_is_believed_is_what_the_database_gives_back(backend: Backend) -> None:
    """Any value of any column on the list: written and read again it is the same."""

    @given(st.fixed_dictionaries(VALUES))
    def holds(values: dict[str, Any]) -> None:
        assert are_kept(Kept, values.items())
        row = Kept.objects.create(**values)
        found = Kept.objects.filter(pk=row.pk).values(*values).get()
        assert [name for name in values if not is_same(found[name], values[name])] == []

    holds()


# What a column rounds, casts, cuts off, or moves to another zone; what no class says; what only looks like its type.
OTHERS: dict[str, list[Any]] = {
    "char": [1, True, Decimal("1.50"), SafeString("a"), Color.RED, date(2026, 1, 1), models.F("text"), b"a"],
    "text": [1.0, ["a"], UUID(int=1)],
    "integer": ["1", "01", 1.0, 1.5, True, Decimal(1)],
    "boolean": [1, 0, "true", "f"],
    "date": [datetime(2026, 1, 1, 23, 59, tzinfo=UTC), "2026-01-01"],
    "uuid": ["00000000000000000000000000000001", 1],
    "decimal": [Decimal("1.005"), Decimal(1), 1, 1.1],
    "real": [0.1, 1, -0.0],
    "moment": [datetime(2026, 1, 1, tzinfo=UTC)],
    "time": [time(1, 2, 3)],
    "json": [{"a": 1}, [1], 1, "a"],
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_column_may_change_is_not_believed(name: str) -> None:
    """Values of another type, of a subclass, or of a column that changes what it is given, are read again."""
    field = Kept._meta.get_field(name)
    assert [value for value in OTHERS[name] if is_kept(field, value)] == []


@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
@pytest.mark.django_db(databases=["default", "postgres"])
def test_what_is_not_believed_is_changed_by_some_column(backend: Backend) -> None:
    """It is not for nothing: of most such values the database gives back another one, or none."""
    changed = 0
    for name, values in OTHERS.items():
        for value in values:
            try:
                with transaction.atomic(using=backend.database):
                    row = Kept.objects.create(**{name: value})
            except (DataError, TypeError, ValueError, ValidationError):
                continue
            changed += not is_same(Kept.objects.values_list(name, flat=True).get(pk=row.pk), value)
    assert changed > len(OTHERS)


def test_none_is_kept_by_every_column() -> None:
    """NULL is NULL."""
    assert all(is_kept(field, None) for field in Kept._meta.concrete_fields)


def subclassed(base: type[Any]) -> Any:
    """Make a field of a user's own: it may change values on the way."""
    return type("Own", (base,), {})()


def test_a_field_of_one_s_own_is_not_believed() -> None:
    """A subclass of a field on the list is not on it."""
    examples: dict[type[Any], Any] = {str: "a", int: 1, bool: True, date: date(2026, 1, 1), UUID: UUID(int=1)}
    for base, kept in AS_IT_IS.items():
        assert is_kept(base(), examples[kept])
        assert not is_kept(subclassed(base), examples[kept])


RELATIONS: dict[str, tuple[Any, Callable[[], Any], bool]] = {
    "a number": (Item, lambda: Item._meta.get_field("order"), True),
    "a text, by to_field": (SOURCE.Line, lambda: SOURCE.Line._meta.get_field("order"), False),
}


@pytest.mark.parametrize("name", RELATIONS)
def test_a_relation_is_believed_as_the_column_that_it_refers_to(name: str) -> None:
    """What a key may hold is decided at its end."""
    _, field, is_number = RELATIONS[name]
    assert (is_kept(field(), 1), is_kept(field(), "A")) == (is_number, not is_number)
