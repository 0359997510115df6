"""What another program writes, by SQL on a connection of its own: nobody but triggers sees it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import sleep
from typing import Any

from tests.soak.declared import COLORS, SHARED_ITEMS, SHARED_ORDERS
from tests.soak.item_paths import poured_over
from tests.soak.paths import path
from tests.soak.picture import Desk, Row
from tests.soak.plain_paths import pour, repaint
from tests.soak.relation_paths import tie, tied
from tests.soak.shared_paths import LONGEST
from tests.soak.sharing import Place

Run = Callable[[], object]
ITEM = "(order_id, color, amount, note, sku)"
GIVEN = "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::text[], %s::text[])"
strange = partial(path, when="past Django", triggers=True)


def columns(rows: Mapping[str, Row]) -> list[list[object]]:
    """Give the values of items, column by column."""
    return list(map(list, zip(*values(rows), strict=True)))


def values(rows: Mapping[str, Row]) -> list[tuple[object, ...]]:
    """Give the values of items, row by row."""
    return [(row.order, row.color, row.amount, "", sku) for sku, row in rows.items()]


def copy(line: Any, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Fill a table."""
    with line.cursor() as cursor, cursor.copy(sql) as lines:
        for row in rows:
            lines.write_row(row)


@strange("SQL: INSERT")
def insert(desk: Desk) -> Run:
    """Store several items at once."""
    rows = columns(desk.new_items(2))
    return lambda: desk.line.execute(f"INSERT INTO tests_item {ITEM} {GIVEN}", rows)


@strange("SQL: COPY")
def copy_items(desk: Desk) -> Run:
    """Load several items."""
    rows = values(desk.new_items(3))
    return lambda: copy(desk.line, f"COPY tests_item {ITEM} FROM STDIN", rows)


@strange("SQL: UPDATE that moves")
def update(desk: Desk) -> Run | None:
    """Give several rows a colour and an amount."""
    color, amount, chosen = desk.color(), desk.amount(), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, color=color, amount=amount)
    sql = "UPDATE tests_item SET color = %s, amount = %s WHERE sku = ANY(%s)"
    return (lambda: desk.line.execute(sql, [color, amount, chosen])) if chosen else None


@strange("SQL: UPDATE of a relation")
def update_order(desk: Desk) -> Run | None:
    """Move several rows to one order."""
    order, chosen = desk.order(), desk.some(desk.picture.items)
    for sku in chosen:
        desk.change(sku, order=order)
    sql = "UPDATE tests_item SET order_id = %s WHERE sku = ANY(%s)"
    return (lambda: desk.line.execute(sql, [order, chosen])) if chosen else None


@strange("SQL: upsert")
def upsert(desk: Desk) -> Run | None:
    """Store some rows and write over others, moving them."""
    rows = poured_over(desk)
    if not rows:
        return None
    names = ("order_id", "color", "amount")
    written = ", ".join(f"{name} = excluded.{name}" for name in names)
    sql = f"INSERT INTO tests_item {ITEM} {GIVEN} ON CONFLICT (sku) DO UPDATE SET {written}"
    return lambda: desk.line.execute(sql, columns(rows))


@strange("SQL: DELETE, and what is tied")
def delete(desk: Desk) -> Run | None:
    """Delete items and their tags by one statement."""
    chosen = desk.some(desk.picture.items)
    for sku in chosen:
        del desk.picture.items[sku]
    sql = """
        WITH untied AS (DELETE FROM tests_item_tags WHERE item_id IN (SELECT id FROM tests_item WHERE sku = ANY(%s)))
        DELETE FROM tests_item WHERE sku = ANY(%s)
    """
    return (lambda: desk.line.execute(sql, [chosen, chosen])) if chosen else None


@strange("SQL: tie")
def add(desk: Desk) -> Run | None:
    """Add a tag to an item."""
    tag = desk.random.choice(desk.picture.tags)
    for sku in desk.some((sku for sku, row in desk.picture.items.items() if tag not in row.tags), 1):
        tie(desk, sku, desk.picture.items[sku].tags | {tag})
        sql = "INSERT INTO tests_item_tags (item_id, tag_id) SELECT id, %s FROM tests_item WHERE sku = %s"
        return lambda: desk.line.execute(sql, [tag, sku])
    return None


