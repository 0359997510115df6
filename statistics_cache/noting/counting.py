"""The tables that a statement has read as PostgreSQL counts them: through views, functions and partitions, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READING = ("SELECT", "WITH", "(", "VALUES", "TABLE")
IDLE, IN_TRANSACTION, IN_ERROR = 0, 2, 3  # of libpq; in any other state nothing is to be asked
ENDINGS = {IN_TRANSACTION: "COMMIT", IN_ERROR: "ROLLBACK"}
COUNTS = """
SELECT lower(coalesce(root.relname, each.relname)), sum(
    coalesce(seq_scan, 0) + coalesce(idx_scan, 0) + coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
) FROM pg_stat_xact_user_tables each JOIN pg_class own ON own.oid = each.relid AND own.relpersistence <> 't'
LEFT JOIN pg_class root ON root.oid = pg_partition_root(each.relid) GROUP BY 1
"""


def is_countable(connection: Any, cursor: Any, text: str) -> bool:
    """Tell whether the server can be asked what a statement reads: not one that is read from a cursor of the server's,
    which reads later."""
    if connection.vendor != "postgresql" or connection.connection is None or getattr(cursor.cursor, "name", None):
        return False
    return text.lstrip().upper().startswith(READING) and state_of(connection) in (IDLE, IN_TRANSACTION)


def state_of(connection: Any) -> int:
    """Give the state of a connection's transaction."""
    return int(connection.connection.info.transaction_status)


@contextmanager
def counted(connection: Any, found: set[str]) -> Iterator[None]:
    """Add the tables that the one statement inside reads. (Note [In a transaction of its own])

    All that is sent here goes past Django: nobody counts it among the user's statements. What a server that goes away
    meanwhile raises is the statement's error, in Django's words: it is not known to have ended well.
    """
    is_mine = state_of(connection) == IDLE and connection.get_autocommit()
    with connection.wrap_database_errors:
        try:
            before = begin(connection, is_mine=is_mine)
            yield
            if before is not None and state_of(connection) == IN_TRANSACTION:
                found |= {name for name, count in counts_of(connection).items() if count > before.get(name, 0)}
        finally:
            end(connection, is_mine=is_mine)


def begin(connection: Any, *, is_mine: bool) -> dict[str, int] | None:
    """Begin a transaction if none is open, and give the counts so far; None where that fails."""
    try:
        if is_mine:
            connection.connection.cursor().execute("BEGIN")
        return counts_of(connection)
    except connection.Database.Error:  # the statement will say so itself
        end(connection, is_mine=is_mine)
        return None


def end(connection: Any, *, is_mine: bool) -> None:
    """End the transaction that was begun here, if it is open still; one whose statement was interrupted, by a time
    limit, ends with its connection, which takes no other."""
    ending = ENDINGS.get(state_of(connection)) if is_mine and not connection.connection.closed else None
    if ending:
        connection.connection.cursor().execute(ending)


def counts_of(connection: Any) -> dict[str, int]:
    """Give what the server has counted for each table; partitions are counted to their root."""
    cursor = connection.connection.cursor()
    cursor.execute(COUNTS)
    return dict(cursor.fetchall())


# Note [In a transaction of its own]
# The server keeps these counts for the transaction under way; outside of one it adds them up elsewhere when it likes.
# A statement in autocommit is a transaction of its own, so that it is put between BEGIN and COMMIT changes nothing
# about it: what it sees, what it locks, and that its error undoes nothing else. A transaction around the whole compute
# would be another matter: `atomic(durable=True)` raises there, and an error that the function handles would break it.
