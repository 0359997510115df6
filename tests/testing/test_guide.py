"""`docs/testing.md` says what is true: its code runs, its tests pass."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import TestCase

from statistics_cache import testing
from tests.testing.test_isolating import run

GUIDE = (Path(testing.__file__).parent.parent / "docs" / "testing.md").read_text()


@pytest.mark.django_db(transaction=True)
def test_the_guide_s_tests_pass(settings: Any) -> None:
    """Each block runs after the one before it, and each test case passes."""
    settings.ROOT_URLCONF = "project.urls"
    namespace: dict[str, Any] = {"__name__": "project.catalog.guide"}
    for block in re.findall(r"^```python\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE):
        exec(block, namespace)  # noqa: S102
    cases = [each for each in namespace.values() if isinstance(each, type) and issubclass(each, TestCase)]
    told = [run(case) for case in cases if case is not TestCase]
    assert [each.testsRun for each in told] == [2, 3, 1]
    assert [each.errors + each.failures for each in told] == [[], [], []]


def test_the_guide_names_everything() -> None:
    """What the kit has is in its guide."""
    assert [name for name in testing.__all__ if name not in GUIDE] == []
