"""The statistics of each watched family: one of every form that a scope can have. Each gives the rows it is about."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from django.db import connections, router
from django.db.models import QuerySet

from statistics_cache import Source, Statistic, statistic

from .families import Family

Capture = Literal["signals", "triggers"]

LONG = timedelta(days=1)  # nothing here is about age

COLORS = ("red", "blue")
NAMES = ("a", None)
TOWNS = ("york", "bath")
REGIONS = ("north", "south")


@dataclass(frozen=True, eq=False)
class Form:
    """A form of scope: the model, what its parameters mean, and the values that are asked for.

    `reads` are columns of the rows that are given, all of the model's own by default. With `decide` the scope is a
    callable; `fields` are those of the source. In a path, `~` is the family's own prefix of automatic names.
    """

    name: str
    model: str
    paths: dict[str, str] = field(default_factory=dict)
    values: tuple[Any, ...] = ()
    kind: Any = str
    reads: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = None
    decide: Callable[[Any], Any] | None = None


FORMS = (
    Form("own_column", "Item", {"color": "color"}, COLORS),
    Form("attname", "Item", {"order_id": "order_id"}, (1, 2), int),
    Form("foreign_key", "Item", {"order": "order"}, (1, 2), int),
    Form("hop", "Order", {"region": "region__name"}, REGIONS),
    Form("two_hops", "Item", {"region": "order__region__name"}, REGIONS),
    Form("key_at_the_end", "Item", {"region": "order__region_id"}, (1, 2), int),
    Form("to_field", "Line", {"code": "order_id"}, ("A", "B")),
    Form("hops_over_to_field", "Line", {"region": "order__region__name"}, REGIONS),
    Form("generated", "Item", {"shade": "shade"}, ("red", "blue")),
    Form("fields", "Item", reads=("pk", "amount"), fields=("amount",)),
    Form("fields_by_attname", "Item", reads=("pk", "order_id"), fields=("order_id",)),
    Form("generated_in_fields", "Item", reads=("pk", "total"), fields=("total",)),
    Form("scope_and_fields", "Item", {"color": "color"}, COLORS, reads=("pk", "amount"), fields=("amount",)),
    Form("callable", "Item", {"color": "color"}, COLORS, decide=lambda row: {"color": row.color}),
    Form("decimal", "Item", {"price": "price"}, (Decimal("1.00"), Decimal("1.13")), Decimal),
    Form("every_scope", "Item"),
    Form("proxy", "Proxy", {"color": "color"}, COLORS),
    Form("many_to_many", "Item", {"color": "color"}, COLORS, reads=("pk", "tags")),
    Form("automatic_through", "Item.tags", {"color": "~item__color"}, COLORS, reads=("~item", "~tag")),
    Form("through", "Award", {"badge": "badge__name"}, ("gold", "iron")),
    Form("through_from_the_source", "Item", {"color": "color"}, COLORS, reads=("pk", "awards")),
    Form("generic", "Note", {"item": "object_id"}, (1, 2), int),
    Form("self", "Node", {"name": "parent__name"}, NAMES, str | None),
    Form("self_twice", "Node", {"name": "parent__parent__name"}, NAMES, str | None),
    Form("optional", "Node", {"name": "name"}, NAMES, str | None),
    Form("friends", "Node", {"name": "name"}, NAMES, str | None, reads=("pk", "friends")),
    Form("parent", "Place", {"town": "town"}, TOWNS),
    Form("column_of_the_parent", "Bar", {"town": "town"}, TOWNS),
    Form("child", "Bar", {"beer": "beer"}, ("ale", "gin")),
    Form("hop_to_the_childs_parent", "Review", {"town": "bar__town"}, TOWNS),
    Form("reverse_one_to_one", "Person", {"country": "profile__country"}, ("fr", "de")),
    Form("set_null", "Parcel", {"owner": "owner__name"}, ("ann", "bob", None), str | None),
    Form("set_default", "Parcel", {"depot": "depot_id"}, ("main", "east")),
    Form("set_callable", "Parcel", {"desk": "desk_id"}, (1, 2), int),
    Form("set_callable_hop", "Parcel", {"desk": "desk__name"}, ("one", "two")),
    Form("composite", "Stock", {"shop": "shop"}, (0, 1), int),
    Form("hidden", "Doc", {"color": "color"}, COLORS),
    Form("hop_to_hidden", "Page", {"color": "doc__color"}, COLORS),
)


@dataclass(frozen=True)
class Asked:
    """One variant that is read after every turn."""

    statistic: Statistic[..., list[str]]
    parameters: dict[str, Any]

    def __str__(self) -> str:
        """Name the statistic and the parameters."""
        return f"{self.statistic.name.rpartition('.')[2]}({', '.join(map(repr, self.parameters.values()))})"


def declare(family: Family, capture: Capture = "signals") -> list[Asked]:
    """Declare every form on a family, and give what is to be asked."""
    return [asked for form in FORMS for asked in declare_form(family, form, capture)]


def declare_form(family: Family, form: Form, capture: Capture = "signals") -> Iterator[Asked]:
    """Declare one form."""
    name = f"tests.{family.name if capture == 'signals' else f'{family.name}_by_{capture}'}.{form.name}"
    declare = statistic(name=name, ttl=LONG, stale_ttl=LONG, depends_on=depends_on(family, form), capture=capture)
    declared = declare(function(family, form))
    parameter = next(iter(form.paths), "")
    for value in form.values if form.paths else (None,):
        yield Asked(declared, {parameter: value} if parameter else {})


def depends_on(family: Family, form: Form) -> list[Source]:
    """Give the source of a form."""
    paths = {name: own_path(family, path) for name, path in form.paths.items()}
    return [Source(model_of(family, form), scope=form.decide or paths or None, fields=form.fields)]


def own_path(family: Family, path: str) -> str:
    """Give a path as it is in one family."""
    return path.replace("~", family.prefix.lower())


def model_of(family: Family, form: Form) -> Any:
    """Give a form's model; `Item.tags` means the table between the two."""
    name, _, many_to_many = form.model.partition(".")
    model = family.models[name]
    return getattr(model, many_to_many).through if many_to_many else model


def function(family: Family, form: Form) -> Callable[..., list[str]]:
    """Give the function of a form: it lists rows as the database has them, past every manager."""

    def rows(**chosen: Any) -> list[str]:
        """Give the rows of a variant; where its value is None, of every variant."""
        using = router.db_for_read(family.Item)
        with connections[using].cursor() as cursor:
            cursor.execute(*statement(family, form, using, tuple(chosen.items())))
            return [str(row) for row in cursor.fetchall()]

    rows.__name__ = rows.__qualname__ = form.name
    rows.__annotations__ = {**dict.fromkeys(form.paths, form.kind), "return": list[str]}
    rows.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=form.kind) for name in form.paths]
    )
    return rows


@cache
def statement(family: Family, form: Form, using: str, chosen: tuple[tuple[str, Any], ...]) -> tuple[str, Any]:
    """Give the statement of a variant: worked out once, for it is run after every turn."""
    model = model_of(family, form)
    columns = [own_path(family, path) for path in form.reads]
    columns = columns or [each.attname for each in model._meta.concrete_fields]
    wanted = {own_path(family, form.paths[name]): value for name, value in chosen if value is not None}
    query = QuerySet(model).filter(**wanted).order_by(*columns).values_list(*columns).query
    sql, params = query.get_compiler(using).as_sql()
    return sql, params
