"""What tests measured: lines under headings at the end of the run, from whichever process; hooks for `conftest.py`."""

from collections.abc import Callable
from typing import Any

import pytest

PREFIX = "figures: "  # of the names under which a test's report holds them

Figure = Callable[[str, str], None]


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Figure:
    """Give a function that takes a heading and a line."""
    return lambda heading, line: record_property(PREFIX + heading, line)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write the figures; a test's last report, that of its teardown, holds all of them."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    headings: dict[str, list[object]] = {}
    for report in reports:
        for name, line in report.user_properties if getattr(report, "when", "") == "teardown" else ():
            headings.setdefault(name, []).append(line)
    for name, lines in sorted(headings.items()):
        if name.startswith(PREFIX):
            terminalreporter.section(name.removeprefix(PREFIX))
            for line in lines:
                terminalreporter.write_line(str(line))
