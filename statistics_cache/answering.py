"""Answers: what a search of the tiers found, given as policy allows it, refreshed by a worker, or computed."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from . import flying, reading
from .cold import rows as cold
from .cold.transactions import in_transaction
from .conf import may_serve
from .declaring.consistency import Consistency
from .declaring.declaration import Declaration, Variant
from .entry import Answer, Search, State, Tier
from .hot import counters
from .hot.counters import Outcome
from .signals import value_read

T = TypeVar("T")


def value(declaration: Declaration[..., T], variant: Variant) -> T:
    """Give a value: found hot, else proved by the database, else stale where that is allowed, else computed."""
    ended = reading.search(declaration, variant, None)
    if (fresh := ended.fresh) is not None:
        note(declaration, "hit", fresh.copy.tier)
        return fresh.value
    return noted(declaration, settle(declaration, variant, ended)).value


def answer(declaration: Declaration[..., T], variant: Variant, consistency: Consistency | None = None) -> Answer[T]:
    """Give a value with its provenance."""
    ended = reading.search(declaration, variant, None, consistency)
    if (fresh := ended.fresh) is not None:
        note(declaration, "hit", fresh.copy.tier)
        return fresh.answer()
    return noted(declaration, settle(declaration, variant, ended, consistency=consistency))


def answer_many(
    declaration: Declaration[..., T], variants: Sequence[Variant], consistency: Consistency | None = None
) -> list[Answer[T]]:
    """Answer for each variant: one round trip, one statement for what is missing there, a compute for what is left."""
    answers, errors = settle_many(declaration, variants, consistency=consistency)
    if errors:
        raise errors[0]
    return [noted(declaration, each) for each in answers]


def settle_many(
    declaration: Declaration[..., T],
    variants: Sequence[Variant],
    *,
    takes_stale: bool = True,
    consistency: Consistency | None = None,
) -> tuple[list[Answer[T]], list[Exception]]:
    """Settle each variant, in order: a failure keeps no other from its own answer."""
    answers: list[Answer[T]] = []
    errors: list[Exception] = []
    found = reading.search_many(declaration, variants, None if takes_stale else False, consistency)
    for variant, ended in zip(variants, found, strict=True):
        try:
            answers.append(settle(declaration, variant, ended, takes_stale=takes_stale, consistency=consistency))
        except Exception as error:  # noqa: BLE001  (given to the caller, who raises the first)
            errors.append(error)
    return answers, errors


def noted(declaration: Declaration[..., Any], given: Answer[T]) -> Answer[T]:
    """Give an answer and note what kind it is: what was not there is a miss, whoever computed it."""
    note(declaration, "miss" if given.tier == "computed" else outcome_of(given.state), given.tier)
    return given


def outcome_of(state: State) -> Outcome:
    """Name what was found in a state."""
    return "hit" if state == "fresh" else "stale hit"


def note(declaration: Declaration[..., Any], outcome: Outcome, tier: Tier | None) -> None:
    """Count a read, and tell whoever listens."""
    counters.note(declaration.name, outcome)
    if value_read.receivers:
        value_read.send_robust(sender=type(declaration), statistic=declaration.name, outcome=outcome, tier=tier)


def settle(
    declaration: Declaration[..., T],
    variant: Variant,
    ended: Search[T],
    *,
    takes_stale: bool = True,
    consistency: Consistency | None = None,
) -> Answer[T]:
    """Give what a search found fresh, or stale where that is allowed, else have it computed, once for all who ask."""
    if (fresh := ended.fresh) is not None:
        return fresh.answer()
    look = partial(reading.search, declaration, variant, consistency=consistency)
    given = flying.settle(declaration, variant, ended, look, takes_stale=takes_stale)
    if given.tier == "computed" and in_transaction(cold.alias_of(declaration)):
        reading.look_again(declaration, variant)
    return given


def answer_at_once(
    declaration: Declaration[..., T],
    variant: Variant,
    allow_stale: bool | None = None,
    consistency: Consistency | None = None,
    *,
    on_miss: bool = False,
) -> Answer[T] | None:
    """Give what the cache has, fresh, or stale where that is allowed; None otherwise. Never computes.

    What is given stale is refreshed by a worker, and so is a miss if the caller says so.
    """
    ended = reading.search(declaration, variant, allow_stale, consistency)
    found = ended.found
    given = found if found and (found.state == "fresh" or may_serve(declaration, found, allow_stale)) else None
    if ended.fresh is None and (given or on_miss):
        flying.revalidate(declaration, variant, ended)
    note(declaration, outcome_of(given.state) if given else "miss", given.copy.tier if given else None)
    return given.answer() if given else None
