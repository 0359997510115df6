"""A plugin for pytest: each test is isolated by itself.

Nothing loads it but you: `pytest_plugins = ["statistics_cache.testing.pytest_plugin"]` in the `conftest.py` at the top,
or `-p statistics_cache.testing.pytest_plugin`.
"""

from collections.abc import Iterator

import pytest

from statistics_cache import testing


@pytest.fixture(autouse=True)
def isolated_statistics() -> Iterator[None]:
    """Run each test within `isolated_statistics`."""
    with testing.isolated_statistics():
        yield
