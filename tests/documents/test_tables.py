"""The tables of the reference hold all that there is, nothing else, and the code's own defaults."""

import ast
import inspect
import re
from itertools import pairwise
from pathlib import Path

import statistics_cache.signals
from statistics_cache import checks
from statistics_cache.api import Statistic, statistic
from statistics_cache.conf import Settings
from statistics_cache.declaring.parameters import RESERVED
from statistics_cache.management import commands
from tests.benchmarks.peers.catalogue import PEERS
from tests.documents.documents import DOCUMENTS, README, codes, rows

CHECKS = Path(checks.__file__).parent
COMMANDS = {path.stem for path in Path(commands.__path__[0]).glob("[a-z]*.py")}
MADE = {"error": "E", "warning": "W", "without": "W", "info": "I"}


def guide(name: str) -> str:
    """Give a guide's text, each paragraph as if it were one line."""
    return re.sub(r"(?<!\n)\n *(?!\n)", " ", DOCUMENTS[f"statistics_cache/docs/{name}"])


def test_every_setting_is_there_with_its_default() -> None:
    """`settings.md` names each key of `STATISTICS_CACHE`, and the default that it has."""
    told = {codes(name)[0]: ast.literal_eval(codes(default)[0]) for name, (default, _) in rows("settings.md").items()}
    assert told == {name: field.default for name, field in Settings.model_fields.items()}


def test_every_option_is_there_with_its_default() -> None:
    """`options.md` names each option of `@statistic`, and the default that it has."""
    told = {codes(name)[0]: ast.literal_eval(codes(default)[0]) for name, (default, _) in rows("options.md").items()}
    parameters = inspect.signature(statistic).parameters.values()
    assert told == {each.name: each.default for each in parameters if each.kind is each.KEYWORD_ONLY}


def test_every_verb_is_there_with_its_keywords() -> None:
    """`verbs.md` names each verb of a statistic; keywords that it shows are reserved, and each of those is shown."""
    calls = " ".join(rows("verbs.md"))
    assert set(re.findall(r"`\.(\w+)", calls)) == {name for name in vars(Statistic) if not name.startswith("_")}
    assert set(re.findall(r"(\w+)=", calls)) == RESERVED
    assert set(codes(guide("options.md").split("a reserved parameter name (")[1].split(")")[0])) == RESERVED


def test_every_command_is_there_with_its_options() -> None:
    """`commands.md` names each command, and each option of one."""
    told = {codes(name)[0].split()[0]: does[0] for name, does in rows("commands.md").items()}
    assert set(told) == COMMANDS
    common = guide("commands.md").split("Those that choose")[1]
    for name, does in told.items():
        assert re.fullmatch(r"\w+", name)
        known = known_options(name)
        row = next(each for each in rows("commands.md") if codes(each)[0].startswith(name))
        shown = set(re.findall(r"--[a-z][a-z-]*", row + does))
        assert shown <= known, name
        assert known - shown <= set(re.findall(r"--[a-z][a-z-]*", common)), name


def known_options(name: str) -> set[str]:
    """Give the options that a command has of its own."""
    source = (Path(commands.__path__[0]) / f"{name}.py").read_text()
    own = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', source))
    return own | ({"--params"} if "add_choice(" in source else set())


def test_every_check_is_there() -> None:
    """`checks.md` and the docstring of `checks` name each id that some check gives; those of `--deploy` are marked."""
    ids = {id_of(call) for path in CHECKS.glob("*.py") for call in calls(path)} - {None}
    told = dict(re.findall(r"^\| ([EWI]\d{3})([*†]?) \|", checks.__doc__ or "", re.MULTILINE))
    found = {name.split()[0]: name for name in rows("checks.md") if name != "id"}
    assert set(told) == ids
    assert set(found) == ids
    assert {name for name, mark in told.items() if mark == "*"} == {
        name for name, cell in found.items() if "deploy" in cell
    }
    assert all(cause and cure for cause, cure in rows("checks.md").values())


def calls(path: Path) -> list[ast.Call]:
    """Give the calls in a module of functions that make messages."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MADE and node.args
    ]


def id_of(call: ast.Call) -> str | None:
    """Give the id that such a call makes."""
    number = call.args[0]
    if isinstance(call.func, ast.Name) and isinstance(number, ast.Constant) and isinstance(number.value, int):
        return f"{MADE[call.func.id]}{number.value:03}"
    return None


def test_every_signal_is_there_with_its_arguments() -> None:
    """`signals.md` names each signal, and what its docstring says that it is sent with."""
    tree = ast.parse(Path(statistics_cache.signals.__file__).read_text()).body
    docs = {
        ast.unparse(made.targets[0]): ast.unparse(doc)
        for made, doc in pairwise(tree)
        if isinstance(made, ast.Assign) and ast.unparse(made.value) == "Signal()"
    }
    told = {codes(name)[0]: (codes(sent), when) for name, (sent, when) in rows("signals.md").items()}
    assert set(told) == set(docs)
    for name, (sent, _) in told.items():
        given = [each for each in sent if each.isidentifier()]
        assert given and all(f"`{each}`" in docs[name] for each in given), name


def test_the_numbers_are_those_of_the_code() -> None:
    """In how many ways the soak writes and hurts, and how many peers the benchmark has."""
    from tests.soak.chaos import OUTAGES  # these declare statistics, which the end of the test forgets
    from tests.soak.paths import PATHS
    from tests.soak.writing import SOURCES

    assert SOURCES  # importing them fills PATHS
    assert f"writes in {len(PATHS)} ways" in guide("costs.md")
    assert f"in {len(OUTAGES)} ways (hung" in guide("costs.md")
    assert f"beside {len(PEERS) - 1} ways to" in " ".join(README.read_text().split())


def test_every_word_of_the_glossary_is_one() -> None:
    """The glossary has the words that the documents need."""
    words = {word for row in rows("glossary.md") for word in re.findall(r"\*\*(\w+)\*\*", row)}
    needed = {
        "statistic",
        "parameters",
        "variant",
        "entry",
        "source",
        "scope",
        "hot",
        "cold",
        "generation",
        "proof",
        "tick",
    }
    assert needed <= words
