"""What `ARCHITECTURE.md` names is there: modules, functions, floors, notes, tests. It is read when something is out."""

import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

from tests.interleaving.broken import BROKEN, HARMLESS, MUTANTS, RULE_V
from tests.interleaving.broken_parts import PARTS
from tests.test_outages import BROKEN as FALLEN

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "statistics_cache"
TEXT = (PACKAGE / "ARCHITECTURE.md").read_text()
LIVES = dict(re.findall(r"^### (One \w+)\n(.*?)(?=^##)", TEXT, re.DOTALL | re.MULTILINE))
TABLE = TEXT.split("| rule | why | test |\n|---|---|---|\n")[1].split("\n\n")[0]
RULES = [line.split(" | ") for line in TABLE.splitlines()]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

ROOMS = {path.stem for path in PACKAGE.iterdir() if path.suffix in ("", ".py") and not path.name.startswith("__")}
TESTS = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
}
VERSIONS = {each.name for each in (*BROKEN, *RULE_V, *PARTS, *MUTANTS)}
BETRAYED = VERSIONS | FALLEN.keys()


def dotted(text: str) -> list[str]:
    """Give the dotted names in backticks."""
    return re.findall(r"`(\w+(?:\.\w+)+)`", text)


def is_there(name: str) -> bool:
    """Tell whether a dotted name below the package leads to something."""
    try:
        pkgutil.resolve_name(f"{PACKAGE.name}.{name}")
    except AttributeError:
        return False
    return True


@pytest.mark.parametrize("life", ["One read", "One compute", "One change", "One tick"])
def test_each_life_passes_what_exists(life: str) -> None:
    """A life is a numbered list, and every name in it is one of the package."""
    names = dotted(LIVES[life])
    assert len(re.findall(r"^\d\. ", LIVES[life], re.MULTILINE)) >= 5
    assert len(names) >= 10
    assert [name for name in names if not is_there(name)] == []


def test_every_other_name_exists() -> None:
    """So is a dotted name anywhere that begins with a room; a path leads to a file, a note lies in a module."""
    assert [name for name in dotted(TEXT) if name.split(".")[0] in ROOMS and not is_there(name)] == []
    paths = re.findall(r"`([\w.]+/[\w./]*)`", TEXT)
    assert [path for path in paths if not (ROOT / path).exists() and not (PACKAGE / path).exists()] == []
    modules = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    notes = [" ".join(note.split()) for note in re.findall(r"Note \[([^]]+)\]", TEXT)]
    assert notes and [note for note in notes if f"\n# Note [{note}]\n" not in modules] == []


def test_each_rule_names_a_test_or_a_broken_version() -> None:
    """Every rule is held by something, and every broken version and every test that is named exists."""
    for rule, _, held_by in RULES:
        versions = re.findall(r'"([^"]+)"', held_by)
        tests = re.findall(r"`(test_\w+)`", held_by)
        assert versions or tests, rule
        assert set(versions) <= BETRAYED, rule
    assert set(re.findall(r"`(test_\w+)`", TEXT)) <= TESTS
    assert all(f'"{each.name}"' in TEXT for each in HARMLESS)


def test_each_broken_version_has_its_rule() -> None:
    """What the model checker shows to be wrong is a rule, with its reason."""
    held_by = " ".join(row[2] for row in RULES)
    assert [name for name in sorted(VERSIONS) if f'"{name}"' not in held_by] == []


def test_every_room_is_named() -> None:
    """Whatever lies at the top of the package is in the house's plan."""
    plan = TEXT.split("## 3. ")[1].split("## 4. ")[0]
    assert [room for room in sorted(ROOMS) if not re.search(rf"\b{room}\b", plan)] == []


def test_the_floors_are_those_that_are_kept() -> None:
    """The plan shows the floors in the order of import-linter's contracts, of the house and of each room."""
    house, *rooms = CONTRACTS
    plan = TEXT.split("```\n")[1].splitlines()
    assert [re.split(r"\s{2,}", line)[0] for line in plan] == house["layers"]
    for each in rooms:
        name = each["containers"][0].rpartition(".")[2]
        layers = re.escape(" → ".join(each["layers"]))
        assert re.search(rf"^- `{name}/` .*: {layers}\.", TEXT.replace("\n  ", " "), re.MULTILINE), name


def test_each_module_of_the_change_path_is_in_its_table() -> None:
    """The table names the modules of `changing/`, each once, and none above what it imports."""
    table = TEXT.split("| in `changing/`, lowest first | does |\n|---|---|\n")[1].split("\n\n")[0]
    named = re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE)
    floors = next(each["layers"] for each in CONTRACTS if each["name"] == "Changing")
    places = {module: place for place, floor in enumerate(floors) for module in floor.split(" | ")}
    assert sorted(named) == sorted(places)
    assert [places[module] for module in named] == sorted(places.values(), reverse=True)


def test_the_readme_leads_there() -> None:
    """Whoever reads the README finds it."""
    assert "(statistics_cache/ARCHITECTURE.md)" in (ROOT / "README.md").read_text()
