"""What a test demands: so many computes, and that a change concerned a variant or did not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db.models import Max

from statistics_cache import underway
from statistics_cache.api import Statistic
from statistics_cache.changing import checking
from statistics_cache.cold.rows import alias_of
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.entry import Generations
from statistics_cache.models import StatisticInvalidation

from .entering import enterable
from .finding import declaration_of


@enterable
@contextmanager
def assert_computes(number: int, *statistics: Statistic[..., Any] | str) -> Iterator[None]:
    """Demand that functions of statistics are run just so many times within, by any thread of this process.

    Of those named, else of all. `.compute(…)`, which is the plain function, does not count, nor does what
    `override_statistic` gives. Raises AssertionError, naming what was computed, and UnknownStatistic.
    """
    among = [declaration_of(each) for each in statistics]
    computed: list[str] = []

    def note(declaration: Declaration[..., Any], variant: Variant) -> None:
        if not among or declaration in among:
            computed.append(f"{declaration.name} {variant.shown}")

    underway.listeners.append(note)
    try:
        yield
    finally:
        underway.listeners.remove(note)
    if len(computed) != number:
        listed = "".join(f"\n  {each}" for each in computed)
        raise AssertionError(
            f"{number} computes were expected, and there were {len(computed)}{':' if listed else '.'}{listed}"
        )


@enterable
@contextmanager
def assert_invalidated(statistic: Statistic[..., Any] | str, *args: Any, **parameters: Any) -> Iterator[None]:
    """Demand that what is done within makes one variant be computed anew: a change of a source that concerns it,
    `.invalidate` or `.clear`; committed or not.

    Raises AssertionError, with what else changed of the statistic, and UnknownStatistic, ParameterError.
    """
    watched = Watched.begin(statistic, args, parameters)
    yield
    if not watched.has_moved():
        raise AssertionError(f"{watched.shown} was not invalidated. {watched.changes()}")


@enterable
@contextmanager
def assert_not_invalidated(statistic: Statistic[..., Any] | str, *args: Any, **parameters: Any) -> Iterator[None]:
    """Demand that nothing that is done within makes one variant be computed anew.

    Raises AssertionError, with what changed of the statistic, and UnknownStatistic, ParameterError.
    """
    watched = Watched.begin(statistic, args, parameters)
    yield
    if watched.has_moved():
        raise AssertionError(f"{watched.shown} was invalidated. {watched.changes()}")


class Watched(NamedTuple):
    """A variant, its generation when the block began, and the last log row of then."""

    declaration: Declaration[..., Any]
    variant: Variant
    database: Generations
    last: int

    @classmethod
    def begin(cls, statistic: Statistic[..., Any] | str, args: Any, parameters: Any) -> "Watched":
        """Look at a variant."""
        declaration = declaration_of(statistic)
        variant = declaration.variant(args, parameters)
        last = log_of(declaration).aggregate(last=Max("pk"))["last"] or 0
        return cls(declaration, variant, generations_of(declaration, variant)[0], last)

    @property
    def shown(self) -> str:
        """Name the variant."""
        return f"{self.declaration.name} {self.variant.shown}"

    def has_moved(self) -> bool:
        """Tell whether its generation moved; a change whose scopes nobody may read yet may concern it."""
        database, is_checked = generations_of(self.declaration, self.variant)
        return database != self.database or not is_checked

    def changes(self) -> str:
        """Say what changed of the statistic."""
        rows = log_of(self.declaration).filter(pk__gt=self.last).order_by("pk").values_list("scope", "cause")
        listed = "".join(f"\n  {scope or 'all'}: {cause}" for scope, cause in rows)
        return (
            f"What changed of {self.declaration.name}:{listed}"
            if listed
            else f"Nothing changed of {self.declaration.name}."
        )


def generations_of(declaration: Declaration[..., Any], variant: Variant) -> tuple[Generations, bool]:
    """Give a variant's generations, and whether all changes are checked. Raises AssertionError where nobody knows."""
    proofs = checking.prove(declaration, [variant], payloads=False)
    if proofs is None:
        raise AssertionError(f"{declaration.name}: its database does not answer, or is not migrated.")
    return proofs[variant.key].database, proofs[variant.key].is_checked


def log_of(declaration: Declaration[..., Any]) -> Any:
    """Give the log rows of a statistic."""
    return StatisticInvalidation.objects.using(alias_of(declaration)).filter(statistic=declaration.name)
