"""What a database says of itself: a stored random number, and what the server adds that no copy of it shares."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from random import randint
from typing import Any

from statistics_cache.models import StatisticIdentity

LENGTH = 12  # hexadecimal digits, 48 bits: only the databases that ever share one Redis must differ
MAX_NUMBER = 2**63 - 1  # what a bigint holds
ROW = 1  # the key of the one row, so that two who make it at once make one
Place = tuple[Any, ...]
FILE = "_statistics_cache_file"  # the attribute of a connection that holds which file it has opened

# Functions of PostgreSQL that tell a server from its copies, and SQL that uses each. (Note [What tells copies apart])
SERVER_FACTS = {
    "pg_control_system()": "(SELECT system_identifier FROM pg_control_system())",
    "pg_walfile_name(pg_lsn)": (
        "CASE WHEN pg_is_in_recovery() THEN '' ELSE substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END"
    ),
}
_permitted: dict[Place, list[str]] = {}
_there: set[Place] = set()  # the databases that have the table


def member_sql(connection: Any, label: str, nulls: int) -> str:
    """Give a SELECT of the label, the number and the facts as texts, and so many NULLs; no row where there is none."""
    table = connection.ops.quote_name(StatisticIdentity._meta.db_table)
    columns = [f"'{label}'", number_sql(connection), facts_sql(connection), *["NULL"] * nulls]
    return f"SELECT {', '.join(columns)} FROM {table} WHERE id = {ROW}"  # noqa: S608  (names and constants only)


def number_sql(connection: Any) -> str:
    """Give the SQL of the stored number as a text."""
    return f"CAST(number AS {'char(20)' if connection.vendor == 'mysql' else 'text'})"


def facts_sql(connection: Any) -> str:
    """Give the SQL of what the server says of itself, as one text."""
    if connection.vendor == "mysql":
        return "DATABASE()"
    if connection.vendor != "postgresql":
        return "''"
    oid = "(SELECT oid FROM pg_database WHERE datname = current_database())"
    return f"concat_ws(',', {', '.join([*permitted(connection), oid, 'tableoid::oid'])})"


def place_of(connection: Any) -> Place:
    """Name a database as a connection's settings do: an alias may stand for another one, as in tests."""
    settings = connection.settings_dict
    return connection.alias, settings["NAME"], settings["HOST"], settings["PORT"], settings["USER"]


def permitted(connection: Any) -> list[str]:
    """Give the SQL of those server facts that our role may read, asked once: a plain one may read all."""
    place = place_of(connection)
    if place not in _permitted:
        may = "coalesce(has_function_privilege(to_regprocedure(%s), 'EXECUTE'), false)"
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join([may] * len(SERVER_FACTS))}", list(SERVER_FACTS))
            allowed = cursor.fetchone()
        _permitted[place] = [sql for sql, is_allowed in zip(SERVER_FACTS.values(), allowed, strict=True) if is_allowed]
    return _permitted[place]


def is_there(connection: Any) -> bool:
    """Tell whether the table is there, asked until it is: no statement of ours fails for want of it."""
    place = place_of(connection)
    if place not in _there:
        with connection.cursor() as cursor:
            if StatisticIdentity._meta.db_table in connection.introspection.table_names(cursor):
                _there.add(place)
    return place in _there


def forget(alias: str) -> None:
    """Ask anew for the table, and for our role's rights."""
    _there.difference_update([place for place in _there if place[0] == alias])
    for place in [place for place in _permitted if place[0] == alias]:
        del _permitted[place]


def ask(connection: Any) -> str | None:
    """Read the identity; None where the table or its row is not there yet. Raises what the database raises."""
    if not is_there(connection):
        return None
    with connection.cursor() as cursor:
        cursor.execute(member_sql(connection, "identity", 0))
        found = cursor.fetchone()
    return spell(connection, found[1], found[2]) if found else None


def spell(connection: Any, number: str, facts: str) -> str:
    """Give the identity of a number and facts that were read on a connection."""
    return digest(number, facts, file_of(connection))


@lru_cache(maxsize=256)
def digest(*parts: str) -> str:
    """Hash all of it."""
    return sha256(" ".join(parts).encode()).hexdigest()[:LENGTH]


def file_of(connection: Any) -> str:
    """Tell which file SQLite has opened: a copy of a file has the same number, and another inode."""
    known = vars(connection)
    if FILE not in known:
        known[FILE] = inode_of(str(connection.settings_dict["NAME"])) if connection.vendor == "sqlite" else ""
    return str(known[FILE])


def inode_of(path: str) -> str:
    """Give the number of a file; nothing for a database in memory."""
    try:
        return str(Path(path).stat().st_ino)
    except OSError:
        return ""


def make(alias: str) -> None:
    """Give a database its number, unless it has one. Raises what the database raises."""
    row = StatisticIdentity(pk=ROW, number=randint(1, MAX_NUMBER))
    StatisticIdentity.objects.using(alias).bulk_create([row], ignore_conflicts=True)


def renew(alias: str) -> None:
    """Give a database another number: after its files were copied in a way that its server cannot tell."""
    number = randint(1, MAX_NUMBER)
    StatisticIdentity.objects.using(alias).update_or_create(pk=ROW, defaults={"number": number})


# Note [What tells copies apart]
# The number alone is not enough: a clone carries it. A dump that is restored anywhere, `CREATE DATABASE … TEMPLATE` and
# a restore with --clean change the oid of the database or of the table; another server has another system identifier;
# a recovery to a point in time and a failover begin another timeline. What none of them tells (a base backup that was
# started without promotion; SQLite's file written over in place) is renewed by `renew_statistics_identity`.
