"""Saves of plain models and of sources: nested, refused, told by hand; what they lock, and whom they wait for."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from statistics_cache import statistic
from statistics_cache.changing.ongoing import ongoing
from statistics_cache.changing.receiving import RECEIVERS
from statistics_cache.models import StatisticInvalidation
from tests.changing.meanwhile import closing, elsewhere, statements
from tests.conftest import BACKENDS, Backend
from tests.models import Item, Label, Order, Paint, Region
from tests.samples import amounts_by_region, shades, tints
from tests.waiting import PATIENCE

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)

COLORS = ("red", "blue", "gray", "pink")
KINDS = [Paint, Item]  # a plain model, and a source


def new(model: Any, color: str = "red") -> Any:
    """Store a row of either kind."""
    values: dict[str, Any] = {}
    if model is Item:
        values["order"] = Order.objects.create(region=Region.objects.create(name="north"))
    return model.objects.create(color=color, **values)


def counts(model: Any) -> Any:
    """Give the statistic that counts a kind by colour."""
    return shades if model is Paint else tints


def is_true(model: Any) -> bool:
    """Tell whether each colour is answered as it is computed."""
    return [counts(model)(color) for color in COLORS] == [counts(model).compute(color) for color in COLORS]


@contextmanager
def received(signal: ModelSignal, model: Any, receiver: Callable[..., None], *, early: bool = False) -> Iterator[None]:
    """Have a receiver of the user's, behind ours or, if it connected earlier, before them."""
    before = list(signal.receivers)
    signal.connect(receiver, sender=model, weak=False)
    if early:
        signal.receivers.insert(0, signal.receivers.pop())
        signal.sender_receivers_cache.clear()
    try:
        yield
    finally:
        signal.receivers[:] = before
        signal.sender_receivers_cache.clear()


def block(backend: Backend, *, in_block: bool) -> AbstractContextManager[Any]:
    """Give a transaction, or none."""
    return transaction.atomic(using=backend.database) if in_block else nullcontext()


def once(act: Callable[[Any], object]) -> Callable[..., None]:
    """Make a receiver that does something the first time."""
    left = [act]

    def receiver(instance: Any, **_: Any) -> None:
        while left:
            left.pop()(instance)

    return receiver


def paint_over(color: str) -> Callable[[Any], None]:
    """Save the same instance again, under another colour."""

    def act(instance: Any) -> None:
        instance.color = color
        instance.save()

    return act


def paint_another_over(instance: Any) -> None:
    """Save the row by another instance of it."""
    for other in type(instance).objects.filter(pk=instance.pk):
        paint_over("gray")(other)


def paint_the_row(instance: Any) -> None:
    """Write the row by a query."""
    type(instance).objects.filter(pk=instance.pk).update(color="gray")


NESTED: dict[str, Callable[[Any], object]] = {
    "the same instance": paint_over("gray"),
    "another instance": paint_another_over,
    "a new row": lambda instance: new(type(instance), "gray"),
}


@ON_BOTH
@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("in_block", [False, True])
@pytest.mark.parametrize("name", NESTED)
def test_saves_nest(backend: Backend, model: Any, name: str, in_block: bool) -> None:
    """A receiver that saves, before or after a save or before a deletion, whether it is connected before ours or
    behind: every scope that the row was ever in falls."""
    for signal in (pre_save, post_save, pre_delete):
        for early in (False, True):
            row = new(model)
            assert is_true(model)
            row.color = "blue"
            with received(signal, model, once(NESTED[name]), early=early), block(backend, in_block=in_block):
                row.delete() if signal is pre_delete else row.save()
            assert is_true(model), (signal, early)


@ON_BOTH
@pytest.mark.parametrize("model", KINDS)
def test_a_save_that_raised_is_no_part_of_the_next_one(backend: Backend, model: Any) -> None:
    """An instance whose save raised, by a receiver or by the database, is saved as any other afterwards."""

    def refuse(**_: Any) -> None:
        raise ZeroDivisionError

    row = new(model)
    assert is_true(model)
    for signal in (pre_save, post_save):
        row.color = "blue"
        with suppress(ZeroDivisionError), received(signal, model, refuse):
            row.save()
        assert is_true(model)
        row.color = "gray"
        row.save()
        assert is_true(model)
    row.pk, row.color = None, "pink"
    with pytest.raises(IntegrityError):
        model(pk=model.objects.get().pk, color="blue", **({"order": row.order} if model is Item else {})).save(
            force_insert=True
        )
    row.save()
    assert is_true(model)


