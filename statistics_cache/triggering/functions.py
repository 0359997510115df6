"""The body of the PostgreSQL function of one table: what it logs of the rows that one statement changed."""

from collections.abc import Iterable, Sequence
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db.models import Model

from statistics_cache.changing.checking import MOST_KEYS
from statistics_cache.changing.watching import Watch
from statistics_cache.cold.changelog import MAX_CAUSE, MAX_JUMP
from statistics_cache.declaring.keys import DIGEST_LENGTH, EVERY_SCOPE, MAX_LENGTH, UNCHECKED_SCOPE

from .describing import PREFIX, Watched, cause_label
from .spelling import Part, Unspelt, column_of, combinations, is_comparable, is_plain, keys_of, literal, parts_of

OLD, NEW = f"{PREFIX}old", f"{PREFIX}new"  # the transition tables
# What the body calls its own: no column of a user's has such a name (one may be called `old` as plpgsql's own is).
NUMBER, CAUSE, SPELT = f"{PREFIX}number", f"{PREFIX}cause", f"{PREFIX}spelt"
EVENTS = {"INSERT": (NEW,), "UPDATE": (OLD, NEW), "DELETE": (OLD,), "TRUNCATE": ()}
DONE = {"INSERT": "inserted", "UPDATE": "updated", "DELETE": "deleted", "TRUNCATE": "truncated"}
# Not `random()`: it would move what a session has seeded for itself.
JUMP = f"1 + (hashtextextended(gen_random_uuid()::text, 0) & {MAX_JUMP - 1})"


def quote(name: str) -> str:
    """Write a name."""
    return '"' + name.replace('"', '""') + '"'


def column(table: type[Model], attname: str) -> str:
    """Write a column's name."""
    return quote(column_of(table, attname))


def digest(text: str) -> str:
    """Give a short name for a text."""
    return sha256(text.encode()).hexdigest()[:10]


# Scopes


def unspelt(watch: Watch) -> str | None:
    """Say why each change of a watch is every scope though a narrower one is declared; None where it is not."""
    try:
        if watch.is_far and watch.decide is None:
            demand_plain_keys(watch)
        else:
            parts_of(watch)
    except Unspelt as error:
        return str(error)
    return None


def demand_plain_keys(watch: Watch) -> None:
    """Raise Unspelt where a key from which scopes are read has no one text."""
    for name in watch.keys:
        field = watch.table._meta.get_field(name)
        if not is_plain(field):
            raise Unspelt(f"{watch.table._meta.label}.{name} is a {type(field).__name__}")


def text_of(table: type[Model], part: Part) -> str:
    """Write the JSON text of a parameter, NULL where the column holds none of its values."""
    name = column(table, part.trail.columns[0])
    if part.value.choices is not None:
        cases = " ".join(f"WHEN {literal(value)} THEN {literal(text)}" for value, text in part.value.choices.items())
        return f"CASE {name} {cases} END"
    return TEXTS[part.value.kind].format(name)


TEXTS: dict[type[Any], str] = {  # as pydantic writes them
    str: "to_json({0}::text)::text",
    int: "{0}::text",
    bool: "CASE WHEN {0} THEN 'true' WHEN NOT {0} THEN 'false' END",
    date: "CASE WHEN {0} BETWEEN '0001-01-01' AND '9999-12-31' THEN to_json({0})::text END",
    UUID: "'\"' || {0}::text || '\"'",
}


def scopes_of(table: type[Model], parts: Sequence[Part]) -> list[str]:
    """Write the scopes that a row is in: one, and those of None where a parameter may be that; NULL is every scope."""
    found = []
    for chosen in combinations(list(parts)):
        texts = [
            f"{literal(part.name + '=')} || {one_text(table, part, is_none)}"
            for part, is_none in zip(parts, chosen, strict=True)
        ]
        found.append(" || ',' || ".join(texts))
    return found


def one_text(table: type[Model], part: Part, is_none: bool) -> str:
    """Write a parameter's text in one scope: its own, or that of None."""
    own = f"({text_of(table, part)})"
    if part.value.may_be_none:
        own = f"CASE WHEN {column(table, part.trail.columns[0])} IS NULL THEN 'null' ELSE {own} END"
    return f"(CASE WHEN {own} IS NOT NULL THEN 'null' END)" if is_none else f"({own})"


