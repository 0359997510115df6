"""The tables that a statement has read as PostgreSQL counts them: through views, functions and partitions, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

READING = ("SELECT", "WITH", "(", "VALUES", "TABLE")
IDLE, IN_TRANSACTION = 0, 2  # of libpq; in any other state nothing is to be asked
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

    All that is sent here goes past Django: nobody counts it among the user's statements.
    """
    asks = connection.connection.cursor().execute
    is_mine = state_of(connection) == IDLE and connection.get_autocommit()
    try:
        if is_mine:
            asks("BEGIN")
        before = counts_of(connection)
    except connection.Database.Error:  # the statement will say so itself
        end(connection, is_mine=is_mine)
        yield
        return
    try:
        yield
        if state_of(connection) == IN_TRANSACTION:
            found |= {name for name, count in counts_of(connection).items() if count > before.get(name, 0)}
    finally:
        end(connection, is_mine=is_mine)


def end(connection: Any, *, is_mine: bool) -> None:
    """End the transaction that was begun here, if it is open still."""
    if is_mine and not connection.connection.closed and state_of(connection) != IDLE:
        connection.connection.cursor().execute("COMMIT" if state_of(connection) == IN_TRANSACTION else "ROLLBACK")


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
