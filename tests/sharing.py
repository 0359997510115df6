"""Large families of tests are shared out between the cells of CI: together they play all of each."""

import os
from collections.abc import Iterable

import pytest

LARGE = 12  # variants of one test function, from which on each cell plays its part of them
PART = os.environ.get("TESTS_PART", "1/1")  # "1/2" is the first of two parts; all without it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another cell plays, whatever the order is."""
    number, parts = map(int, PART.split("/"))
    families: dict[str, list[str]] = {}
    for item in items:
        families.setdefault(item.nodeid.partition("[")[0], []).append(item.nodeid)
    ours = {name for family in families.values() for name in part_of(sorted(family), number, parts)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ours])
    items[:] = [item for item in items if item.nodeid in ours]


def part_of(family: list[str], number: int, parts: int) -> Iterable[str]:
    """Give one part of a family; all of a small one."""
    return family[number - 1 :: parts] if len(family) >= LARGE else family
