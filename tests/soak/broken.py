"""Broken versions, each of which the soak must catch: what it proves of the others rests on that."""

from collections.abc import Iterable
from random import randint
from typing import Any

from statistics_cache import changelog, hot

DELIVERY = "delivery"


def break_it(what: str) -> None:
    """Lose every log row whose cause ends so ("deleted", "updated", "by hand" …), or each delivery."""
    if what == DELIVERY:
        hot.bump = lambda *_: None
    elif what:
        lose_log_rows(what)


def lose_log_rows(ending: str) -> None:
    """Have some changes delivered, but never logged."""
    record = changelog.record

    def forgetful(alias: str, statistic: str, scopes: Iterable[str], cause: str) -> Any:
        return randint(1, 9) if cause.endswith(ending) else record(alias, statistic, scopes, cause)

    changelog.record = forgetful
