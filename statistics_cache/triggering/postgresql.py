"""PostgreSQL: one function per table, called once per statement; the rows that changed are its transition tables.

(Note [In the writer's transaction])
"""

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from django.db.models import Model

from statistics_cache.models import StatisticInvalidation

from .describing import PREFIX, Definition, Unfit, Watched
from .functions import EVENTS, NEW, OLD, body_of, events_of, quote, unspelt

__all__ = ["definitions", "drop_sql", "found_in", "notices", "sweep_sql", "unspelt"]

CHANNEL = "statistics_cache"  # where notices are sent; their text is a statistic's name

BITS = {"INSERT": 4, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}  # of pg_trigger.tgtype: after, for each statement
BODY = "$statistics_cache$"
CONFIG = ("search_path=pg_catalog, pg_temp", "standard_conforming_strings=on")
MAX_NAME = 63  # bytes of a name
KEPT_NAME = 32  # bytes of a table's name in that of its function, where all of it is too long
NOTICE_BODY = f"""
BEGIN
    PERFORM pg_notify('{CHANNEL}', statistic) FROM (SELECT DISTINCT statistic FROM {NEW}) changed;
    RETURN NULL;
END
"""
LOG_SQL = """
    SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = to_regclass(%s)
"""
TREE_SQL = """
    WITH RECURSIVE tree(oid) AS (
        SELECT to_regclass(%s)::oid UNION SELECT inhrelid FROM pg_inherits JOIN tree ON inhparent = tree.oid
    )
    SELECT format('%%I.%%I', n.nspname, c.relname), c.relkind, pg_has_role(c.relowner, 'USAGE'),
        has_schema_privilege(%s, 'CREATE'), EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = c.oid)
    FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1
"""
FOUND_SQL = """
    SELECT format('%%I.%%I', tn.nspname, c.relname), t.tgname, fn.nspname, p.proname, t.tgtype, t.tgoldtable,
        t.tgnewtable, p.prosrc, p.proconfig, t.tgenabled = 'A' AND p.prosecdef
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace tn ON tn.oid = c.relnamespace
        JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace fn ON fn.oid = p.pronamespace
    WHERE NOT t.tgisinternal AND fn.nspname = %s AND starts_with(t.tgname, %s)
"""
UNUSED_SQL = """
    SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = %s AND starts_with(p.proname, %s) AND p.prorettype = 'trigger'::regtype
        AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgfoid = p.oid)
"""


def function_name(relation: str) -> str:
    """Name the function of a table: by its name, with a hash in the place of its end where that is too long."""
    name = f"{PREFIX}{relation}"
    if len(name.encode()) <= MAX_NAME:
        return name
    return f"{PREFIX}{relation.encode()[:KEPT_NAME].decode(errors='ignore')}_{sha256(name.encode()).hexdigest()[:10]}"


def log_of(connection: Any) -> tuple[str, str] | None:
    """Give the schema and the name of the log; None where it is not there."""
    with connection.cursor() as cursor:
        cursor.execute(LOG_SQL, [quote(StatisticInvalidation._meta.db_table)])
        found: tuple[str, str] | None = cursor.fetchone()
    return found


def definitions(connection: Any, watched: Watched, ours: bool = True) -> list[Definition]:
    """Give the triggers of a table, of its partitions and of the tables that inherit from it.

    Raises Unfit, naming what stands in the way; that tables belong to others does where they are to be `ours`.
    """
    log = log_of(connection)
    if log is None:
        return []
    body, pieces = body_of(watched, ".".join(map(quote, log)))
    function = f"{quote(log[0])}.{quote(function_name(watched.table._meta.db_table))}()"
    made = tuple(function_sql(function, body))
    found = []
    for relation in relations_of(connection, watched.table, log[0], ours):
        for event in events_of(watched):
            trigger = f"{PREFIX}{event.lower()}"
            text = text_of_trigger(function, BITS[event], references(event), body, CONFIG)
            sql = (*made, *trigger_sql(event, trigger, relation, function))
            found.append(Definition(relation, trigger, sql, text, tuple(pieces)))
    return found


