"""Running commands, and a statistic whose computes do what a test says."""

from collections.abc import Callable
from io import StringIO
from typing import Any, ClassVar, NamedTuple

from django.apps import apps
from django.core.management import CommandError, call_command, load_command_class

from statistics_cache import statistic
from statistics_cache.api import Statistic
from tests.samples import STALE_TTL, TTL

OF_DJANGO = {"help", "version", "verbosity", "settings", "pythonpath", "traceback", "no_color", "force_color"}


class Ended(NamedTuple):
    """How a command ended: its exit code, what it wrote, and the last line that Django adds to that."""

    code: int
    out: str
    err: str
    message: str


def run(command: str, *args: str, **options: Any) -> Ended:
    """Run a command of this app to its end."""
    out, err = StringIO(), options.pop("stderr", StringIO())
    try:
        call_command(f"{command}_statistics", *args, stdout=out, stderr=err, **options)
    except CommandError as error:
        return Ended(error.returncode, out.getvalue(), err.getvalue(), str(error))
    return Ended(0, out.getvalue(), err.getvalue(), "")


def helps(command: str) -> dict[str, str]:
    """Give the help of each of a command's own options, and that of the whole under its name."""
    name = f"{command}_statistics"
    parser = load_command_class(apps.get_app_config("statistics_cache").name, name).create_parser("manage.py", name)
    own = {action.dest: action.help or "" for action in parser._actions if action.dest not in OF_DJANGO}
    return {command: parser.description or "", **own}


class Moods:
    """What computes of `moody` do, by size: nothing unless a test says so; and in which order they began."""

    does: ClassVar[dict[int, Callable[[], object]]] = {}
    began: ClassVar[list[int]] = []

    @classmethod
    def forget(cls) -> None:
        """Begin anew."""
        cls.does.clear()
        cls.began.clear()


def moody(size: int, *, doubled: bool = False) -> int:
    """Give a number, or what a test says."""
    Moods.began.append(size)
    Moods.does.get(size, int)()
    return size * (1 + doubled)


def declare(hydrate: Any = False, **options: Any) -> Statistic[..., Any]:
    """Declare `tests.moody`."""
    Moods.forget()
    return statistic(name="tests.moody", ttl=TTL, stale_ttl=STALE_TTL, hydrate=hydrate, **options)(moody)


def sizes(*several: int) -> list[dict[str, Any]]:
    """Give variants of `tests.moody`."""
    return [{"size": size} for size in several]


def key(size: int) -> str:
    """Give the key of a variant of `tests.moody`."""
    return f"tests.moody:size={size},doubled=false"


def refuse(error: BaseException) -> Callable[..., Any]:
    """Give a function that raises, whatever it is given."""

    def raising(*_: Any, **__: Any) -> Any:
        raise error

    return raising


def failed(text: str, *several: int) -> list[str]:
    """Give the line of each size of `tests.moody` that has failed."""
    return [f"{key(size)} failed: {text}" for size in several]
