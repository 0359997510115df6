"""Time that passes for one entry alone."""

from datetime import timedelta
from time import time
from typing import Any

from statistics_cache.api import Statistic
from statistics_cache.broker import queue
from statistics_cache.cold import rows as cold
from statistics_cache.conf import limits
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import microseconds
from statistics_cache.hot import entries as hot
from statistics_cache.identity import known

from .finding import declaration_of


def age_entry(statistic: Statistic[..., Any] | str, *args: Any, by: timedelta, **parameters: Any) -> None:
    """Make what is stored of one variant older by a timedelta, in both tiers: as if it had been computed earlier.

    Older than its ttl it is stale, older than its `stale_ttl` a miss; with JITTER it is stale up to a tenth earlier.
    Raises UnknownStatistic, ParameterError, ValueError unless `by` is above 0, and LookupError where nothing is stored.
    """
    if by <= timedelta(0):
        raise ValueError(f"age_entry: by is {by!r}. Give a timedelta above 0.")
    declaration = declaration_of(statistic)
    variant = declaration.variant(args, parameters)
    aged = [age(declaration, variant, by) for age in (age_row, age_copy)]
    if not any(aged):
        raise LookupError(f"{declaration.name} {variant.shown}: nothing is stored of it. Read it before you age it.")
    queue.asked_until.clear()


def age_row(declaration: Declaration[..., Any], variant: Variant, by: timedelta) -> bool:
    """Make the row older; tell whether there is one."""
    rows = cold.rows_of(cold.alias_of(declaration), declaration.name).filter(
        key=variant.key, schema=declaration.fingerprint, computed_at__isnull=False
    )
    moment = rows.values_list("computed_at", flat=True).first()
    return moment is not None and bool(rows.update(computed_at=moment - by))


def age_copy(declaration: Declaration[..., Any], variant: Variant, by: timedelta) -> bool:
    """Make the hot copy older; tell whether there is one."""
    identity = known.in_force(cold.alias_of(declaration))
    copy = hot.read(declaration, variant, identity).copy
    if copy is None or identity is None:
        return False
    older = copy._replace(computed_at=microseconds(copy.computed_at - by.total_seconds()))
    if older.age(time()) < limits(declaration).stale_ttl:
        hot.write(declaration, variant, older, identity)
    else:
        hot.delete(identity, [(declaration.name, declaration.fingerprint, variant.key)])
    return True
