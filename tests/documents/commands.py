"""Whether a command line of a document is one: the program, its subcommand and each option exist."""

import re
import shlex
import tomllib
from collections.abc import Callable, Iterator
from importlib.metadata import distribution
from itertools import groupby
from pathlib import Path

from celery.bin.celery import celery
from django.core.management import get_commands, load_command_class
from django.utils.module_loading import import_string
from gunicorn.config import Config

from tests.documents.documents import ROOT

OURS = "django-statistics-cache"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = {
    *PYPROJECT["tool"]["hatch"]["metadata"]["hooks"]["custom"]["extras"],  # of every wheel
    *PYPROJECT["dependency-groups"],  # of a checkout
}
REQUIREMENT = re.compile(r"([\w.-]+)(?:\[([\w,-]+)\])?(?:[<>=~!].*)?")
ELSEWHERE = {"gevent", "mysqlclient", "uvicorn", "uwsgi"}  # packages that a checkout may lack
OF_THE_SYSTEM = {"cd", "curl", "export", "kill", "set", "sudo", "systemctl"}  # their names alone are looked at


def lines(text: str) -> list[str]:
    """Give the command lines of a block, those that go on joined; a prompt is taken off, comments are left out."""
    joined = [line.strip().removeprefix("$ ") for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in joined if line and not line.startswith("#")]


def check(line: str) -> None:
    """Fail unless each command of a line is one."""
    words = shlex.split(line, comments=True)
    for is_between, given in groupby(words, lambda word: word in ("&&", "||", "|", "&")):
        if not is_between:
            check_one(list(given))


def check_one(words: list[str]) -> None:
    """Fail unless these words are a command; variables that are set for it stand before it."""
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if not words:
        return
    program, given = Path(words[0]).name, words[1:]
    if program not in OF_THE_SYSTEM:
        assert program in PROGRAMS, f"{program}: no program that is known"
        PROGRAMS[program](given)


def options(words: list[str]) -> Iterator[str]:
    """Give the options among words, without their values."""
    return (word.partition("=")[0] for word in words if word.startswith("-") and word != "-")


def check_manage(words: list[str]) -> None:
    """Fail unless a command of `manage.py` takes these words."""
    name, *given = words
    assert name in get_commands(), name
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    command.create_parser("manage.py", name).parse_args(given)


def check_python(words: list[str]) -> None:
    """Fail unless python is given `manage.py`, or a module of ours that knows these words."""
    if words[0] == "manage.py":
        check_manage(words[1:])
        return
    assert words[0] == "-m", words
    if words[1] == "venv":
        return
    place = ROOT.joinpath(*words[1].split("."))
    sources = [path.read_text() for path in (place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")])]
    names = {word for word in words[2:3] if not word.startswith("-")}
    for word in [*options(words[2:]), *names]:
        assert any(f'"{word}"' in source for source in sources), f"python -m {words[1]} knows no {word}"


def check_pip(words: list[str]) -> None:
    """Fail unless what is installed exists, with its extras."""
    assert words[0] == "install", words
    for word in words[1:]:
        if word.startswith("-") or word.endswith((".txt", ".whl")):
            continue
        if found := re.fullmatch(r"\.\[([\w,]+)\]", word):
            name, extras = OURS, found[1]
        else:
            requirement = REQUIREMENT.fullmatch(word)
            assert requirement, word
            name, extras = requirement[1], requirement[2] or ""
        for extra in filter(None, extras.split(",")):
            assert extra in extras_of(name), f"{name} has no extra {extra}"
        assert name in {OURS, *ELSEWHERE} or distribution(name), name


def extras_of(name: str) -> set[str]:
    """Give the extras of a distribution."""
    return set(EXTRAS) if name == OURS else set(distribution(name).metadata.get_all("Provides-Extra") or ())


def check_pytest(words: list[str]) -> None:
    """Fail unless the paths exist."""
    for word in words:
        assert "/" not in word or (ROOT / word.partition("::")[0]).exists(), word


def check_celery(words: list[str]) -> None:
    """Fail unless Celery's subcommand, and each of its options, exist."""
    assert words[:2] == ["-A", "project"], words
    name, *given = words[2:]
    command = celery.commands[name]
    known = {option for each in command.params for option in (*each.opts, *each.secondary_opts)}
    assert [option for option in options(given) if option not in known] == []


def check_gunicorn(words: list[str]) -> None:
    """Fail unless gunicorn takes these words, and the application is there."""
    given = Config().parser().parse_args(words)
    assert given.args == ["project.wsgi"]
    assert callable(import_string(f"{given.args[0]}.application"))


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "celery": check_celery,
    "gunicorn": check_gunicorn,
    "manage.py": check_manage,
    "pip": check_pip,
    "pytest": check_pytest,
    "python": check_python,
}
