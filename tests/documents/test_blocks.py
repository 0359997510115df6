"""Every code block of the README and of each guide runs, or is looked at word by word."""

import configparser
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.template import Context, Template

from tests.documents import commands
from tests.documents.documents import DOCUMENTS, NAMES, ROOT, Block, blocks, codes, prose
from tests.documents.running import Running


@pytest.mark.parametrize("name", NAMES)
def test_every_block_is_of_a_language_that_is_looked_at(name: str) -> None:
    """A block says its language, begins at the margin, and something below looks at it."""
    found = blocks(DOCUMENTS[name])
    assert DOCUMENTS[name].count("```") == 2 * len(found)
    assert {block.language for block in found} <= {"python", "django", "text", *LOOKED_AT}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [name for name in NAMES if "```python" in DOCUMENTS[name]])
def test_the_python_runs(
    name: str, request: pytest.FixtureRequest, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Python blocks run one after the other and print what their comments, or the block below them, say."""
    settings.STATISTICS_CACHE = settings.STATISTICS_CACHE | {}
    running, printed = Running(Path(name).stem.replace("-", "_").lower(), request), ""
    for language, code in blocks(DOCUMENTS[name]):
        if language == "python":
            running.run(code)
            printed = capsys.readouterr().out
        elif language == "django":
            assert Template(code).render(Context(running.namespace)).strip()
        elif language == "text":
            assert plain(code) == plain(printed)
    caches["statistics"].clear()


def plain(text: str) -> str:
    """Give a text without what differs from run to run: numbers, their units of time, and breaks of lines."""
    return " ".join(re.sub(r"\d[\d.,:]*( (µs|ms|s)\b)?", "0", text).split())


@pytest.mark.parametrize(("name", "block"), [(name, block) for name in NAMES for block in blocks(DOCUMENTS[name])])
def test_every_other_block_is_what_it_says(name: str, block: Block) -> None:
    """Commands are commands, units and Procfiles have commands in them, data can be read."""
    if block.language in LOOKED_AT:
        LOOKED_AT[block.language](block.text)
    if block.language != "python" and (found := re.match(r"# (project/[\w./-]+)\n", block.text)):
        assert (ROOT / found[1]).read_text() == block.text


@pytest.mark.parametrize("path", sorted((ROOT / "project/deploy").iterdir()), ids=lambda path: path.name)
def test_the_examples_of_deploying_are_looked_at(path: Path) -> None:
    """What the example deploys by is held to the same, those files too that no guide shows whole."""
    {".service": look_at_units, ".sh": look_at_commands, "": look_at_procfile}[path.suffix](path.read_text())
    if path.name == "Procfile":
        assert path.read_text() in DOCUMENTS["statistics_cache/docs/deploy.md"]


@pytest.mark.parametrize("name", NAMES)
def test_every_command_in_the_prose_is_one(name: str) -> None:
    """A command that stands in a sentence is one as well."""
    for code in codes(prose(DOCUMENTS[name])):
        if re.match(r"(python|manage\.py|pytest|celery -A|pip|gunicorn) \S", code):
            commands.check(" ".join(code.split()))


def look_at_commands(text: str) -> None:
    """Fail unless each line is a command."""
    for line in commands.lines(text):
        commands.check(line)


def look_at_units(text: str) -> None:
    """Fail unless it can be read, and what a unit executes is a command."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, allow_no_value=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    for section in parser.values():
        for name, value in section.items():
            if name.startswith("Exec"):
                commands.check(value)


def look_at_procfile(text: str) -> None:
    """Fail unless each line names a process and its command."""
    for line in text.splitlines():
        name, colon, command = line.partition(": ")
        assert name.isalpha() and colon, line
        commands.check(command)


LOOKED_AT: dict[str, Callable[[str], object]] = {
    "console": look_at_commands,
    "sh": look_at_commands,
    "ini": look_at_units,
    "procfile": look_at_procfile,
    "toml": tomllib.loads,
}