@strange("SQL: untie")
def remove(desk: Desk) -> Run | None:
    """Remove all tags from an item."""
    for sku in tied(desk):
        tie(desk, sku, frozenset())
        sql = "DELETE FROM tests_item_tags t USING tests_item i WHERE i.id = t.item_id AND i.sku = %s"
        return lambda: desk.line.execute(sql, [sku])
    return None


@strange("SQL: move of a row on the path")
def move_order(desk: Desk) -> Run:
    """Move an order with all its items."""
    order, region = desk.order(), desk.region()
    desk.picture.orders[order] = region
    return lambda: desk.line.execute("UPDATE tests_order SET region_id = %s WHERE id = %s", [region, order])


@strange("SQL: paint INSERT")
def insert_paint(desk: Desk) -> Run:
    """Store some paint."""
    row = pour(desk)
    sql = "INSERT INTO tests_paint (color, litres) VALUES (%s, %s)"
    return lambda: desk.line.execute(sql, [row.color, row.amount])


@strange("SQL: paint COPY")
def copy_paint(desk: Desk) -> Run:
    """Load some paint."""
    rows = [(row.color, row.amount) for row in (pour(desk), pour(desk))]
    return lambda: copy(desk.line, "COPY tests_paint (color, litres) FROM STDIN", rows)


@strange("SQL: paint MERGE")
def merge(desk: Desk) -> Run | None:
    """Change the paint that is there, and store other."""
    for name in desk.some(desk.picture.paints, 1):
        litres, old = repaint(desk, name, color=desk.color())
        new = pour(desk)
        sql = """
            MERGE INTO tests_paint p USING (VALUES (%s::int, %s::text), (%s, %s)) v (litres, color)
            ON p.litres = v.litres WHEN MATCHED THEN UPDATE SET color = v.color
            WHEN NOT MATCHED THEN INSERT (color, litres) VALUES (v.color, v.litres)
        """
        return lambda: desk.line.execute(sql, [litres, old.color, new.amount, new.color])
    return None


@strange("SQL: paint deleted, and stored anew, by one statement")
def replace(desk: Desk) -> Run | None:
    """Delete paint, and store as much of another colour."""
    for name in desk.some(desk.picture.paints, 1):
        litres, row = repaint(desk, name, color=desk.color())
        sql = """
            WITH gone AS (DELETE FROM tests_paint WHERE litres = %s RETURNING litres)
            INSERT INTO tests_paint (color, litres) SELECT %s, litres FROM gone
        """
        return lambda: desk.line.execute(sql, [litres, row.color])
    return None


@strange("SQL: paint DELETE")
def delete_paint(desk: Desk) -> Run | None:
    """Delete paint."""
    for name in desk.some(desk.picture.paints, 1):
        litres = desk.picture.paints.pop(name).amount
        return lambda: desk.line.execute("DELETE FROM tests_paint WHERE litres = %s", [litres])
    return None


@strange("SQL: shared UPDATE")
def update_shared(desk: Desk) -> Run:
    """Move an item that all writers move."""
    key, place = desk.random.choice(SHARED_ITEMS), desk.place()
    sql = "UPDATE tests_item SET color = %s, order_id = %s, amount = amount + 1 WHERE id = %s RETURNING amount"
    return partial(move_shared, desk, sql, [COLORS[place.first], place.order, key], place)


@strange("SQL: shared move of a row on the path")
def move_shared_order(desk: Desk) -> Run:
    """Move an order that all writers move."""
    key, region = desk.random.choice(SHARED_ORDERS), desk.region()
    sql = "UPDATE tests_order SET region_id = %s, note = note::int + 1 WHERE id = %s RETURNING note"
    return partial(move_shared, desk, sql, [region, key], Place(region))


def move_shared(desk: Desk, sql: str, given: list[Any], place: Place) -> None:
    """Write down the version that a row has now, under its lock, and where it is; commit a little later."""
    with desk.line.transaction():
        version, key = int(desk.line.execute(sql, given).fetchone()[0]), given[-1]
        desk.touched[key] = version
        desk.plan_shared(key, version, place)
        sleep(desk.random.uniform(0, LONGEST))
