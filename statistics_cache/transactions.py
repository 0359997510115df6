"""Whether a database is in a transaction of its user's, and what waits for the commit."""

from collections.abc import Callable

from django.db import connections, transaction


def in_transaction(alias: str) -> bool:
    """Tell whether what is done now on a database may still be rolled back.

    The blocks that a `TestCase` opens for itself do not count: code under test runs as it does in production.
    """
    connection = connections[alias]
    if connection.in_atomic_block:
        return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)
    return not connection.get_autocommit()


def after_commit(alias: str, function: Callable[[], object]) -> None:
    """Run a function when what is done now is committed: at once outside a transaction, never after a rollback.

    Under `set_autocommit(False)` Django cannot tell when the commit comes, so nothing is run.
    """
    connection = connections[alias]
    if not in_transaction(alias):
        function()
    elif connection.in_atomic_block:
        transaction.on_commit(function, using=alias)


def after_commit_once(alias: str, function: Callable[[], object]) -> None:
    """Do as `after_commit`, unless an equal function already waits for this commit."""
    if all(waiting != function for _, waiting, *_ in connections[alias].run_on_commit):
        after_commit(alias, function)
