"""The walk over field paths: over which rows each leads, by which columns, and what leads nowhere."""

from typing import Any

import pytest
from django.db import models
from django.db.models import CASCADE, DO_NOTHING, CharField, ForeignKey, ForeignObject, IntegerField, OneToOneField
from django.test.utils import isolate_apps

from statistics_cache.changing.walking import Unresolved, chain, made_of, path_from, walk
from tests.differential.families import SOURCE
from tests.models import GiftItem, Item, Order, PlainItem, Post, PostLabel, Region, Slip

TIES = Item.tags.through

# By model and path: the row's own columns, and the tables that the path leads over.
PATHS: dict[tuple[Any, str], tuple[tuple[str, ...], list[Any]]] = {
    (Item, "color"): (("color",), []),
    (Item, "order"): (("order_id",), []),
    (Item, "order_id"): (("order_id",), []),
    (Item, "order__pk"): (("order_id",), [Order]),
    (Item, "order__region"): (("order_id",), [Order]),
    (Item, "order__region_id"): (("order_id",), [Order]),
    (Item, "order__region__name"): (("order_id",), [Order, Region]),
    (Item, "pk"): (("id",), []),
    (PlainItem, "color"): (("color",), []),
    (TIES, "item__color"): (("item_id",), [Item]),
    (SOURCE.Line, "order__region__name"): (("order_id",), [SOURCE.Order, SOURCE.Region]),
    (SOURCE.Item, "shade"): (("shade",), []),
    (SOURCE.Node, "parent__parent__name"): (("parent_id",), [SOURCE.Node, SOURCE.Node]),
    (SOURCE.Note, "content_type__model"): (
        ("content_type_id",),
        [SOURCE.Note._meta.get_field("content_type").related_model],
    ),
    # composite keys
    (SOURCE.Stock, "pk"): (("shop", "sku"), []),
    # children: their parents' columns lie in other tables
    (GiftItem, "pk"): (("item_ptr_id",), []),
    (GiftItem, "wrapping"): (("wrapping",), []),
    (GiftItem, "color"): (("item_ptr_id",), [Item]),
    (GiftItem, "order__note"): (("item_ptr_id",), [Item, Order]),
    (Item, "giftitem__wrapping"): (("id",), [GiftItem]),
    (Item, "giftitem__color"): (("id",), [GiftItem, Item]),
    (SOURCE.Review, "bar__town"): (("bar_id",), [SOURCE.Bar, SOURCE.Place]),
    # one-to-one relations, from either end
    (SOURCE.Profile, "person__name"): (("person_id",), [SOURCE.Person]),
    (SOURCE.Person, "profile__country"): (("id",), [SOURCE.Profile]),
    (SOURCE.Person, "profile"): (("id",), [SOURCE.Profile]),  # whose own key is meant
    (SOURCE.Parcel, "owner__profile__country"): (("owner_id",), [SOURCE.Person, SOURCE.Profile]),
}


@pytest.mark.parametrize(("model", "path"), PATHS, ids=lambda each: getattr(each, "__name__", each))
def test_a_path_leads_over_known_rows(model: Any, path: str) -> None:
    """Own columns, and each table on the way: whoever writes one of these moves a scope, and nobody else."""
    trail = walk(model, path)
    assert (trail.columns, [hop.model for hop in trail.hops]) == PATHS[model, path]


@pytest.mark.parametrize(("model", "path"), PATHS, ids=lambda each: getattr(each, "__name__", each))
def test_the_rest_of_a_path_leads_to_the_same_end(model: Any, path: str) -> None:
    """From each row on the way the rest of the path leads over the rows that are left, to the same column."""
    trail = walk(model, path)
    for number, hop in enumerate(trail.hops, 1):
        rest = walk(hop.model, hop.rest)
        assert ([each.model for each in rest.hops], rest.field) == (
            [each.model for each in trail.hops[number:]],
            trail.field,
        )
        assert len(hop.joins) == len(hop.columns)


def test_a_step_by_another_key_joins_by_it() -> None:
    """A relation with `to_field` is followed by that column, not by the primary key."""
    assert walk(SOURCE.Line, "order__note").hops[0].joins == ("code",)
    assert walk(PostLabel, "post__kind").hops[0].joins == ("slug",)


NOWHERE: dict[tuple[Any, str], str] = {
    (Item, ""): "tests.Item has no field ''",
    (Item, "colour"): "Did you mean 'color'?",
    (Item, "order__regio"): "Did you mean 'region'?",
    (Item, "order__"): "tests.Order has no field ''",
    (Item, "order__region__"): "tests.Region has no field ''",
    (Item, "color__"): "tests.Item.color is no relation",
    (Item, "color__lower"): "tests.Item.color is no relation",
    (Item, "tags"): "tests.Item.tags has many values",
    (Item, "tags__name"): "tests.Item.tags has many values",
    (Order, "item__color"): "tests.Order.item has many values",
    (Post, "labels__slug"): "tests.Post.labels has many values",
    (SOURCE.Item, "notes__kind"): "Item.notes has many values",
    (SOURCE.Note, "target"): "Note.target is made of other fields",
    (SOURCE.Note, "target__color"): "Note.target is made of other fields",
}


