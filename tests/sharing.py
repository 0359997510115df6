"""Large families of tests are shared out between the cells of CI: together they play all of each."""

import os
from collections.abc import Iterable

import pytest

LARGE = 3  # variants of one test function, from which on each cell plays its part of them
# The tests of these files start servers, or search for seconds: each file is one family.
SLOW = frozenset(
    {
        "tests/admin/test_browser.py",
        "tests/dashboard/test_browser.py",
        "tests/engines/test_cluster.py",
        "tests/engines/test_mariadb.py",
        "tests/engines/test_pgbouncer.py",
        "tests/engines/test_pools.py",
        "tests/engines/test_rabbit.py",
        "tests/engines/test_sentinel.py",
        "tests/engines/test_serving.py",
        "tests/test_demo.py",
        "tests/test_differential.py",
        "tests/test_interleaving.py",
        "tests/test_soak.py",
        "tests/test_stateful.py",
        "tests/test_worker.py",
    }
)
PART = os.environ.get("TESTS_PART", "1/1")  # "1/2" is the first of two parts; all without it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another cell plays, whatever the order is."""
    number, parts = map(int, PART.split("/"))
    families: dict[str, list[str]] = {}
    for item in items:
        families.setdefault(family_of(item.nodeid), []).append(item.nodeid)
    ours = {test for name, family in families.items() for test in part_of(name, sorted(family), number, parts)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ours])
    items[:] = [item for item in items if item.nodeid in ours]


def family_of(test: str) -> str:
    """Name the family of a test: its file if that is slow, else its function."""
    file = test.partition("::")[0]
    return file if file in SLOW else test.partition("[")[0]


def part_of(name: str, family: list[str], number: int, parts: int) -> Iterable[str]:
    """Give one part of a family; all of a small one."""
    return family[number - 1 :: parts] if name in SLOW or len(family) >= LARGE else family
