"""Which values may be believed as they are in memory: those that every database keeps as they are."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from django.db import models

# A closed list of field classes and exact types. Not on it: what a column rounds, casts, moves to another time zone or
# pads, what a subclass of the field changes on the way, and what only the database works out.
AS_IT_IS: dict[type[Any], type[Any]] = {
    models.CharField: str,
    models.SlugField: str,
    models.EmailField: str,
    models.URLField: str,
    models.TextField: str,
    models.AutoField: int,
    models.BigAutoField: int,
    models.SmallAutoField: int,
    models.IntegerField: int,
    models.BigIntegerField: int,
    models.SmallIntegerField: int,
    models.PositiveIntegerField: int,
    models.PositiveBigIntegerField: int,
    models.PositiveSmallIntegerField: int,
    models.BooleanField: bool,
    models.DateField: date,
    models.UUIDField: UUID,
}
RELATIONS = (models.ForeignKey, models.OneToOneField)


def is_kept(field: Any, value: object) -> bool:
    """Tell whether every database gives this value back as it is from the column of this field."""
    while type(field) in RELATIONS:
        field = field.target_field
    return value is None or AS_IT_IS.get(type(field)) is type(value)


def are_kept(model: type[models.Model], values: Iterable[tuple[str, object]]) -> bool:
    """Tell whether all values, by attname, are kept as they are."""
    return all(is_kept(model._meta.get_field(name), value) for name, value in values)
