"""Triggers in the database: made, removed, compared with what is declared; until they are there, reads are live."""

from collections.abc import Iterable
from types import ModuleType
from typing import Any, NamedTuple

from django.db import connections, transaction

from statistics_cache.changing.checking import demands
from statistics_cache.changing.delivering import Logging, log_all
from statistics_cache.changing.receiving import BY_TRIGGERS
from statistics_cache.changing.statements import quiet
from statistics_cache.changing.watching import Watch
from statistics_cache.cold import changelog, tables
from statistics_cache.cold import rows as cold
from statistics_cache.conf import wants_notices
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.declaring.keys import EVERY_SCOPE
from statistics_cache.identity.facts import Place
from statistics_cache.models import StatisticInvalidation

from . import postgresql, sqlite
from .describing import Definition, Unfit, Watched, declared_on, watched_on

DIALECTS: dict[str, ModuleType] = {"postgresql": postgresql, "sqlite": sqlite}
_ready: set[tuple[Place, Declaration[..., Any]]] = set()  # who has its triggers: once it has, nobody asks again


class State(NamedTuple):
    """What a database is to have and what it has; `unfit` says of a table's model why it cannot have any."""

    expected: dict[tuple[str, str], Definition]
    found: dict[tuple[str, str], str]
    unfit: dict[Watched, str]

    @property
    def wrong(self) -> list[Definition]:
        """Give the triggers that are missing, or are not what they are to be."""
        return [each for place, each in self.expected.items() if self.found.get(place) != each.text]

    @property
    def left_over(self) -> list[tuple[str, str]]:
        """Give the triggers that nobody declares any more."""
        return [place for place in self.found if place not in self.expected]


def dialect_of(connection: Any) -> Any:
    """Give the module that speaks a database's SQL. Raises Unfit, with what to do instead."""
    if connection.vendor not in DIALECTS:
        raise Unfit(
            f"{connection.alias!r} is {connection.display_name}, for which there are no triggers: "
            "write capture='signals', and let the models be StatisticsSource"
        )
    return DIALECTS[connection.vendor]


def look(alias: str) -> State:
    """Compare what is declared with what is there. Raises what the database raises, and Unfit for no such database."""
    connection = connections[alias]
    dialect = dialect_of(connection)
    expected: dict[tuple[str, str], Definition] = {}
    unfit: dict[Watched, str] = {}
    for watched in watched_on(alias):
        try:
            if fits(connection, watched):
                expected |= {each.place: each for each in dialect.definitions(connection, watched)}
        except Unfit as error:
            unfit[watched] = str(error)
    if expected and wants_notices():
        try:
            expected |= {each.place: each for each in dialect.notices(connection)}
        except Unfit as error:
            unfit[Watched(StatisticInvalidation, ())] = str(error)
    return State(expected, dialect.found_in(connection), unfit)


def fits(connection: Any, watched: Watched) -> bool:
    """Tell whether a table is there. Raises Unfit for one that lacks columns, which would fail every write of it."""
    name = watched.table._meta.db_table
    with connection.cursor() as cursor:
        kinds = {each.name: each.type for each in connection.introspection.get_table_list(cursor)}
        if name not in kinds:
            return False
        if kinds[name] == "v":
            raise Unfit(f"{name} is a view, which has no rows of its own")
        there = {each.name for each in connection.introspection.get_table_description(cursor, name)}
    if lacking := sorted({str(field.column) for field in watched.table._meta.local_concrete_fields} - there):
        raise Unfit(f"{name} has no column {lacking[0]!r} yet")
    return True


def faults(alias: str) -> list[str]:
    """Say what is wrong with the triggers of a database, one line each; nothing where all are as declared."""
    try:
        state = look(alias)
    except Unfit as error:
        return [str(error)] if declared_on(alias) else []
    found = [f"{watched.table._meta.label}: {why}" for watched, why in state.unfit.items()]
    for each in state.wrong:
        how = "is altered or out of date" if each.place in state.found else "is missing"
        found.append(f"trigger {each.name} on {each.table} {how}")
    found += [f"trigger {name} on {table} is of nothing that is declared" for table, name in state.left_over]
    if not found and is_blocked(alias):
        found.append("an earlier migration did not end: writes made meanwhile are unknown")
    return found


def unspelt(alias: str, watch: Watch) -> str | None:
    """Say why a change of a watch's table is every scope of it, though its scope is declared; None where it is not."""
    found: str | None = dialect_of(connections[alias]).unspelt(watch)
    return found


def is_blocked(alias: str) -> bool:
    """Tell whether reads of any statistic are live until triggers are installed."""
    return tables.has_log(connections[alias]) and changelog.blocked(alias).exists()


def has_any(alias: str) -> bool:
    """Tell whether a database has triggers of ours, or is to have some."""
    return bool(declared_on(alias)) or bool(dialect_of(connections[alias]).found_in(connections[alias]))