def notices(connection: Any, ours: bool = True) -> list[Definition]:
    """Give the trigger of the log that notifies at COMMIT of each statistic that has changed. Raises Unfit."""
    if (log := log_of(connection)) is None:
        return []
    [relation] = relations_of(connection, StatisticInvalidation, log[0], ours)
    function = f"{quote(log[0])}.{quote(function_name(StatisticInvalidation._meta.db_table))}()"
    name = f"{PREFIX}notify"
    text = text_of_trigger(function, BITS["INSERT"], references("INSERT"), NOTICE_BODY, CONFIG)
    sql = (*function_sql(function, NOTICE_BODY), *trigger_sql("INSERT", name, relation, function))
    return [Definition(relation, name, sql, text)]


def relations_of(connection: Any, table: type[Model], schema: str, ours: bool) -> list[str]:
    """Give a table and all that hold rows of it: partitions, and what inherits. Raises Unfit."""
    with connection.cursor() as cursor:
        cursor.execute(TREE_SQL, [quote(table._meta.db_table), schema])
        rows = cursor.fetchall()
    for name, kind, is_ours, may_create, is_subscribed in rows:
        if kind not in ("r", "p"):
            raise Unfit(f"{name} is no table that can have triggers")
        if is_subscribed:
            raise Unfit(f"{name} is filled by a subscription, which calls no trigger of statements")
        if ours and not (is_ours and may_create):
            raise Unfit(f"{name} belongs to another role, or the schema {schema} does")
    return [row[0] for row in rows]


def function_sql(function: str, body: str) -> Iterator[str]:
    """Write the statements that make a function, for whoever writes the table, and for no other use."""
    config = " ".join(f"SET {setting.replace('=', ' = ', 1)}" for setting in CONFIG)
    yield (
        f"CREATE OR REPLACE FUNCTION {function} RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER {config} "
        f"AS {BODY}{body}{BODY}"
    )
    yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"


def text_of_trigger(function: str, bits: int, sides: Sequence[str], body: str, config: Sequence[str]) -> str:
    """Write all that tells a trigger from others."""
    return "\n".join([function, str(bits), *sides, body, *config])


def references(event: str) -> list[str]:
    """Give the names of the old and the new transition table, as the catalogue has them."""
    return [name if name in EVENTS[event] else "" for name in (OLD, NEW)]


def trigger_sql(event: str, trigger: str, relation: str, function: str) -> Iterator[str]:
    """Write the statements that make a trigger, which fires whatever `session_replication_role` is."""
    sides = {OLD: "OLD", NEW: "NEW"}
    named = " ".join(f"{sides[name]} TABLE AS {name}" for name in EVENTS[event])
    referencing = f"REFERENCING {named} " if named else ""
    yield from drop_sql(relation, trigger)
    yield (
        f"CREATE TRIGGER {quote(trigger)} AFTER {event} ON {relation} {referencing}"
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}"
    )
    yield f"ALTER TABLE {relation} ENABLE ALWAYS TRIGGER {quote(trigger)}"


def found_in(connection: Any) -> dict[tuple[str, str], str]:
    """Give the triggers that are there, by table and name, each with its text."""
    if (log := log_of(connection)) is None:
        return {}
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(FOUND_SQL, [log[0], PREFIX])
        for table, name, schema, function, bits, old, new, body, config, is_right in cursor.fetchall():
            full = f"{quote(schema)}.{quote(function)}()"
            text = text_of_trigger(full, bits, [old or "", new or ""], body, config or ())
            found[table, name] = text if is_right else f"altered {text}"
    return found


def drop_sql(table: str, name: str) -> list[str]:
    """Write the statement that removes a trigger."""
    return [f"DROP TRIGGER IF EXISTS {quote(name)} ON {table}"]


def sweep_sql(connection: Any) -> list[str]:
    """Write the statements that remove what no trigger uses any more."""
    if (log := log_of(connection)) is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(UNUSED_SQL, [log[0], PREFIX])
        return [f"DROP FUNCTION {quote(log[0])}.{quote(name)}()" for (name,) in cursor.fetchall()]


# Note [In the writer's transaction]
# A function runs once per statement, whatever the number of rows, and adds a log row for each scope: what it reads of a
# million rows it reads once, each value once, and of more than 1,000 it says every scope. Scopes that lie on other rows
# are not looked for: it logs the keys, and Python reads them after the commit (rule V). It is VOLATILE, and as its
# owner (SECURITY DEFINER): another role may not write the log itself. So `search_path` is pinned and every name has its
# schema, else that role could put its own functions in the place of ours. Transition tables allow one event for each
# trigger, so there are four of a function. A statement on a partitioned table, or on one that others inherit from,
# calls the trigger of the table that it names alone: each partition has its own, for statements on itself.
