"""Type checkers infer what a user expects and refuse what is wrong; both run on the files in `tests/typing`."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "tests" / "typing"
FILES = [f"tests/typing/{name}.py" for name in ("inferred", "refused")]
Found = set[tuple[str, int, str]]


def expected(column: int) -> Found:
    """Give file, line and code of each error that the comments in `refused.py` name."""
    lines = (FOLDER / "refused.py").read_text().splitlines()
    named = ((number, re.search(r"# ([a-z-]+) / (report\w+)$", line)) for number, line in enumerate(lines, 1))
    return {("refused.py", number, found[column]) for number, found in named if found}


def run(*command: str) -> str:
    """Run a checker of this environment on the folder and give what it printed."""
    program = [str(Path(sys.executable).parent / command[0]), *command[1:], *FILES]
    return subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_mypy() -> None:
    """mypy infers every type in `inferred.py` and finds each error in `refused.py`, and no other."""
    output = run("mypy", "--no-error-summary")
    errors = re.findall(r"(\w+\.py):(\d+): error: .*\[([a-z-]+)\]", output)
    assert {(name, int(line), code) for name, line, code in errors} == expected(1), output


def test_pyright() -> None:
    """pyright infers every type in `inferred.py` and finds each error in `refused.py`, and no other."""
    output = run("basedpyright", "--outputjson")
    errors = [found for found in json.loads(output)["generalDiagnostics"] if found["severity"] == "error"]
    found = {(Path(error["file"]).name, error["range"]["start"]["line"] + 1, error["rule"]) for error in errors}
    assert found == expected(2), output


def test_the_messages_users_see() -> None:
    """A wrong call is told by the parameter's name and the types in question."""
    output = run("mypy", "--no-error-summary")
    assert 'Argument 1 to "__call__" of "Statistic" has incompatible type "str"; expected "Color"' in output
    assert 'Unexpected keyword argument "tripled" for "__call__" of "Statistic"' in output
