"""How CI's cells share out large families of tests."""

from tests.sharing import LARGE, part_of


def test_the_parts_of_a_large_family_are_all_of_it() -> None:
    """Each test of it is played by one cell, and by no other."""
    family = [f"test[{number}]" for number in range(LARGE + 1)]
    parts = [list(part_of(family, number, 2)) for number in (1, 2)]
    assert sorted(parts[0] + parts[1]) == sorted(family)
    assert len(parts[0]) - len(parts[1]) == 1


def test_a_small_family_is_played_by_every_cell() -> None:
    """And all of it is played where nothing is shared."""
    family = [f"test[{number}]" for number in range(LARGE - 1)]
    assert part_of(family, 2, 2) == part_of(family, 1, 1) == family
