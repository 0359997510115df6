"""Logging changes as a transaction does, with a jump that the test knows."""

from collections.abc import Iterable
from random import randint

from statistics_cache.cold.changelog import MAX_JUMP
from statistics_cache.models import StatisticInvalidation


def record(alias: str, statistic: str, scopes: Iterable[str], cause: str) -> int:
    """Log one jump of each scope and give it."""
    jump = randint(1, MAX_JUMP)
    rows = [StatisticInvalidation(statistic=statistic, scope=scope, jump=jump, cause=cause) for scope in scopes]
    StatisticInvalidation.objects.using(alias).bulk_create(rows)
    return jump