def test_a_save_that_raised_keeps_no_instance(backend: Backend) -> None:
    """What is noted of saves under way is gone with their instances."""

    def refuse(**_: Any) -> None:
        raise ZeroDivisionError

    others = ongoing(backend.database).slots  # of tests before this one, whose instances an error's traceback keeps
    with received(pre_save, Paint, refuse):
        for _ in range(20):
            with suppress(ZeroDivisionError):
                Paint(color="red").save()
    gc.collect()
    Paint.objects.create(color="red")
    assert [slot for slot in ongoing(backend.database).slots if slot not in others] == []


def labels() -> int:
    """Count the labels."""
    return Label.objects.count()


@ON_BOTH
@pytest.mark.parametrize("signal", [post_save, post_delete])
def test_ours_are_the_first_to_hear(backend: Backend, signal: ModelSignal) -> None:
    """What a receiver of the user's raises, though it was connected before, comes after the change is logged."""

    def refuse(**_: Any) -> None:
        raise ZeroDivisionError

    for each, ours in RECEIVERS.items():
        each.disconnect(sender=Label, dispatch_uid=f"statistics_cache.{ours.__name__}")
    row = Label.objects.create(slug="a")
    with received(signal, Label, refuse):
        declared = statistic(name="tests.labels", depends_on=[Label])(labels)
        declared()
        with pytest.raises(ZeroDivisionError):
            row.delete() if signal is post_delete else Label.objects.create(slug="b")
        assert declared() == labels() == (1 if signal is post_delete else 2)


BY_HAND: dict[str, Callable[[Paint], object]] = {
    "post_save": lambda row: post_save.send(sender=Paint, instance=row),
    "post_save as packages send it": lambda row: post_save.send(Paint, instance=row, created=False, raw=False),
    "post_save of a new row": lambda row: post_save.send(Paint, instance=row, created=True, using=None),
    "both": lambda row: (pre_save.send(Paint, instance=row), post_save.send(Paint, instance=row)),
    "post_delete": lambda row: post_delete.send(sender=Paint, instance=row),
    "both of a deletion": lambda row: (pre_delete.send(Paint, instance=row), post_delete.send(Paint, instance=row)),
}


@ON_BOTH
@pytest.mark.parametrize("name", BY_HAND)
def test_a_signal_that_is_sent_by_hand_drops_every_scope(backend: Backend, name: str) -> None:
    """Packages send signals themselves, with few arguments, around writes of their own: what was written is unknown."""
    row = new(Paint)
    assert is_true(Paint)
    BY_HAND[name](row)
    assert [color for color in COLORS if shades.is_fresh(color)] == []


@pytest.mark.parametrize("signal", [pre_save, pre_delete])
def test_a_signal_that_announces_what_never_comes_does_no_harm(backend: Backend, signal: ModelSignal) -> None:
    """A save or deletion that was announced by hand and never made: later writes are seen as ever."""
    row = new(Paint)
    assert is_true(Paint)
    signal.send(sender=Paint, instance=row)
    row.color = "blue"
    row.save()
    assert is_true(Paint)
    row.delete()
    assert is_true(Paint)


# Statements and locks


@ON_BOTH
@pytest.mark.parametrize("model", KINDS)
@pytest.mark.parametrize("in_block", [False, True])
def test_no_statement_of_ours_comes_before_the_user_s_own(backend: Backend, model: Any, in_block: bool) -> None:
    """What is read of a row is read when its statement comes: a receiver that refuses a write has cost nothing."""

    def refuse(**_: Any) -> None:
        raise ZeroDivisionError

    row = new(model)
    for signal, act in ((pre_save, row.save), (pre_delete, row.delete)):
        with received(signal, model, refuse), block(backend, in_block=in_block):
            said = statements(backend, lambda act=act: suppressed(act))  # type: ignore[misc]
        ours = (f'FROM "{model._meta.db_table}" WHERE', StatisticInvalidation._meta.db_table)
        assert [sql for sql in said if any(text in sql for text in ours)] == []


def suppressed(act: Callable[[], object]) -> None:
    """Do what a receiver refuses."""
    with suppress(ZeroDivisionError):
        act()


