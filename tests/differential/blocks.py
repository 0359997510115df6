"""How operations are put into transactions: committed, rolled back, in part or as a whole; with errors caught or not.

Each takes `step`, which does the next operation, and `look`, which reads everything in between.
"""

from collections.abc import Callable
from contextlib import suppress

from django.db import transaction

Step = Callable[[], None]
Block = Callable[[Step, Step, str], None]


class Undone(Exception):
    """A block is left by an error of the user's own."""


def alone(step: Step, look: Step, alias: str) -> None:
    """Do one operation with no block around it."""
    step()


def in_autocommit(step: Step, look: Step, alias: str) -> None:
    """Do two operations with no block around them, the second whatever came of the first."""
    with suppress(Exception):
        step()
    step()


def in_a_block(step: Step, look: Step, alias: str) -> None:
    """Do two operations in a block, and read in between."""
    with transaction.atomic(using=alias):
        step()
        look()
        step()


def in_a_savepoint(step: Step, look: Step, alias: str) -> None:
    """Do the second operation in a block of its own."""
    with transaction.atomic(using=alias):
        step()
        with transaction.atomic(using=alias):
            step()
        look()


def inner_rolled_back(step: Step, look: Step, alias: str) -> None:
    """Roll the second operation back alone."""
    with transaction.atomic(using=alias):
        step()
        with transaction.atomic(using=alias):
            step()
            look()
            transaction.set_rollback(True, using=alias)
        look()


def first_rolled_back(step: Step, look: Step, alias: str) -> None:
    """Roll the first operation back, by an error, and do another."""
    with transaction.atomic(using=alias):
        try:
            with transaction.atomic(using=alias):
                step()
                raise Undone
        except Undone:
            look()
        step()


def rolled_back(step: Step, look: Step, alias: str) -> None:
    """Roll both operations back."""
    with transaction.atomic(using=alias):
        step()
        with transaction.atomic(using=alias):
            step()
        look()
        transaction.set_rollback(True, using=alias)


def savepoint_by_hand(step: Step, look: Step, alias: str) -> None:
    """Go back to a savepoint that was set by hand."""
    with transaction.atomic(using=alias):
        step()
        point = transaction.savepoint(using=alias)
        step()
        transaction.savepoint_rollback(point, using=alias)
        look()


def caught(step: Step, look: Step, alias: str) -> None:
    """Catch what the operation raises inside the block, and do another."""
    with transaction.atomic(using=alias):
        with suppress(Exception):  # whatever it is: the next one shows what is left
            step()
        step()


def without_savepoint(step: Step, look: Step, alias: str) -> None:
    """Do the operations in a block whose inner one is no savepoint."""
    with transaction.atomic(using=alias):
        with transaction.atomic(using=alias, savepoint=False):
            step()
        look()
        step()


def durable(step: Step, look: Step, alias: str) -> None:
    """Do each operation in a block that no other may be around."""
    with suppress(Exception), transaction.atomic(using=alias, durable=True):
        step()
    with transaction.atomic(using=alias, durable=True):
        step()


BLOCKS: tuple[Block, ...] = (
    alone,
    in_autocommit,
    in_autocommit,
    in_a_block,
    in_a_savepoint,
    inner_rolled_back,
    first_rolled_back,
    rolled_back,
    savepoint_by_hand,
    caught,
    caught,
    without_savepoint,
    durable,
)
