"""What is shipped, and what the README says of it; `tests/documents` runs the blocks, `.ci/run` the two commands."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from statistics_cache.broker.schedule import REFRESH, TICK
from tests.documents.documents import blocks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
KNOWN = """
import django
django.setup()
from celery import current_app
from django.core.checks.registry import registry
print({each.__module__.split(".")[0] for each in registry.registered_checks} & {"statistics_cache"})
print(sorted(name for name in current_app.tasks if name.startswith("statistics_cache.")))
"""


def test_only_what_belongs_lies_at_the_top() -> None:
    """The top level holds the fixed names, LICENSE and dotfiles."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S607
    tops = {name.split("/")[0] for name in listed.splitlines()}
    allowed = {"manage.py", "pyproject.toml", "README.md", "LICENSE", "statistics_cache", "project", "tests"}
    assert {name for name in tops if not name.startswith(".")} <= allowed


def test_the_package_is_what_was_promised() -> None:
    """The distribution's name, licence and five runtime dependencies."""
    assert PROJECT["name"] == "django-statistics-cache"
    assert PROJECT["license"] == "MIT"
    assert {re.split(r"[><=]", name)[0] for name in PROJECT["dependencies"]} == {
        "django",
        "django-redis",
        "redis",
        "pydantic",
        "celery",
    }
    assert (ROOT / "statistics_cache" / "py.typed").exists()


def test_importing_wants_no_settings() -> None:
    """`import statistics_cache` works where nothing is configured."""
    script = "import statistics_cache; statistics_cache.Source, statistics_cache.Answer"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env={}, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_setting_django_up_is_enough() -> None:
    """Every process that has set Django up knows the tasks and the system checks, whatever else it imports."""
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", KNOWN], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{{'statistics_cache'}}\n{sorted([REFRESH, TICK])}\n", done.stderr


def test_the_readme_begins_with_the_two_commands() -> None:
    """The first block holds both commands, each one line."""
    assert blocks(README)[0].text.splitlines() == [
        "pip install -e '.[demo]' && python manage.py demo",
        "pip install -e '.[test]' && pytest",
    ]
