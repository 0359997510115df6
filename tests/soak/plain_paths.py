"""Every way to write rows of a plain model that is seen: signals in a transaction, and what is said by hand."""

from collections.abc import Callable
from functools import partial

from django.db import connection

from statistics_cache import invalidates
from tests.models import Paint
from tests.soak.paths import path
from tests.soak.picture import Desk, Row

Run = Callable[[], object]


def pour(desk: Desk) -> Row:
    """Make some paint in the picture."""
    row = Row(desk.color(), desk.amount())
    desk.picture.paints[str(desk.new_key())] = row
    return row


def repaint(desk: Desk, name: str, **values: object) -> tuple[int, Row]:
    """Change some paint in the picture; give the litres by which it is still found, and its new row."""
    old = desk.picture.paints[name]
    new = desk.picture.paints[name] = old._replace(**values)  # type: ignore[arg-type]
    return old.amount, new


@path("plain create", "atomic")
def create(desk: Desk) -> Run:
    """Create some paint."""
    row = pour(desk)
    return lambda: Paint.objects.create(color=row.color, litres=row.amount)


@path("plain save", "atomic")
def save(desk: Desk) -> Run | None:
    """Save new values, which may move the row."""
    for name in desk.some(desk.picture.paints, 1):
        return partial(save_row, *repaint(desk, name, color=desk.color(), amount=desk.amount()))
    return None


def save_row(litres: int, row: Row) -> None:
    """Read, change, save."""
    paint = Paint.objects.get(litres=litres)
    paint.color, paint.litres = row.color, row.amount
    paint.save()


@path("plain update_or_create", "atomic")
def update_or_create(desk: Desk) -> Run | None:
    """Update paint that is there."""
    for name in desk.some(desk.picture.paints, 1):
        litres, row = repaint(desk, name, color=desk.color(), amount=desk.amount())
        return lambda: Paint.objects.update_or_create(
            litres=litres, defaults={"color": row.color, "litres": row.amount}
        )
    return None


@path("plain delete", "atomic")
def delete(desk: Desk) -> Run | None:
    """Delete an instance."""
    for name in desk.some(desk.picture.paints, 1):
        litres = desk.picture.paints.pop(name).amount
        return lambda: Paint.objects.get(litres=litres).delete()
    return None


@path("plain queryset.delete", "atomic")
def delete_all(desk: Desk) -> Run | None:
    """Delete what a queryset selects."""
    gone = [desk.picture.paints.pop(name).amount for name in desk.some(desk.picture.paints)]
    return (lambda: Paint.objects.filter(litres__in=gone).delete()) if gone else None


@path("plain bulk_create within invalidates")
def bulk_create(desk: Desk) -> Run:
    """Create in bulk, which sends no signals, and say so."""
    return partial(create_both, pour(desk), pour(desk))


def create_both(one: Row, other: Row) -> None:
    """Create two rows at once."""
    with invalidates(Paint, color=one.color), invalidates(Paint, color=other.color):
        Paint.objects.bulk_create(Paint(color=row.color, litres=row.amount) for row in (one, other))


@path("plain raw SQL within invalidates")
def raw(desk: Desk) -> Run | None:
    """Write by SQL, and say so."""
    for name in desk.some(desk.picture.paints, 1):
        return partial(write_raw, *repaint(desk, name, amount=desk.amount()))
    return None


def write_raw(litres: int, row: Row) -> None:
    """Set litres in a way that Django cannot see."""
    with invalidates(Paint, color=row.color), connection.cursor() as cursor:
        cursor.execute("UPDATE tests_paint SET litres = %s WHERE litres = %s", [row.amount, litres])
