"""The one walk over field paths: `check` refuses what it cannot follow, and the watching follows the same steps."""

from functools import lru_cache
from typing import Any, NamedTuple

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from statistics_cache.declaring.parameters import did_you_mean
from statistics_cache.fields import NO_PAD_COLLATIONS


class Unresolved(LookupError):
    """A model or a path that leads nowhere; the text says at which step, and what there is instead."""

    is_of_models = True  # so a log line may show its text, which holds no value of a row


class Hop(NamedTuple):
    """A step from a row to the one row of another table that it leads to.

    `columns` of the row equal `joins` of the other one, which is of `model`; `rest` is the path from there. Where it is
    not `certain`, the other row may come after the one that leads to it.
    """

    columns: tuple[str, ...]
    model: type[Model]
    joins: tuple[str, ...]
    rest: str
    certain: bool


class Trail(NamedTuple):
    """A path from the rows of a table: over which rows it leads, and the field at its end."""

    model: type[Model]
    path: str
    hops: tuple[Hop, ...]
    field: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """Give the row's own columns (attnames) that the path begins with."""
        return self.hops[0].columns if self.hops else columns_of(self.field)

    @property
    def is_blind(self) -> bool:
        """Tell whether the column at the end may compare texts that differ as equal: then no text names the scope."""
        return getattr(self.field, "db_collation", None) not in (None, "", *NO_PAD_COLLATIONS) or any(
            base.__name__ in CASELESS for base in type(self.field).__mro__
        )


CASELESS = {"CICharField", "CIEmailField", "CITextField"}  # of django.contrib.postgres, and its copies


def walk(model: type[Model], path: str) -> Trail:
    """Follow a path from a model's rows. Raises Unresolved at the step that fails."""
    start = table = concrete(model)
    hops: list[Hop] = []
    rest = path
    while True:
        step, split, after = rest.partition("__")
        field = find_field(table, step)
        home = concrete(field.model)
        if home is not table and issubclass(table, home):  # a column of a parent's table
            hop = hop_to_parent(table, home, rest)
        elif split:
            hop = hop_over(table, field, step, after)
        elif is_from_other_end(field):
            hop = hop_over(table, field, step, "pk")
        else:
            return Trail(start, path, tuple(hops), field)
        hops.append(hop)
        table, rest = hop.model, hop.rest


def hop_over(table: type[Model], field: Any, step: str, rest: str) -> Hop:
    """Step over a relation that leads to one row, in either direction."""
    related = field.related_model
    if not isinstance(related, type):
        raise Unresolved(f"{table._meta.label}.{step} is no relation, so nothing can follow it.")
    if is_from_other_end(field):
        here, there = field.field.foreign_related_fields, field.field.local_related_fields
        return Hop(names_of(here), concrete(related), names_of(there), rest, certain=False)
    here, there = field.local_related_fields, field.foreign_related_fields
    return Hop(names_of(here), concrete(related), names_of(there), rest, certain=is_held(field))


def is_from_other_end(field: Any) -> bool:
    """Tell whether a field is a one-to-one relation from its other end: a column of the other row leads here."""
    return bool(field.auto_created and not field.concrete)


def hop_to_parent(table: type[Model], home: type[Model], rest: str) -> Hop:
    """Step from a child's row to its parent's."""
    link: Any = table._meta.get_ancestor_link(home)
    here, there = link.local_related_fields, link.foreign_related_fields
    return Hop(names_of(here), concrete(link.related_model), names_of(there), rest, certain=True)


def is_held(field: Any) -> bool:
    """Tell whether the database lets no row refer to one that is not there."""
    return bool(getattr(field, "db_constraint", False))


def find_field(model: type[Model], step: str) -> Any:
    """Give a field that has one value per row. Raises Unresolved with the nearest one."""
    options = model._meta
    if step == "pk":
        return options.pk
    try:
        field = options.get_field(step)
    except FieldDoesNotExist as wrong:
        known = {field.name: field for field in options.get_fields() if has_one_value(field)}
        raise Unresolved(f"{options.label} has no field {step!r}.{did_you_mean(step, known)}") from wrong
    if is_to_many(field):
        raise Unresolved(f"{options.label}.{step} has many values per row.")
    if not has_one_value(field):
        raise Unresolved(f"{options.label}.{step} is made of other fields (a generic relation?). Name those.")
    return field


def is_to_many(field: Any) -> bool:
    """Tell whether a field has many values per row."""
    return bool(field.one_to_many or field.many_to_many)


def has_one_value(field: Any) -> bool:
    """Tell whether a field is a column, or a relation of columns, or a one-to-one relation from its other end."""
    if is_to_many(field):
        return False
    is_made_of_columns = bool(getattr(field, "column", None) or getattr(field, "from_fields", None))
    return is_made_of_columns or is_key_of_columns(field) or bool(field.one_to_one and field.auto_created)


def is_key_of_columns(field: Any) -> bool:
    """Tell whether a field is a composite primary key."""
    return bool(getattr(field, "field_names", None))


def columns_of(field: Any) -> tuple[str, ...]:
    """Give the columns (attnames) that hold a field's own value: several for a composite key."""
    if is_key_of_columns(field):
        return names_of(field.fields)
    if not getattr(field, "concrete", False) or not field.column:  # a relation of columns
        return names_of(field.local_related_fields)
    return (field.attname,)


def names_of(fields: Any) -> tuple[str, ...]:
    """Give the attributes that hold fields' own values."""
    return tuple(field.attname for field in fields)


def concrete(model: type[Model]) -> type[Model]:
    """Give the model that has the table: a proxy's, or the model itself."""
    found: type[Model] = model._meta.concrete_model or model
    return found


def chain(model: type[Model]) -> list[type[Model]]:
    """Give the models whose tables hold a row: a child's row lies in its parents' tables, too."""
    own = concrete(model)
    return list(dict.fromkeys([own, *map(concrete, own._meta.get_parent_list())]))


def path_from(place: type[Model], model: type[Model], path: str) -> str:
    """Give a path of a model as it is from a parent's rows. Raises Unresolved where none leads there."""
    home = concrete(find_field(model, path.partition("__")[0]).model)
    if place is concrete(model) or issubclass(place, home):
        return path
    below = next(each for each in chain(model) if place in map(concrete, each._meta.parents))
    link: Any = below._meta.get_ancestor_link(place)
    if link.remote_field.hidden:
        raise Unresolved(f"{place._meta.label} has no name for its {below._meta.label}.")
    return f"{link.remote_field.name}__{path_from(below, model, path)}"


@lru_cache(maxsize=4_096)
def made_of(field: Any) -> frozenset[str]:
    """Give the columns (attnames) whose change changes a field: its own, and those that the database makes it of."""
    if not field.generated:
        return frozenset({field.attname})
    made = field.expression.resolve_expression(field._query, allow_joins=False)
    return frozenset({field.attname, *(column.target.attname for column in field._query._gen_cols([made]))})
