"""Fields that mean the same on every database: texts that equal themselves alone, and moments."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from django.db import models
from django.db.models import lookups
from django.utils.timezone import get_default_timezone

NO_PAD = (8, 0, 17)  # since this version MySQL knows utf8mb4_0900_bin
BEGINNING, END = "'1970-01-01'", "'9999-12-30'"
WITHIN_TIME = f"BETWEEN {BEGINNING} AND {END}"
# In these each text equals itself alone; the last of all overlooks blanks at its end, which no text of ours has.
NO_PAD_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
EXACT = (*NO_PAD_COLLATIONS, "utf8mb4_bin")


def collation_of(connection: Any) -> str | None:
    """Name the collation in which a text equals itself alone; None where every text does so anyway."""
    if connection.vendor != "mysql":
        return None
    if connection.mysql_is_mariadb:
        return "utf8mb4_nopad_bin"
    return "utf8mb4_0900_bin" if connection.mysql_version >= NO_PAD else "utf8mb4_bin"


def inexact(connection: Any, tables: Collection[str]) -> list[str]:
    """Give those of some tables that hold texts which equal others, or cannot hold every text."""
    if connection.vendor != "mysql":
        return []
    places, names = (", ".join(["%s"] * len(each)) for each in (tables, EXACT))
    sql = (
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = DATABASE() "  # noqa: S608
        f"AND table_name IN ({places}) AND collation_name NOT IN ({names}) ORDER BY table_name"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*tables, *EXACT])
        return [name for (name,) in cursor.fetchall()]


class Exact(models.Field):  # type: ignore[type-arg]  # at run time it takes none
    """A text that equals itself alone, whatever the collation of its database overlooks. (Note [Whose letters])"""

    def db_parameters(self, connection: Any) -> Any:
        """Name the collation to MySQL and MariaDB."""
        return super().db_parameters(connection) | {"collation": collation_of(connection)}

    def deconstruct(self) -> Any:
        """Be Django's own field to migrations: elsewhere the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, f"django.db.models.{self.get_internal_type()}", args, kwargs


class Text(Exact, models.CharField):  # type: ignore[type-arg]
    """A short one."""


class Texts(Exact, models.TextField):  # type: ignore[type-arg]
    """A long one."""


@Exact.register_lookup
class Contains(lookups.IContains):
    """`icontains` overlooks case on MySQL, too, where the column does not."""

    def as_mysql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Compare small letters."""
        own, arguments = self.process_lhs(compiler, connection)
        part, more = self.process_rhs(compiler, connection)
        return f"LOWER({own}) LIKE LOWER({part})", [*arguments, *more]


class Moment(models.DateTimeField):  # type: ignore[type-arg]  # at run time it takes none
    """A moment, stored exactly and read as aware, whatever USE_TZ and TIME_ZONE say. (Note [Whose zone])"""

    def get_prep_value(self, value: Any) -> Any:
        """Take a moment; a naive one is, as everywhere in Django, of TIME_ZONE."""
        given = super().get_prep_value(value)
        is_naive = isinstance(given, datetime) and given.tzinfo is None
        return given.replace(tzinfo=get_default_timezone()) if is_naive else given

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Give UTC to a database that keeps no zone."""
        given = value if prepared else self.get_prep_value(value)
        if isinstance(given, datetime) and connection.vendor != "postgresql":
            given = given.astimezone(UTC).replace(tzinfo=None)
        return super().get_db_prep_value(given, connection, prepared=True)

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Have the database give UTC."""
        return in_utc(compiler.connection, sql), params

    def from_db_value(self, value: Any, _: Any, connection: Any) -> Any:
        """Give an aware moment; a zone that Django has put on what has none is none of its own."""
        if not isinstance(value, datetime):
            return value
        has_zone = value.tzinfo is not None and connection.vendor == "postgresql"
        return value if has_zone else value.replace(tzinfo=UTC)

    def deconstruct(self) -> Any:
        """Be Django's own field to migrations: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs


def in_utc(connection: Any, sql: str) -> str:
    """Have PostgreSQL give a moment in UTC: it gives what it keeps in the connection's zone."""
    return f"({sql} AT TIME ZONE 'UTC')" if connection.vendor == "postgresql" else sql


def utc_now(connection: Any) -> str | None:
    """Give the SQL of this moment in UTC on MySQL, whose own is of the session's zone, which Django leaves alone. None
    elsewhere: there what Django writes is right."""
    return "UTC_TIMESTAMP(6)" if connection.vendor == "mysql" else None


def timely(connection: Any, column: str) -> str:
    """Give the SQL of a column's moment in UTC; NULL for what no datetime holds, such as infinity."""
    return in_utc(connection, f"CASE WHEN {column} {WITHIN_TIME} THEN {column} END")


def read_moment(connection: Any, field: Any, value: Any) -> datetime | None:
    """Read what a statement of one's own gives of a field, through its converters; None for what is no time."""
    column = field.get_col(field.model._meta.db_table)
    try:
        for convert in (*connection.ops.get_db_converters(column), *column.get_db_converters(connection)):
            value = convert(value, column, connection)
    except (AttributeError, TypeError, ValueError):  # SQLite keeps any text, and has no type for a time
        return None
    return value if isinstance(value, datetime) else None


# Note [Whose zone]
# Under USE_TZ = False Django stores what the clock on the wall shows: the hour that autumn repeats comes twice, so that
# a later compute would look earlier to the fence, and PostgreSQL takes a naive UTC for a time of TIME_ZONE. A database
# may have a TIME_ZONE of its own under USE_TZ = True. Here a moment is passed with its zone to PostgreSQL and as UTC to
# all others, and comes back as UTC. With the defaults that is what Django does, too, so that tables need no migration;
# what an older version of this app has written in another zone is off by it, and is computed anew.

# Note [Whose letters]
# What MySQL and MariaDB compare as equal is a matter of the column: by default "us" is "US", "cafe" is "café", "ss" is
# "ß", some emoji are each other, and what ends in blanks is what does not. Two variants would share one row, and be
# given each other's value; a scope's changes would be added to another's sum. So each text of ours names a collation in
# which it equals itself alone (a binary one; utf8mb4_bin itself overlooks blanks at the end). To migrations it is
# Django's own field, for no other database has anything to change: a migration gives the whole tables that collation
# on MySQL (0008), and these fields give it to tables that are made without migrations.
