"""The option `--exhaustive`, and what was searched, at the end of the run; `conftest.py` imports both hooks."""

from typing import Any

LINES: list[str] = []


def pytest_addoption(parser: Any) -> None:
    """Add the option."""
    parser.addoption("--exhaustive", action="store_true", help="search every cast of test_interleaving.py to its end")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Write what was searched."""
    if LINES:
        terminalreporter.section("interleavings")
        for line in LINES:
            terminalreporter.write_line(line)


def report(name: str, states: int, schedules: int, violations: int, seconds: float) -> None:
    """Note what one search came to."""
    LINES.append(
        f"{name:<55} {states:>9,} states  {schedules:>19,} schedules  {violations:d} violations  {seconds:6.1f} s"
    )
