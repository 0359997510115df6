"""SQLite: triggers for each row, which move the sums of scopes themselves (Note [One writer at a time])."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Model, UniqueConstraint

from statistics_cache.changing.walking import Trail
from statistics_cache.changing.watching import Watch
from statistics_cache.cold.changelog import MAX_CAUSE, MAX_JUMP
from statistics_cache.declaring.keys import EVERY_SCOPE, MAX_LENGTH
from statistics_cache.models import StatisticScope

from .describing import PREFIX, Definition, Watched, cause_label
from .spelling import Part, Unspelt, column_of, combinations, is_comparable, keys_of, literal, parts_of

OLD, NEW, THERE = "OLD", "NEW", "there"  # the row before and after; one that a new row is about to replace
NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"
DONE = {"insert": "inserted", "update": "updated", "delete": "deleted"}
SIDES = {"insert": (NEW,), "update": (OLD, NEW), "delete": (OLD,)}


def quote(name: str) -> str:
    """Write a name."""
    return '"' + name.replace('"', '""') + '"'


def column(table: type[Model], attname: str, side: str) -> str:
    """Write a column of a row."""
    return f"{side}.{quote(column_of(table, attname))}"


# Scopes


def unspelt(watch: Watch) -> str | None:
    """Say why each change of a watch is every scope though a narrower one is declared; None where it is not."""
    try:
        parts_of(watch)
    except Unspelt as error:
        return str(error)
    return None


TEXTS: dict[type[Any], str] = {  # as pydantic writes them; SQLite keeps any value in any column
    str: "CASE WHEN typeof({0}) = 'text' AND instr({0}, char(0)) = 0 THEN json_quote({0}) END",
    int: "CASE WHEN typeof({0}) = 'integer' THEN CAST({0} AS TEXT) END",
    bool: "CASE {0} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END",
    date: "CASE WHEN date({0}) = {0} AND {0} BETWEEN '0001-01-01' AND '9999-12-31' THEN '\"' || {0} || '\"' END",
    UUID: (
        "CASE WHEN typeof({0}) = 'text' AND length({0}) = 32 AND {0} NOT GLOB '*[^0-9a-f]*' "
        "THEN '\"' || substr({0}, 1, 8) || '-' || substr({0}, 9, 4) || '-' || substr({0}, 13, 4) || '-' "
        "|| substr({0}, 17, 4) || '-' || substr({0}, 21) || '\"' END"
    ),
}


class Place:
    """Where the value at the end of a trail stands: a column of the row itself, or of rows that are joined to it."""

    def __init__(self, trail: Trail, side: str, number: int) -> None:
        """Follow the trail from a row."""
        self.trail = trail
        self.joins: list[str] = []
        lost: list[str] = []  # a key that leads to no row, which may come before the commit
        self.is_loose = ""  # SQL that tells that there is no row yet, and that its own coming counts
        table, row = trail.model, side
        for count, hop in enumerate(trail.hops, 1):
            name = f"hop_{number}_{count}"
            pairs = [
                (column(table, here, row), column(hop.model, there, name))
                for here, there in zip(hop.columns, hop.joins, strict=True)
            ]
            self.joins.append(
                f"LEFT JOIN {quote(hop.model._meta.db_table)} {name} ON {' AND '.join(f'{a} = {b}' for a, b in pairs)}"
            )
            missing = " AND ".join([f"{pairs[0][1]} IS NULL", *(f"{here} IS NOT NULL" for here, _ in pairs)])
            if hop.certain:
                lost.append(f"({missing})")
            elif count == 1:
                self.is_loose = f"({missing})"
            table, row = hop.model, name
        self.value = column(table, trail.field.attname, row)
        self.lost = " OR ".join(lost)

    def text(self, part: Part) -> str:
        """Write the JSON text of a parameter, NULL where the value is none of it, or nobody can tell it."""
        if part.value.choices is not None:
            cases = " ".join(
                f"WHEN {literal(value)} THEN {literal(text)}" for value, text in part.value.choices.items()
            )
            text = f"CASE {self.value} {cases} END"
        else:
            text = TEXTS[part.value.kind].format(self.value)
        if part.value.may_be_none:
            text = f"CASE WHEN {self.value} IS NULL THEN 'null' ELSE {text} END"
        return f"CASE WHEN NOT ({self.lost}) THEN {text} END" if self.lost else text


def selects(watch: Watch, side: str, source: str = "", where: Sequence[str] = ()) -> Iterator[str]:
    """Write a query for each scope that a row is in; what cannot be told, or is too long, is every scope."""
    name = literal(watch.declaration.name)
    given = f" FROM {source}" if source else ""
    if unspelt(watch) is not None or not watch.trails:
        yield f"SELECT {name} AS statistic, '{EVERY_SCOPE}' AS scope{given}{condition(where)}"
        return
    parts = parts_of(watch)
    places = [Place(part.trail, side, number) for number, part in enumerate(parts)]
    joined = " ".join([source or "(SELECT 1) one", *(join for place in places for join in place.joins)])
    nowhere = [
        f"NOT {place.is_loose}"
        for part, place in zip(parts, places, strict=True)
        if place.is_loose and not part.value.may_be_none
    ]
    for chosen in combinations(parts):
        texts = [
            f"{literal(part.name + '=')} || {one_text(part, place, is_none)}"
            for part, place, is_none in zip(parts, places, chosen, strict=True)
        ]
        spelt = " || ',' || ".join(texts)
        yield (
            f"SELECT {name} AS statistic, CASE WHEN length(spelt) <= {MAX_LENGTH} THEN spelt ELSE '{EVERY_SCOPE}' END "
            f"AS scope FROM (SELECT {spelt} AS spelt FROM {joined}{condition([*where, *nowhere])})"
        )


def condition(terms: Sequence[str]) -> str:
    """Write a condition of several."""
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def one_text(part: Part, place: Place, is_none: bool) -> str:
    """Write a parameter's text in one scope: its own, or that of None."""
    own = f"({place.text(part)})"
    return f"(CASE WHEN {own} IS NOT NULL THEN 'null' END)" if is_none else own


