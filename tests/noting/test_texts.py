"""What the text of a statement says of the tables that it reads."""

import pytest

from statistics_cache.noting.texts import Column, blocks_of, tables_of

READ = {
    'SELECT "a"."x" FROM "a" INNER JOIN "b" ON ("a"."b_id" = "b"."id")': "a b",
    "select * from a, b as bb left join public.c using (x), d": "a b c d",
    "SELECT * FROM ((a JOIN b ON ((a.x = b.x))) JOIN c ON (true)), d WHERE x IN (SELECT 1 FROM e)": "a b c d e",
    "SELECT 1 FROM `a` UNION ALL (SELECT 1 FROM `b` ORDER BY 1) INTERSECT SELECT 1 FROM c": "a b c",
    "SELECT (SELECT max(x) FROM b) FROM ONLY a, LATERAL (SELECT * FROM c) AS l": "a b c",
    "WITH a AS (SELECT * FROM a), b (x) AS MATERIALIZED (SELECT 1 FROM a) SELECT * FROM a, b, c": "a c",
    "WITH RECURSIVE t AS (SELECT 1 FROM a UNION SELECT 1 FROM t JOIN b ON true) SELECT * FROM t": "a b",
    "SELECT extract(year FROM a), substring(b from 1), x IS NOT DISTINCT FROM c, trim(both from d) FROM t": "t",
    "SELECT 'FROM a' || \"from b\" -- FROM c\n /* FROM d */ FROM t, generate_series(1, 2) AS e": "t",
    "DELETE FROM a WHERE x IN (SELECT 1 FROM b)": "b",
    "UPDATE a SET x = b.x FROM b WHERE a.y = b.y": "b",
    "INSERT INTO a SELECT * FROM b": "b",
    'SELECT 1 FROM "my.schema"."A b"': "a b",
    "SELECT 1 FROM a GROUP BY x, y ORDER BY b, c LIMIT 1": "a",
    "SELECT 1": "",
}


@pytest.mark.parametrize("sql", READ)
def test_each_table_that_is_read_is_named_and_nothing_else(sql: str) -> None:
    """Lists, joins, subqueries and set operations name tables; functions, literals and names of WITH do not."""
    wanted = {"a b"} if "A b" in sql else set(READ[sql].split())
    assert tables_of(sql) == wanted


def test_what_a_condition_pins_is_known_by_its_argument() -> None:
    """Each SELECT knows its own `=`; one with an OR or a NOT pins nothing."""
    outer, inner = blocks_of(
        'SELECT %s FROM "a" U0 JOIN "b" ON (U0."b_id" = "b"."id") WHERE ("b"."y" = %s AND U0."x" > %s '
        'AND U0."z" IS NOT NULL AND EXISTS(SELECT 1 FROM "c" WHERE "c"."x" = %s OR "c"."y" = %s) AND U0."w" = %s)'
    )
    assert outer.is_sound
    assert outer.pins == [(Column("b", "y"), 1), (Column("u0", "w"), 5)]
    assert outer.joins == [(Column("u0", "b_id"), Column("b", "id"))]
    assert not inner.is_sound
    assert not blocks_of('SELECT 1 FROM "a" WHERE NOT ("a"."x" = %s)')[0].is_sound
