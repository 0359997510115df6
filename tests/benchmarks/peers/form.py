"""A way to read that is measured."""

from collections.abc import Callable
from typing import NamedTuple


class Form(NamedTuple):
    """A way to read: what is timed, what is done before each without being timed, how many values one read gives."""

    read: Callable[[], object]
    before: Callable[[], object] | None = None
    values: int = 1