LOCKING: dict[str, tuple[Callable[[Any], object], str]] = {
    "save": (lambda row: row.save(), "FOR NO KEY UPDATE"),
    "save of some fields": (lambda row: row.save(update_fields=["color"]), "FOR NO KEY UPDATE"),
    "delete": (lambda row: row.delete(), "FOR UPDATE"),
}
LOCKING_SOURCES: dict[str, tuple[Callable[[Any], object], str]] = {
    "update": (lambda row: Item.objects.filter(pk=row.pk).update(color="blue"), "FOR NO KEY UPDATE"),
    "bulk_update": (lambda row: Item.objects.bulk_update([row], ["color"]), "FOR NO KEY UPDATE"),
    "delete by a queryset": (lambda row: Item.objects.filter(pk=row.pk).delete(), "FOR UPDATE"),
}
ALL_LOCKING = [(model, *LOCKING[name]) for name in LOCKING for model in KINDS]
ALL_LOCKING += [(Item, *LOCKING_SOURCES[name]) for name in LOCKING_SOURCES]


@ON_POSTGRES
@pytest.mark.parametrize(("model", "act", "lock"), ALL_LOCKING)
def test_rows_are_locked_as_their_statement_locks_them(
    backend: Backend, model: Any, act: Callable[[Any], object], lock: str
) -> None:
    """In a block: a lock of the kind that the statement takes, right before it, on the bare rows of its own table."""
    row = new(model)
    with transaction.atomic(using=backend.database):
        said = [sql for sql in statements(backend, lambda: act(row)) if not sql.startswith("INSERT")]
    locking = [sql for sql in said if " FOR " in sql]
    assert f'"{model._meta.db_table}"' in "".join(locking)
    for sql in locking:
        table = sql.partition(" FROM ")[2].partition(" ")[0]
        assert sql.endswith(f" {lock}")
        assert "JOIN" not in sql
        assert "ORDER BY" not in sql
        assert said[said.index(sql) + 1].partition(f" {table} ")[0] in ("UPDATE", "DELETE FROM")


@ON_BOTH
def test_a_plain_model_s_rows_are_not_locked_in_autocommit(backend: Backend) -> None:
    """Outside a block a save of a plain model locks nothing that its own statement does not."""
    row = new(Paint)
    assert [sql for sql in statements(backend, row.save) if " FOR " in sql] == []


@ON_POSTGRES
@pytest.mark.parametrize("act", [Order.save, lambda order: Order.objects.filter(pk=order.pk).update(note="new")])
def test_rows_that_refer_to_a_saved_one_do_not_wait_for_it(backend: Backend, act: Callable[[Order], object]) -> None:
    """Whoever saves an order keeps nobody from adding lines to it: what refers to a row needs its key alone."""
    order = new(Item).order
    assert amounts_by_region("north").count == 1
    with transaction.atomic(using=backend.database):
        act(order)
        elsewhere(add_line, order.pk)  # it would wait for us, and we for it
    assert amounts_by_region("north").count == 2


def add_line(order: int) -> None:
    """Add an item to an order, without waiting for anybody for long."""
    database = Item.objects.db
    with transaction.atomic(using=database):
        with connections[database].cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {int(PATIENCE * 1000)}")
        Item.objects.create(order_id=order, color="red")


@ON_POSTGRES
def test_two_who_save_their_order_and_add_a_line_to_the_other_s_both_do(backend: Backend) -> None:
    """Each saves its own order, then adds to the other's: no deadlock, as there is none by Django alone."""
    orders = [new(Item).order for _ in range(2)]
    with ThreadPoolExecutor(2) as threads, transaction.atomic(using=backend.database):
        orders[0].save()
        theirs = threads.submit(closing, save_and_add, orders[1].pk, orders[0].pk)
        theirs.result(PATIENCE)
        Item.objects.create(order=orders[1], color="red")
    assert Item.objects.count() == 4
    assert amounts_by_region("north").count == 4


def save_and_add(own: int, other: int) -> None:
    """Save one order, and add to the other."""
    with transaction.atomic(using=Item.objects.db):
        Order.objects.get(pk=own).save()
        Item.objects.create(order_id=other, color="red")


@ON_BOTH
def test_a_save_that_moves_nothing_of_interest_logs_nothing(backend: Backend) -> None:
    """A row on a path that changes in another column concerns nobody."""
    order = new(Item).order
    StatisticInvalidation.objects.all().delete()
    order.note = "hello"
    order.save()
    assert not StatisticInvalidation.objects.exists()
