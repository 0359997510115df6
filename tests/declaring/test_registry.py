"""Statistics by name: one of each, in every process, however often its module is run."""

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from importlib import import_module, reload
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from statistics_cache import DeclarationError, statistic
from statistics_cache.api import registry
from statistics_cache.changing import receiving
from tests.models import Item, Paint
from tests.samples import stock

MODULE = """
from statistics_cache import statistic
from tests.declaring.test_registry import kept_by_name

@statistic(name="tests.reloaded", depends_on=[{model!r}])
@kept_by_name
def {name}() -> int:
    return {value}
"""


def kept_by_name(function: Callable[[], int]) -> Callable[[], int]:
    """Wrap a function, as decorators do, in one of this module."""

    @wraps(function)
    def wrapper() -> int:
        return function()

    return wrapper


class Module:
    """A module of a file that changes."""

    def __init__(self, folder: Path) -> None:
        """Choose the file."""
        self.file = folder / "reloaded_statistics.py"

    def write(self, value: int, name: str = "reloaded", model: str = "tests.Paint", more: str = "") -> None:
        """Write the file, so that it is compiled anew."""
        self.file.write_text(MODULE.format(value=value, name=name, model=model) + more)
        for compiled in self.file.parent.glob("__pycache__/*"):
            compiled.unlink()

    @staticmethod
    def load() -> ModuleType:
        """Import it."""
        return import_module("reloaded_statistics")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Module]:
    """Give a module that nothing else imports."""
    monkeypatch.syspath_prepend(tmp_path)
    yield Module(tmp_path)
    sys.modules.pop("reloaded_statistics", None)


def watched() -> list[str]:
    """Give the models whose changes the statistic's entries fall by."""
    watches = (watch for table in (Paint, Item) for watch in receiving.watches_on(table))
    return [watch.table.__name__ for watch in watches if watch.declaration.name == "tests.reloaded"]


@pytest.mark.django_db
def test_a_module_that_is_run_again_declares_anew(module: Module) -> None:
    """After `importlib.reload`, what the module says now holds, and nothing of what it said before."""
    module.write(1)
    first: Any = module.load()
    old = first.reloaded
    assert [old(), watched()] == [1, ["Paint"]]
    module.write(2, name="renamed", model="tests.Item")
    reload(first)
    assert registry.get("tests.reloaded") is first.renamed
    assert [first.renamed.refresh().value, watched()] == [2, ["Item"]]


@pytest.mark.django_db
def test_a_module_that_is_imported_anew_declares_anew(module: Module) -> None:
    """Taken out of `sys.modules` and imported again is run again, too."""
    module.write(1)
    module.load()
    del sys.modules["reloaded_statistics"]
    again: Any = module.load()
    assert registry.get("tests.reloaded") is again.reloaded


def test_a_second_one_of_a_name_is_refused(module: Module) -> None:
    """In one run of a module, or of two modules, a name is given once; the first one keeps it."""
    module.write(1, more=MODULE.format(value=2, name="reloaded", model="tests.Paint"))
    with pytest.raises(DeclarationError, match=r"reloaded already is the statistic 'tests\.reloaded'\. Rename"):
        module.load()
    with pytest.raises(DeclarationError, match=r"already is the statistic 'tests\.reloaded'"):
        statistic(name="tests.reloaded")(elsewhere)
    assert registry.get("tests.reloaded").compute() == 1


def elsewhere() -> int:
    """Have a name that is taken."""
    return 3


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_statistic_is_pickled_by_name(protocol: int) -> None:
    """It comes back as the one there is, as a function does, and copies of it are itself."""
    assert pickle.loads(pickle.dumps(stock, protocol)) is stock  # noqa: S301
    assert copy.copy(stock) is copy.deepcopy({"a": [stock]})["a"][0] is stock
    assert pickle.loads(pickle.dumps(stock.answer, protocol)) == stock.answer  # noqa: S301


SCRIPT = """
import pickle, sys, django
django.setup()
from statistics_cache.api import registry
registry.named.clear()
for name in ("tests.samples", "reloaded_statistics"):
    sys.modules.pop(name, None)
found = pickle.loads(bytes.fromhex(sys.argv[1]))
print(found.name, found is registry.get(found.name))
"""


def test_another_process_imports_what_it_unpickles(module: Module) -> None:
    """Where the module is not imported yet, it is."""
    module.write(1)
    loaded: Any = module.load()
    text = pickle.dumps(loaded.reloaded).hex()
    root = Path(__file__).parent.parent.parent
    path = f"{root}:{module.file.parent}"
    environment = {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": path}
    ended = subprocess.run(
        [sys.executable, "-c", SCRIPT, text], env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.stdout.split(), ended.stderr) == (["tests.reloaded", "True"], "")


def test_a_statistic_declared_by_hand_is_pickled_too() -> None:
    """Its module is imported, and the name alone says which one it is."""
    by_hand = statistic(name="tests.by_hand")(elsewhere)
    assert pickle.loads(pickle.dumps(by_hand)) is by_hand  # noqa: S301
