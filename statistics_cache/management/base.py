"""What every command of this app does alike: exit codes, choosing statistics, reading parameters and durations."""

import os
import re
import sys
from argparse import ArgumentParser
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_duration

from statistics_cache.actor import acting
from statistics_cache.api import registry
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.exceptions import ParameterError, SettingsError, UnknownStatistic

FAILED, USAGE, INTERRUPTED = 1, 2, 130  # exit codes; the last is a shell's for a program that SIGINT ended
GLOB = "*?["
UNITLESS = re.compile(r"[-+\d., ]*")
EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted."


class Chosen(NamedTuple):
    """A statistic to work on, and the JSON texts of the parameters its variants must have."""

    declaration: Declaration[..., Any]
    texts: dict[str, str]


class StatisticsCommand(BaseCommand):
    """Ends with 0 when done, 1 when it failed, 2 for wrong usage, 130 when interrupted."""

    def handle(self, *_: Any, **options: Any) -> None:
        """Do the work, and turn what went wrong into its exit code."""
        try:
            self.work_and_flush(**options)
        except BrokenPipeError:  # who reads this, such as `head`, has enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (UnknownStatistic, ParameterError) as error:
            raise usage(str(error)) from error
        except SettingsError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        except cold.OUTAGES as error:
            raise CommandError(f"The database refused: {error}", returncode=FAILED) from error
        except KeyboardInterrupt as error:
            raise CommandError("Interrupted.", returncode=INTERRUPTED) from error

    def work_and_flush(self, **options: Any) -> None:
        """Do the work, and have all that was written read: at the end of the process it is too late for errors."""
        try:
            with acting("command"):
                self.work(**options)
        finally:
            self.stdout.flush()

    def work(self, **options: Any) -> None:
        """Do what the command is for."""
        raise NotImplementedError


def usage(message: str) -> CommandError:
    """Give the error that ends a command with 2: what was asked makes no sense."""
    return CommandError(message, returncode=USAGE)


def demand_one(verb: str, given: Mapping[str, object]) -> None:
    """Raise CommandError with 2 unless one, and only one, of the ways to say what is meant is used."""
    used = [way for way, value in given.items() if value]
    if len(used) > 1:
        raise usage(f"{' and '.join(used)} exclude each other. Give one of them.")
    if not used:
        *ways, last = given
        raise usage(f"Say what to {verb}: one of {', '.join(ways)} and {last}.")


def database_out() -> CommandError:
    """Give the error that ends a command with 1 where the database does not answer."""
    return CommandError("The database is down. Try again when it answers.", returncode=FAILED)


def at_least_one(option: str, number: int) -> int:
    """Give a number back; one below 1 is wrong usage."""
    if number < 1:
        raise usage(f"{option} is {number}. Give a number of at least 1.")
    return number


def add_names(parser: ArgumentParser) -> None:
    """Take names."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="A statistic's name, or a glob such as 'catalog.*'.")


def add_choice(parser: ArgumentParser) -> None:
    """Take names and parameters."""
    add_names(parser)
    parser.add_argument(
        "--params",
        metavar="JSON",
        help='Only variants with these parameters, for example \'{"category": "clip"}\'. A parameter that is '
        "omitted or null means any. Statistics that a glob chose are left out where they have no such parameter.",
    )


def choose(names: Iterable[str], params: str | None) -> list[Chosen]:
    """Give the statistics that names or globs choose; no name, every one. Raises UnknownStatistic, ParameterError."""
    patterns = list(names) or ["*"]
    exact = {pattern for pattern in patterns if not set(pattern) & set(GLOB)}
    selected = [found.declaration for found in registry.select(patterns)] if registry.named or exact else []
    return narrow(selected, params, exact)


def narrow(selected: Sequence[Declaration[..., Any]], params: str | None, exact: Collection[str] = ()) -> list[Chosen]:
    """Leave out statistics that lack a parameter, unless they are named. Raises ParameterError, too if none is left."""
    chosen = list(with_parameters(selected, exact, params))
    if selected and not chosen:  # say why of the first
        named_texts(selected[0], params)
    return chosen


def with_parameters(
    declarations: Iterable[Declaration[..., Any]], exact: Collection[str], params: str | None
) -> Iterator[Chosen]:
    """Pair statistics with the parameters' texts; one that a glob chose may lack a parameter and is left out."""
    for declaration in declarations:
        if declaration.name in exact or has_parameters(declaration, params):
            yield Chosen(declaration, named_texts(declaration, params))


def has_parameters(declaration: Declaration[..., Any], params: str | None) -> bool:
    """Tell whether a statistic knows every name in a JSON object. Raises ParameterError for a text that is none."""
    if params is None:
        return True
    return not declaration.parameters.read_object(params).keys() - declaration.parameters.adapters.keys()


def named_texts(declaration: Declaration[..., Any], params: str | None) -> dict[str, str]:
    """Give the JSON texts of the parameters in a JSON object. Raises ParameterError, naming statistic and parameter."""
    if params is None:
        return {}
    try:
        given = declaration.parameters.parse(params)
    except ParameterError as error:
        raise ParameterError(f"{declaration.name}: {error}") from error
    return declaration.some((), given)


def read_duration(given: str | timedelta | None) -> timedelta | None:
    """Read a duration above 0, in ISO 8601 or as Django writes them; anything else is wrong usage."""
    if given is None:
        return None
    duration = given if isinstance(given, timedelta) else parse_text(given)
    if duration is None or duration <= timedelta(0):
        raise usage(f"--older-than is {given!r}. Write a duration above 0, for example P1D, PT90M or '1 06:00:00'.")
    return duration


def parse_text(text: str) -> timedelta | None:
    """Give the duration that a text spells, None where it spells none or one too long to exist.

    Numbers alone spell none: Django takes them for seconds, and who writes them may mean days.
    """
    if UNITLESS.fullmatch(text):
        return None
    try:
        return parse_duration(text)
    except (ValueError, OverflowError):
        return None
