"""How CI's cells share out large families of tests, and slow ones."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.sharing import LARGE, SLOW, family_of, file_of, part_of, slow_first


class Named(NamedTuple):
    """What is asked of a test."""

    nodeid: str


@pytest.mark.parametrize(("name", "tests"), [("test", 2 * LARGE + 1), (min(SLOW), 3)])
def test_the_parts_of_a_large_family_are_all_of_it(name: str, tests: int) -> None:
    """Each test of it is played by one cell, and by no other; so is each test of a slow file."""
    family = [f"test[{number}]" for number in range(tests)]
    parts = [list(part_of(name, family, number, 2)) for number in (1, 2)]
    assert sorted(parts[0] + parts[1]) == sorted(family)
    assert len(parts[0]) - len(parts[1]) == 1


def test_a_small_family_is_played_by_every_cell() -> None:
    """And all of it is played where nothing is shared."""
    family = [f"test[{number}]" for number in range(LARGE - 1)]
    assert part_of("test", family, 2, 2) == part_of("test", family, 1, 1) == family


def test_a_slow_file_is_one_family() -> None:
    """Other files have one for each function."""
    assert {family_of(f"{min(SLOW)}::test_{name}[1]") for name in "ab"} == {min(SLOW)}
    assert family_of("tests/test_sharing.py::test_a[1]") == "tests/test_sharing.py::test_a"


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_process_begins_with_what_is_slow(processes: int) -> None:
    """None is lost, and each even piece begins with its part of the slow files, whole."""
    slow = [Named(f"{file}::test_{number}") for file in sorted(SLOW) for number in range(2)]
    items: Any = [*(Named(f"tests/test_quick.py::test_{number}") for number in range(900)), *slow]
    ordered = slow_first(items, processes)
    assert sorted(item.nodeid for item in ordered) == sorted(item.nodeid for item in items)
    size = len(items) // processes
    begins = [[file_of(item.nodeid) for item in ordered[at * size + 1 :][:8]] for at in range(processes)]
    assert {file for begin in begins for file in begin} <= SLOW
    assert sum(len(set(begin)) for begin in begins) >= 4 * processes


def test_slow_files_are_there() -> None:
    """None was renamed."""
    assert [file for file in SLOW if not Path(file).is_file()] == []