def all_sql(alias: str) -> list[str]:
    """Give the SQL that makes every trigger, for whoever owns the tables. Raises Unfit for a table that has none."""
    connection = connections[alias]
    dialect, sql = dialect_of(connection), list[str]()
    for watched in watched_on(alias):
        if fits(connection, watched):
            sql += [
                each for definition in dialect.definitions(connection, watched, ours=False) for each in definition.sql
            ]
    if sql and wants_notices():
        sql += [each for definition in dialect.notices(connection, ours=False) for each in definition.sql]
    return list(dict.fromkeys(sql))


def install(alias: str) -> list[str]:
    """Make the triggers that are declared, remove those that are not, and move every scope if any was not there.

    Gives what could not be done, one line each. Does nothing where all is as declared.
    """
    state = look(alias)
    if tables.has_log(connections[alias]):
        declared = declared_on(alias)
        fit = [each for each in declared if not any(watches(watched, each) for watched in state.unfit)]
        blocked = changelog.blocked(alias).exclude(statistic__in=[each.name for each in declared if each not in fit])
        is_gap = any(each.pieces for each in state.wrong) or blocked.exists()
        if is_gap or state.wrong or state.left_over:
            with transaction.atomic(using=alias):
                run(alias, statements(connections[alias], state))
                run(alias, dialect_of(connections[alias]).sweep_sql(connections[alias]))
                blocked.delete()
                if is_gap:
                    move_all(alias, fit, "triggers installed")
    return [f"{watched.table._meta.label}: {why}" for watched, why in state.unfit.items()]


def move_all(alias: str, declarations: Iterable[Declaration[..., Any]], cause: str) -> None:
    """Log a change of every scope of statistics, and deliver it."""
    log_all(alias, [Logging(each.name, cause, frozenset({EVERY_SCOPE})) for each in declarations])


def watches(watched: Watched, declaration: Declaration[..., Any]) -> bool:
    """Tell whether a statistic is one of those that watch a table."""
    return any(watch.declaration is declaration for watch in watched.watches)


def statements(connection: Any, state: State) -> list[str]:
    """Give the SQL that makes a database have what is declared."""
    dialect = dialect_of(connection)
    dropped = [sql for place in state.left_over for sql in dialect.drop_sql(*place)]
    made = [sql for each in state.wrong for sql in each.sql]
    return [*dropped, *dict.fromkeys(made)]


def remove(alias: str) -> int:
    """Remove every trigger of ours, and have reads be live until they are there again. Gives how many were removed."""
    dialect = dialect_of(connections[alias])
    found = dialect.found_in(connections[alias])
    forget(alias)
    with transaction.atomic(using=alias):
        if tables.has_log(connections[alias]):
            block(alias)
        run(alias, [sql for place in found for sql in dialect.drop_sql(*place)])
        run(alias, dialect.sweep_sql(connections[alias]))
    return len(found)


def block(alias: str) -> None:
    """Have reads of every statistic that is watched by triggers be live, and what is hot of them not be believed."""
    declared = declared_on(alias)
    changelog.block(alias, [each.name for each in declared])
    move_all(alias, declared, "triggers removed")


def run(alias: str, several: list[str]) -> None:
    """Run statements, and tell nobody: `search_path` in them is the functions' own."""
    with quiet(connections[alias]), connections[alias].cursor() as cursor:
        for sql in several:
            cursor.execute(sql)


# Who may believe


def forget(alias: str) -> None:
    """Ask again for the triggers of a database."""
    place = tables.name_of(alias)
    _ready.difference_update([each for each in _ready if each[0] == place])


def is_ready(declaration: Declaration[..., Any]) -> bool:
    """Tell whether the database logs the changes of a statistic's sources; asked until it does."""
    if declaration not in BY_TRIGGERS:
        return True
    alias = cold.alias_of(declaration)
    place = tables.name_of(alias)
    if (place, declaration) not in _ready:
        _ready.update((place, each) for each in ready_on(alias))
    return (place, declaration) in _ready


def ready_on(alias: str) -> list[Declaration[..., Any]]:
    """Give the statistics of a database that have all their triggers, whatever those do for others."""
    try:
        state = look(alias)
    except Unfit:
        return []
    lacking = {watch.declaration for watched in state.unfit for watch in watched.watches}
    for place, each in state.expected.items():
        lacking |= {
            watch.declaration for watch, piece in each.pieces if not is_done(watch, piece, state.found.get(place))
        }
    return [each for each in declared_on(alias) if each not in lacking]


def is_done(_: Watch, piece: str, text: str | None) -> bool:
    """Tell whether a trigger that is there does what is wanted of it for one watch."""
    return text is not None and not text.startswith("altered") and piece in text


demands.append(is_ready)
