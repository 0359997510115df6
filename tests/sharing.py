"""Large families of tests are shared out between the cells of CI: together they play all of each.

Within a cell processes share the tests, and what is slow comes first: at the end nobody waits for it.
"""

import os
from collections.abc import Iterable
from itertools import islice

import pytest

LARGE = 3  # variants of one test function, from which on each cell plays its part of them
# The tests of these files start servers and processes, or search for seconds: each file is one family.
SLOW = frozenset(
    {
        "tests/admin/test_browser.py",
        "tests/checks/test_places.py",
        "tests/dashboard/test_browser.py",
        "tests/engines/test_cluster.py",
        "tests/engines/test_mariadb.py",
        "tests/engines/test_pgbouncer.py",
        "tests/engines/test_pools.py",
        "tests/engines/test_rabbit.py",
        "tests/engines/test_sentinel.py",
        "tests/engines/test_serving.py",
        "tests/hot/test_counters.py",
        "tests/test_demo.py",
        "tests/test_differential.py",
        "tests/test_interleaving.py",
        "tests/test_soak.py",
        "tests/test_stateful.py",
        "tests/test_typing.py",
        "tests/test_worker.py",
        "tests/triggering/test_listening.py",
    }
)
PROCESSES = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
PART = os.environ.get("TESTS_PART", "1/1")  # "1/2" is the first of two parts; all without it


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another cell plays, whatever the order is."""
    number, parts = map(int, PART.split("/"))
    families: dict[str, list[str]] = {}
    for item in items:
        families.setdefault(family_of(item.nodeid), []).append(item.nodeid)
    ours = {test for name, family in families.items() for test in part_of(name, sorted(family), number, parts)}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in ours])
    items[:] = slow_first([item for item in items if item.nodeid in ours], PROCESSES)


def slow_first(items: list[pytest.Item], processes: int) -> list[pytest.Item]:
    """Order tests so that of as many even pieces each begins with its part of the slow files: pytest-xdist gives each
    process one, and whoever has done all takes from the end of another's."""
    files = list(dict.fromkeys(file_of(item.nodeid) for item in items if file_of(item.nodeid) in SLOW))
    others = iter([item for item in items if file_of(item.nodeid) not in SLOW])
    ordered: list[pytest.Item] = []
    for at in range(processes):
        mine = set(files[at::processes])
        ordered += [item for item in items if file_of(item.nodeid) in mine]
        ordered += islice(others, max(0, len(items) * (at + 1) // processes - len(ordered)))
    return ordered


def file_of(test: str) -> str:
    """Name the file of a test."""
    return test.partition("::")[0]


def family_of(test: str) -> str:
    """Name the family of a test: its file if that is slow, else its function."""
    return file_of(test) if file_of(test) in SLOW else test.partition("[")[0]


def part_of(name: str, family: list[str], number: int, parts: int) -> Iterable[str]:
    """Give one part of a family; all of a small one."""
    return family[number - 1 :: parts] if name in SLOW or len(family) >= LARGE else family
