"""Deleting rows that were cleared: nobody is given them any more, so it can wait, and be done some at a time."""

from typing import Any, NamedTuple

from statistics_cache.declaring.declaration import Declaration

from . import proving
from . import rows as cold

BATCHES = 10  # of 500 rows each, that one tick looks at: about a quarter of a second


class Swept(NamedTuple):
    """How many rows were deleted, and after which key to go on; None where nothing is left."""

    deleted: int
    last: str | None


def sweep(declaration: Declaration[..., Any], after: str = "") -> Swept:
    """Delete the rows of a statistic that were cleared, of 5,000 in the current schema whose keys come after one."""
    deleted, last = 0, after
    batches = cold.stored_variants(declaration, {}, after)
    for _ in range(BATCHES):
        if (variants := next(batches, None)) is None:
            return Swept(deleted, None)
        proofs = proving.prove_on(
            cold.alias_of(declaration), [(declaration, each) for each in variants], payloads=False
        )
        cleared = [
            (key, proof.row.copy) for key, proof in proofs.items() if proof.row and proof.row.copy and not proof.copy
        ]
        rows = cold.rows_of(cold.alias_of(declaration), declaration.name).filter(schema=declaration.fingerprint)
        gone = rows.filter(key__in=[key for key, _ in cleared], epoch__in={copy.database.epoch for _, copy in cleared})
        deleted += cold.delete(cold.alias_of(declaration), gone)
        last = variants[-1].key
    return Swept(deleted, last)
