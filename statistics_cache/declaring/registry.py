"""Every declared statistic by name; a second one of a name is refused."""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Generic, Protocol, TypeVar

from statistics_cache.exceptions import DeclarationError, UnknownStatistic

from .declaration import Declaration
from .parameters import did_you_mean


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

    def add(self, statistic: D) -> None:
        """Take a statistic in. Raises DeclarationError for a second one of a name."""
        name = statistic.declaration.name
        if (known := self.named.setdefault(name, statistic)) is not statistic:
            raise DeclarationError(
                f"{known.declaration.path} already is the statistic {name!r}. "
                "Rename one of them, or give another name=."
            )

    def all(self) -> list[D]:
        """Give every statistic, by name."""
        return [self.named[name] for name in sorted(self.named)]

    def get(self, name: str) -> D:
        """Give the statistic of a name. Raises UnknownStatistic with the nearest one."""
        if name not in self.named:
            raise UnknownStatistic(f"there is no statistic {name!r}.{did_you_mean(name, self.named)}")
        return self.named[name]

    def select(self, patterns: Iterable[str]) -> list[D]:
        """Give the statistics that names or globs name, by name. Raises UnknownStatistic for one that names none."""
        chosen: dict[str, D] = {}
        for pattern in patterns:
            matching = {name: found for name, found in self.named.items() if fnmatchcase(name, pattern)}
            chosen |= matching or {pattern: self.get(pattern)}
        return [chosen[name] for name in sorted(chosen)]
