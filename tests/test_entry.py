"""The text of a hot copy: what is read is what was written, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statistics_cache.entry import END_OF_TIME, Copy, Generations, read_header, write_header

KEY = 'tests.stock:color="red"'
GENERATIONS = st.integers(0, 2**63 - 1)
SECONDS = st.integers(0, int(END_OF_TIME) - 1).map(float)
COPIES = st.builds(
    Copy,
    payload=st.text(),
    computed_at=SECONDS,
    cost=SECONDS,
    database=st.builds(Generations, GENERATIONS, GENERATIONS),
    tier=st.just("hot"),
    hot=st.lists(GENERATIONS, min_size=1, max_size=3).map(tuple),
    proved_at=SECONDS,
)


@given(COPIES)
def test_what_is_written_is_read(copy: Copy) -> None:
    """Whatever the payload holds; for its own key alone."""
    text = write_header(KEY, copy)
    assert read_header(KEY, text, len(copy.payload)) == copy
    assert read_header(f"{KEY}&", text, len(copy.payload)) is None


@pytest.mark.parametrize("payload", ["1234567", '{"pots":3,"litres":70}', "[]"])
def test_what_was_cut_short_is_nothing(payload: str) -> None:
    """Wherever it was cut, also where what is left is a value; and so is what something was added to."""
    text = write_header(KEY, Copy(payload, 1.5, 0.5, Generations(7, 5), "hot", (11, 13), 2.5))
    assert all(read_header(KEY, text[:length], 1_000) is None for length in range(len(text)))
    assert read_header(KEY, f"{text}0", 1_000) is None