DIGEST = f"left(encode(sha256(convert_to({SPELT}, 'UTF8')), 'hex'), {DIGEST_LENGTH})"
SHORT = (
    f"CASE WHEN char_length({SPELT}) <= {MAX_LENGTH} THEN {SPELT} "
    f"ELSE left({SPELT}, {MAX_LENGTH - DIGEST_LENGTH - 1}) || '~' || {DIGEST} END"
)


class Rows:
    """The rows of one event that a watch is about: values of some columns, each once; above 1,000 it is every scope."""

    def __init__(self, event: str, watch: Watch) -> None:
        """Work out which columns are read, and whether old and new rows are compared."""
        table = watch.table
        self.event = event
        self.columns = [column(table, name) for name in watch.keys] if spelt(watch) else []
        self.compared: list[str] = []
        keys = keys_of(table)
        if event == "UPDATE" and is_comparable(watch) and all(is_plain(key) for key in keys):
            self.compared = [compared(table, name) for name in watch.columns]
        self.keys = [quote(key.column) for key in keys]

    @property
    def is_any(self) -> bool:
        """Tell whether it is enough to know that a row changed at all."""
        return not self.columns and not self.compared

    def queries(self) -> list[tuple[str, str]]:
        """Give the named queries that find them, in order; the last one is what they are read from."""
        if not self.compared:
            return self.named(
                "rows", self.read([f"SELECT {self.listed('')} FROM {name}" for name in EVENTS[self.event]])
            )
        pairs = self.named("pairs", self.pairs())
        name = pairs[-1][0]
        sides = [f"SELECT {self.listed(side)} FROM {name} WHERE {side}_is" for side in ("old", "new")]
        return pairs + self.named("rows", self.read(sides))

    def listed(self, side: str) -> str:
        """Write the columns, as they are called in a table of pairs where a side is given."""
        names = [f"{side}_{number} AS {each}" if side else each for number, each in enumerate(self.columns)]
        return ", ".join(names) or "1 AS one"

    def read(self, selects: list[str]) -> str:
        """Write the query for some selects: each value once, and one more than are taken at most."""
        distinct = " UNION ".join(selects) if len(selects) > 1 else selects[0].replace("SELECT", "SELECT DISTINCT", 1)
        return f"{distinct} LIMIT {MOST_KEYS + 1}"

    def pairs(self) -> str:
        """Write the query for rows that differ before and after; one whose key changed is no pair, and differs."""
        sides = [
            f"{side}.{each} AS {name}_{at}"
            for side, name in (("o", "old"), ("n", "new"))
            for at, each in enumerate(self.columns)
        ]
        wanted = ", ".join(
            [*sides, f"o.{self.keys[0]} IS NOT NULL AS old_is", f"n.{self.keys[0]} IS NOT NULL AS new_is"]
        )
        same = " AND ".join(f"o.{key} = n.{key}" for key in self.keys)
        before, after = (", ".join(each.format(side) for each in self.compared) for side in "on")
        return (
            f"SELECT {wanted} FROM {OLD} o FULL JOIN {NEW} n ON {same} "
            f"WHERE o.{self.keys[0]} IS NULL OR n.{self.keys[0]} IS NULL OR ({before}) IS DISTINCT FROM ({after})"
        )

    def named(self, kind: str, query: str) -> list[tuple[str, str]]:
        """Name a query by what it says: who reads the same shares it."""
        return [(f"{kind}_{digest(query)}", query)]


def compared(table: type[Model], name: str) -> str:
    """Write a column of either side in a form that can be compared."""
    cast = "" if is_plain(table._meta.get_field(name)) else "::text"
    return f"{{0}}.{column(table, name)}{cast}"


def spelt(watch: Watch) -> bool:
    """Tell whether a watch has scopes that SQL can tell apart."""
    return bool(watch.trails) and unspelt(watch) is None