# Triggers


def moving_sql(every: Iterable[str], cause: str) -> str:
    """Write the statement that moves the sums of the scopes that some queries give, each once."""
    scopes = quote(StatisticScope._meta.db_table)
    union = "\n    UNION ".join(dict.fromkeys(every))
    jump = f"1 + abs(random() % {MAX_JUMP})"
    return (
        f"  INSERT INTO {scopes} (statistic, scope, base, last_cause, changed_at, folded_at)\n"
        f"  SELECT statistic, scope, {jump}, substr({cause}, 1, {MAX_CAUSE}), {NOW}, {NOW}\n"
        f"  FROM (\n    {union}\n  ) WHERE 1\n"
        "  ON CONFLICT (statistic, scope) DO UPDATE SET base = base + excluded.base, last_cause = excluded.last_cause, "
        "changed_at = excluded.changed_at, folded_at = excluded.folded_at;"
    )


def cause_of(table: type[Model], side: str, event: str) -> str:
    """Write what is said of a row: its model, its key, and what was done."""
    key = " || ',' || ".join(f"{side}.{quote(field.column)}" for field in keys_of(table))
    return f"{literal(f'{cause_label(table)} ')} || coalesce({key}, '') || ' {DONE[event]}'"


def scopes_selects(event: str, watch: Watch) -> list[str]:
    """Write the queries for the scopes that a row leaves and enters, if it changed in what is of interest."""
    where: list[str] = []
    if event == "update" and is_comparable(watch):
        differs = [
            f"{column(watch.table, name, OLD)} IS NOT {column(watch.table, name, NEW)}" for name in watch.columns
        ]
        where = [f"({' OR '.join(differs)})"]
    return [select for side in SIDES[event] for select in selects(watch, side, where=where)]


