"""What several tests of the room declare."""

from typing import Any

import pytest

from statistics_cache import Statistic, statistic
from tests.web.spelt import spelt


@pytest.fixture
def every_kind() -> Statistic[..., str]:
    """Declare a statistic with a parameter of each kind."""
    declare: Any = statistic(name="tests.spelt")
    declared: Statistic[..., str] = declare(spelt)
    return declared
