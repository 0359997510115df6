"""Every declared statistic by name; a second one of a name is refused."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Generic, Protocol, TypeVar

from statistics_cache.exceptions import DeclarationError, UnknownStatistic

from .declaration import Declaration
from .parameters import did_you_mean, short


class Declared(Protocol):
    """An object that `@statistic` leaves."""

    @property
    def declaration(self) -> Declaration[..., Any]:
        """Give what it was declared with."""


D = TypeVar("D", bound=Declared)


class Registry(Generic[D]):
    """Statistics by name."""

    def __init__(self) -> None:
        """Start empty."""
        self.named: dict[str, D] = {}

    def add(self, statistic: D) -> D | None:
        """Take a statistic in, and give the one whose place it takes: of the same module, which is run once more
        (`importlib.reload`). Raises DeclarationError for any other second one of a name."""
        name = statistic.declaration.name
        known = self.named.setdefault(name, statistic)
        if known is statistic:
            return None
        if not is_run_again(known.declaration, statistic.declaration):
            raise DeclarationError(
                f"{known.declaration.path} already is the statistic {name!r}. "
                "Rename one of them, or give another name=."
            )
        self.named[name] = statistic
        return known

    def all(self) -> list[D]:
        """Give every statistic, by name."""
        return [self.named[name] for name in sorted(self.named)]

    def get(self, name: str) -> D:
        """Give the statistic of a name. Raises UnknownStatistic with the nearest one."""
        if name not in self.named:
            raise UnknownStatistic(f"there is no statistic {short(name)}.{did_you_mean(name, self.named)}")
        return self.named[name]

    def select(self, patterns: Iterable[str]) -> list[D]:
        """Give the statistics that names or globs name, by name. Raises UnknownStatistic for one that names none."""
        chosen: dict[str, D] = {}
        for pattern in patterns:
            matching = {name: found for name, found in self.named.items() if fnmatchcase(name, pattern)}
            chosen |= matching or {pattern: self.get(pattern)}
        return [chosen[name] for name in sorted(chosen)]


def is_run_again(known: Declaration[..., Any], new: Declaration[..., Any]) -> bool:
    """Tell whether two are of one module that was run twice: each run has a spec of its own."""
    return known.function.__module__ == new.function.__module__ and known.run is not new.run