def definitions(_: Any, watched: Watched, **__: bool) -> list[Definition]:
    """Give the triggers of a table."""
    found = []
    for event in SIDES:
        watches = [watch for watch in watched.watches if event != "insert" or watch.created]
        if watches:
            pieces = [(watch, "\n    UNION ".join(dict.fromkeys(scopes_selects(event, watch)))) for watch in watches]
            cause = cause_of(watched.table, SIDES[event][-1], event)
            found.append(trigger(watched.table, event, f"AFTER {event.upper()}", pieces, cause))
    for event, timing in (("insert", "BEFORE INSERT"), ("update", f"BEFORE UPDATE OF {unique_columns(watched.table)}")):
        cause = cause_of(watched.table, NEW, event)
        replaced = [(watch, "\n    UNION ".join(selects_replaced(event, watch))) for watch in watched.watches]
        found.append(trigger(watched.table, event, timing, replaced, cause, "replace_"))
    return found


def notices(*_: Any, **__: Any) -> list[Definition]:
    """Give no trigger: there is nobody to notify."""
    return []


def trigger(
    table: type[Model], event: str, timing: str, pieces: Sequence[tuple[Watch, str]], cause: str, kind: str = ""
) -> Definition:
    """Write a trigger."""
    name = f"{PREFIX}{kind}{event}_{table._meta.db_table}"
    body = moving_sql([piece for _, piece in pieces], cause)
    relation = quote(table._meta.db_table)
    sql = f"CREATE TRIGGER {quote(name)} {timing} ON {relation} FOR EACH ROW BEGIN\n{body}\nEND"
    return Definition(relation, name, (*drop_sql(relation, name), sql), sql, tuple(pieces))


def uniques_of(table: type[Model]) -> list[list[str]]:
    """Give the columns that hold each row apart from all others: what `REPLACE` deletes by."""
    options = table._meta
    found = [[field.column for field in keys_of(table)]]
    found += [[field.column] for field in options.local_concrete_fields if field.unique and not field.primary_key]
    named = [
        *options.unique_together,
        *(each.fields for each in options.constraints if isinstance(each, UniqueConstraint)),
    ]
    local = {field.name: field.column for field in options.local_concrete_fields}
    return found + [[local[name] for name in names] for names in named if names and set(names) <= set(local)]


def unique_columns(table: type[Model]) -> str:
    """Write the columns whose change may meet another row."""
    return ", ".join(quote(name) for name in dict.fromkeys(name for unique in uniques_of(table) for name in unique))


def selects_replaced(event: str, watch: Watch) -> list[str]:
    """Write the queries for the scopes of rows that a new one meets: `REPLACE` deletes them, and calls no trigger."""
    table = watch.table
    met = " OR ".join(
        f"({' AND '.join(f'{THERE}.{quote(name)} = {NEW}.{quote(name)}' for name in unique)})"
        for unique in uniques_of(table)
    )
    where = [f"({met})"]
    if event == "update":
        itself = " AND ".join(
            f"{THERE}.{quote(field.column)} IS {OLD}.{quote(field.column)}" for field in keys_of(table)
        )
        where.append(f"NOT ({itself})")
    return list(selects(watch, THERE, f"{quote(table._meta.db_table)} {THERE}", where))


def found_in(connection: Any) -> dict[tuple[str, str], str]:
    """Give the triggers that are there, by table and name, each with its text."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger' AND substr(name, 1, %s) = %s",
            [len(PREFIX), PREFIX],
        )
        return {(quote(table), name): sql for table, name, sql in cursor.fetchall()}


def drop_sql(_: str, name: str) -> list[str]:
    """Write the statement that removes a trigger."""
    return [f"DROP TRIGGER IF EXISTS {quote(name)}"]


def sweep_sql(_: Any) -> list[str]:
    """Write the statements that remove what no trigger uses any more: there is nothing."""
    return []


# Note [One writer at a time]
# A file has one writer, so there is nothing to contend for: a trigger moves the sum of a scope at once, and no log row
# is left for the tick. Nobody else writes between a statement and its commit, so what lies at the end of a path is read
# where it is, and needs no check after the commit; a key that leads to no row yet is every scope. A text of more than
# 200 characters is every scope, too: SQLite has no SHA-256, and a function that Python registers would fail the writes
# of every other program. `REPLACE` deletes rows and calls no trigger for them (but with `recursive_triggers`): so
# before a row comes, the scopes of those that it meets fall.