def piece(event: str, watch: Watch) -> tuple[list[tuple[str, str]], str]:
    """Give the named queries for one watch, and the one that gives what is to be logged of it."""
    name, rows = literal(watch.declaration.name), Rows(event, watch)
    if rows.is_any:
        return [], f"SELECT {name}, '{EVERY_SCOPE}', NULL::text"
    queries = rows.queries()
    found = queries[-1][0]
    if not rows.columns:
        return queries, f"SELECT {name}, '{EVERY_SCOPE}', NULL::text WHERE EXISTS (SELECT FROM {found})"
    many = f"(SELECT count(*) FROM {found}) > {MOST_KEYS}"
    if watch.is_far:
        keys = f"json_build_object({literal(watch.name)}, json_agg(json_build_array({', '.join(rows.columns)})))::text"
        return queries, (
            f"SELECT {name}, CASE WHEN {many} THEN '{EVERY_SCOPE}' ELSE '{UNCHECKED_SCOPE}' END, "
            f"CASE WHEN NOT {many} THEN {keys} END FROM {found} HAVING count(*) > 0"
        )
    scopes = ", ".join(f"({scope})" for scope in scopes_of(watch.table, parts_of(watch)))
    return queries, (
        f"SELECT {name}, CASE WHEN {SPELT} IS NULL OR {many} THEN '{EVERY_SCOPE}' ELSE {SHORT} END, NULL::text "
        f"FROM {found} CROSS JOIN LATERAL (VALUES {scopes}) AS spelling({SPELT})"
    )


# The function


def body_of(watched: Watched, log: str) -> tuple[str, list[tuple[Watch, str]]]:
    """Write the body of a table's function, and say which piece of it is of which watch."""
    pieces: list[tuple[Watch, str]] = []
    branches = [branch(event, watched, log, pieces) for event in events_of(watched)]
    chain = "\n    ELSIF ".join(branches)
    declared = f"#variable_conflict use_column\nDECLARE\n    {NUMBER} bigint;\n    {CAUSE} text;"
    return f"\n{declared}\nBEGIN\n    IF {chain}\n    END IF;\n    RETURN NULL;\nEND\n", pieces


def events_of(watched: Watched) -> list[str]:
    """Give the events that are of interest to anybody: new rows that only lie on a path matter to nobody."""
    return [event for event in EVENTS if concerned(event, watched.watches)]


def concerned(event: str, watches: Iterable[Watch]) -> list[Watch]:
    """Give the watches that an event concerns."""
    return [watch for watch in watches if event != "INSERT" or watch.created]


def branch(event: str, watched: Watched, log: str, pieces: list[tuple[Watch, str]]) -> str:
    """Write what the function does for one event."""
    watches, label = concerned(event, watched.watches), cause_label(watched.table)
    insert = f"INSERT INTO {log} (statistic, scope, jump, cause, via)"
    if event == "TRUNCATE":
        names = ", ".join(literal(name) for name in dict.fromkeys(watch.declaration.name for watch in watches))
        cause = literal(f"{label} truncated")
        every = f"SELECT name, '{EVERY_SCOPE}', {JUMP}, {cause}, NULL FROM unnest(ARRAY[{names}]) name"
        return f"TG_OP = 'TRUNCATE' THEN\n        {insert}\n        {every};"
    queries: dict[str, str] = {}
    selects: dict[str, None] = {}
    for watch in watches:
        named, select = piece(event, watch)
        queries.update(named)
        selects[select] = None
        pieces.append((watch, select))
    ctes = ", ".join(f"\n        {name} AS MATERIALIZED ({query})" for name, query in queries.items())
    with_queries = f"        WITH {ctes.strip()}\n" if ctes else ""
    every = "\n            UNION ".join(selects)
    return (
        f"TG_OP = '{event}' THEN\n{cause_sql(event, watched.table)}\n        {insert}\n{with_queries}"
        f"        SELECT statistic, scope, {JUMP}, left({CAUSE}, {MAX_CAUSE}), via\n"
        f"        FROM (\n            {every}\n        ) changed(statistic, scope, via);"
    )


def cause_sql(event: str, table: type[Model]) -> str:
    """Write what says which row it was, or how many; a statement that changed none is of no interest."""
    source, label = EVENTS[event][-1], cause_label(table)
    key = " || ',' || ".join(f"{quote(field.column)}::text" for field in keys_of(table))
    one = f"SELECT {literal(f'{label} ')} || coalesce({key}, '') || ' {DONE[event]}' INTO {CAUSE} FROM {source}"
    many = f"{literal(f'{label}: ')} || {NUMBER} || ' rows {DONE[event]}'"
    return (
        f"        SELECT count(*) INTO {NUMBER} FROM {source};\n"
        f"        IF {NUMBER} = 0 THEN\n            RETURN NULL;\n        ELSIF {NUMBER} = 1 THEN\n            {one};\n"
        f"        ELSE\n            {CAUSE} := {many};\n        END IF;"
    )
