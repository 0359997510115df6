"""Running the Python blocks of a document, one after the other, as one module of the example project."""

import ast
import inspect
import re
import sys
import unittest
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from django.core.management import call_command
from django.test import TestCase, override_settings
from django.utils.module_loading import import_string

from statistics_cache.api import late
from tests.celery_conf import set_celery
from tests.documents.documents import ROOT

OWN = re.compile(r"# ([\w./-]+/[\w.-]+\.py)\n")


class Running:
    """A document that is run: its namespace is that of a module in the example's app."""

    def __init__(self, name: str, request: pytest.FixtureRequest) -> None:
        """Make the module."""
        self.module = ModuleType(f"project.catalog.{name}")
        self.namespace = vars(self.module)
        self.request = request

    def run(self, code: str) -> None:
        """Run one block: a file of the project's, settings, or code of a user's."""
        if found := OWN.match(code):
            is_in_file(found[1], code)
        elif is_settings(code):
            pass_the_checks(code)
        else:
            self.run_code(code)

    def run_code(self, code: str) -> None:
        """Run statements; an expression with `# → …` behind it gives that. Tests that a block defines are run."""
        known = set(self.namespace)
        with patch.dict(sys.modules, {self.module.__name__: self.module}):
            for statement, expected in examples(code):
                if expected is None:
                    exec(statement, self.namespace)  # noqa: S102
                else:
                    assert repr(eval(statement, self.namespace)) == expected, statement  # noqa: S307
            if "urlpatterns" in self.namespace:
                self.request.getfixturevalue("settings").ROOT_URLCONF = self.module.__name__
            for name in [each for each in self.namespace if each not in known]:
                self.run_test(name, self.namespace[name])

    def run_test(self, name: str, found: Any) -> None:
        """Run what a test runner would collect."""
        if isinstance(found, type) and issubclass(found, TestCase) and found.__module__ == self.module.__name__:
            told = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(found).run(told)
            assert told.testsRun and told.wasSuccessful(), told.errors + told.failures
        if name.startswith("test_") and callable(found):
            found(**{each: self.request.getfixturevalue(each) for each in inspect.signature(found).parameters})


def examples(code: str) -> list[tuple[str, str | None]]:
    """Split a block into statements, and expressions with what their comment says they give."""
    parts: list[tuple[str, str | None]] = []
    gathered: list[str] = []
    for line in code.splitlines():
        if found := re.fullmatch(r"(\S.*?)  # → (.*)", line):
            parts.extend([("\n".join(gathered), None), (found[1], found[2])])
            gathered = []
        else:
            gathered.append(line)
    return [*parts, ("\n".join(gathered), None)]


def is_settings(code: str) -> bool:
    """Tell whether a block is one of settings: imports, and assignments to names in capitals."""
    tree = ast.parse(code).body
    names = [target for each in tree if isinstance(each, ast.Assign) for target in each.targets]
    return (
        bool(names)
        and all(isinstance(each, ast.Import | ast.ImportFrom | ast.Assign) for each in tree)
        and all(isinstance(name, ast.Name) and name.id.isupper() for name in names)
    )


def pass_the_checks(code: str) -> None:
    """Fail unless these settings give no error and no warning, and the apps that they name exist."""
    given: dict[str, Any] = {}
    exec(code, given)  # noqa: S102
    settings = {name: value for name, value in given.items() if name.isupper()}
    if "CACHES" in settings:
        settings.setdefault("STATISTICS_CACHE", {})
    for app in settings.pop("INSTALLED_APPS", ()):
        assert app is Ellipsis or import_string(f"{app}.apps")
    celery = {name[7:].lower(): settings.pop(name) for name in list(settings) if name.startswith("CELERY_")}
    with override_settings(**settings), patch.dict(late, clear=True), pytest.MonkeyPatch.context() as monkey:
        set_celery(monkey, **celery)
        call_command("check", fail_level="WARNING")


def is_in_file(path: str, code: str) -> None:
    """Fail unless each statement of a block stands in the file that its first line names."""
    written = {ast.unparse(each) for each in ast.parse((ROOT / path).read_text()).body}
    lacking = [ast.unparse(each) for each in ast.parse(code).body if ast.unparse(each) not in written]
    assert lacking == [], path
