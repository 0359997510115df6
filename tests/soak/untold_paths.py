"""What Django writes and sends no signal of, in autocommit, too, telling nobody: triggers see it, and it is delivered.

COPY is not, for no cursor of Django's sees it: another program's path, which is noticed later.
"""

from collections.abc import Callable
from functools import partial

from django.db import connection
from django.db.models import F

from tests.models import Order, Paint
from tests.soak.declared import OWNERS
from tests.soak.paths import path
from tests.soak.picture import Desk
from tests.soak.plain_paths import pour, repaint

Run = Callable[[], object]


@path("untold bulk_create of a plain model", triggers=True)
def bulk_create(desk: Desk) -> Run:
    """Create in bulk."""
    rows = [pour(desk), pour(desk)]
    return lambda: Paint.objects.bulk_create(Paint(color=row.color, litres=row.amount) for row in rows)


@path("untold update of a plain model", triggers=True)
def update(desk: Desk) -> Run | None:
    """Update by a queryset, which may move the row."""
    for name in desk.some(desk.picture.paints, 1):
        litres, row = repaint(desk, name, color=desk.color(), amount=desk.amount())
        return lambda: Paint.objects.filter(litres=litres).update(color=row.color, litres=row.amount)
    return None


@path("untold update by expression of a plain model", triggers=True)
def update_by(desk: Desk) -> Run | None:
    """Have the database add something."""
    for name in desk.some(desk.picture.paints, 1):
        more = OWNERS * desk.random.randint(1, 1000)
        litres, _ = repaint(desk, name, amount=desk.picture.paints[name].amount + more)
        return lambda: Paint.objects.filter(litres=litres).update(litres=F("litres") + more)
    return None


@path("untold update of a row on the path", triggers=True)
def update_order(desk: Desk) -> Run:
    """Move an order with all its items."""
    order, region = desk.order(), desk.region()
    desk.picture.orders[order] = region
    return lambda: Order.objects.filter(pk=order).update(region=region)


@path("untold raw SQL", triggers=True)
def raw(desk: Desk) -> Run | None:
    """Write by SQL."""
    for sku in desk.some(desk.picture.items, 1):
        row = desk.change(sku, color=desk.color(), amount=desk.amount(), order=desk.order())
        sql = "UPDATE tests_item SET color = %s, amount = %s, order_id = %s WHERE sku = %s"
        return partial(execute, sql, row.color, row.amount, row.order, sku)
    return None


def execute(sql: str, *values: str | int) -> None:
    """Run a statement on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values)


@path("untold delete by SQL", triggers=True)
def delete(desk: Desk) -> Run | None:
    """Delete paint by SQL."""
    for name in desk.some(desk.picture.paints, 1):
        return partial(execute, "DELETE FROM tests_paint WHERE litres = %s", desk.picture.paints.pop(name).amount)
    return None