@pytest.mark.parametrize(("model", "path"), NOWHERE, ids=lambda each: getattr(each, "__name__", each))
def test_what_leads_to_no_one_value_is_refused(model: Any, path: str) -> None:
    """To many values, to a generic relation, to no field: refused at the step that fails, by name."""
    with pytest.raises(Unresolved) as refused:
        walk(model, path)
    assert NOWHERE[model, path] in str(refused.value)


@isolate_apps("tests")
def test_a_relation_of_several_columns_is_followed_by_all_of_them() -> None:
    """A ForeignObject leads on by its columns; nothing holds the row that it names, which may come later."""

    class Remark(models.Model):  # noqa: DJ008  (has no rows)
        """What names a row by both columns of its key."""

        shop = IntegerField()
        sku = CharField(max_length=20)
        stock = ForeignObject(
            SOURCE.Stock, on_delete=DO_NOTHING, from_fields=["shop", "sku"], to_fields=["shop", "sku"], related_name="+"
        )

        class Meta:
            """No table."""

            app_label = "tests"

    (hop,) = walk(Remark, "stock__amount").hops
    assert (hop.columns, hop.model, hop.joins, hop.certain) == (("shop", "sku"), SOURCE.Stock, ("shop", "sku"), False)
    assert walk(Remark, "stock").columns == ("shop", "sku")


def test_only_what_the_database_holds_is_certain_to_be_there() -> None:
    """A row may come after those that lead to it: without a constraint, and from the other end of one-to-one."""
    assert walk(Item, "order__note").hops[0].certain
    assert walk(GiftItem, "color").hops[0].certain
    assert not walk(Slip, "order__note").hops[0].certain
    assert not walk(SOURCE.Person, "profile__country").hops[0].certain


@isolate_apps("tests")
def test_texts_that_a_column_takes_for_equal_name_no_scope() -> None:
    """A column with a collation, or without case, is blind, also at the end of a path; any other is not."""

    class CICharField(CharField):  # type: ignore[type-arg]
        """What django.contrib.postgres had."""

    class Blind(models.Model):  # noqa: DJ008  (has no rows)
        """Columns that tell texts apart, and columns that may not."""

        plain = CharField(max_length=9)
        collated = CharField(max_length=9, db_collation="nocase")
        caseless = CICharField(max_length=9)
        other = ForeignKey("self", on_delete=CASCADE, related_name="+")

        class Meta:
            """No table."""

            app_label = "tests"

    blind = {path for path in ("plain", "collated", "caseless", "other__collated") if walk(Blind, path).is_blind}
    assert blind == {"collated", "caseless", "other__collated"}


def test_a_row_lies_in_the_tables_of_all_its_parents() -> None:
    """A child's row is one in its own table and one in each parent's; a proxy's is one of its model."""
    assert [chain(model) for model in (Item, PlainItem, GiftItem)] == [[Item], [Item], [GiftItem, Item]]


def test_a_path_of_a_child_is_found_from_its_parents_rows() -> None:
    """What the child has lies behind the link; what the parent has is its own."""
    assert path_from(Item, GiftItem, "wrapping") == "giftitem__wrapping"
    assert path_from(Item, GiftItem, "order__note") == "order__note"
    assert path_from(SOURCE.Place, SOURCE.Bar, "beer") == "bar__beer"


@isolate_apps("tests")
def test_a_link_without_a_name_leads_nowhere() -> None:
    """From a parent whose link to the child is hidden no path leads to what the child has."""

    class Parent(models.Model):  # noqa: DJ008  (has no rows)
        """A parent."""

        class Meta:
            """No table."""

            app_label = "tests"

    class Child(Parent):  # noqa: DJ008  (has no rows)
        """A child that its parent does not know of."""

        link = OneToOneField(Parent, on_delete=CASCADE, parent_link=True, related_name="+")
        own = CharField(max_length=9)

        class Meta:
            """No table."""

            app_label = "tests"

    with pytest.raises(Unresolved):
        walk(Parent, path_from(Parent, Child, "own"))


def test_a_generated_column_changes_with_what_it_is_made_of() -> None:
    """A write of the columns in its expression is a write of it."""
    made = {name: made_of(SOURCE.Item._meta.get_field(name)) for name in ("shade", "total", "color")}
    assert made == {"shade": {"shade", "color"}, "total": {"total", "amount"}, "color": {"color"}}
