"""What reads text that anybody may have written, and the errors of ours that it may answer with."""

import json
from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from django.core.management.base import CommandError

from project.catalog.loading.reference import Refused, read_records
from statistics_cache import ParameterError, PayloadError, TokenError, tokens
from statistics_cache.entry import Capture, Copy, Generations, read_header, write_header
from statistics_cache.exceptions import UnknownStatistic
from statistics_cache.management.base import choose, read_duration
from statistics_cache.tasks import refresh
from tests.samples import Color, shades, stock

from .mutating import json_text, mutate, value

STOCK = stock.declaration
VARIANT = STOCK.variant((Color.RED,), {})
PAYLOAD = '{"pots":3,"litres":70}'
HEADER = write_header(
    VARIANT.key, Copy(PAYLOAD, 1_772_366_400.5, 0.25, Generations(7, 5), "hot", (11, 13), 1_772_366_401.0)
)
CAPTURED = Capture(1_772_366_400.5, 1_772_366_400.5, (11, 13), Generations(7, 5), ("ab", 0))
TOKEN = tokens.TOKEN.dump_json(tokens.Token("tests.stock", STOCK.fingerprint, VARIANT.json, CAPTURED)).decode()
FILE = json.dumps({"model": {"name": "model", "baseline": "x", "nsfw": False, "tags": ["a"], "size_on_disk_bytes": 5}})


class Target(NamedTuple):
    """One reader: it may give anything, and raise nothing but its own errors."""

    read: Callable[[Random], object]
    own: tuple[type[Exception], ...]


def entry(random: Random) -> None:
    """Read a hot copy: it is nothing, or of this key; and what it holds is a value, or refused."""
    text: Any = mutate(random, HEADER) if random.random() < 0.9 else value(random)
    copy = read_header(VARIANT.key, text, 1_000_000)
    if copy is not None:
        assert text.split(" ")[1] == VARIANT.key
        STOCK.decode(copy.payload)


def payload(random: Random) -> None:
    """Decode a payload: what comes back is a value that encodes to what decodes to it again."""
    text = mutate(random, PAYLOAD) if random.random() < 0.8 else json_text(random)
    found = STOCK.decode(text)
    assert STOCK.decode(STOCK.encode(found).text) == found


def arguments(random: Random) -> None:
    """Bind a call: a variant's stored parameters give the same variant."""
    declaration = random.choice((STOCK, shades.declaration))
    args = tuple(value(random) for _ in range(random.randrange(3)))
    kwargs = {name: value(random) for name in random.sample(("color", "doubled", "other"), random.randrange(3))}
    variant = declaration.variant(args, kwargs)
    assert declaration.restore(variant.json).key == variant.key


def stored(random: Random) -> None:
    """Restore stored parameters."""
    text = mutate(random, VARIANT.json) if random.random() < 0.7 else json_text(random)
    variant = STOCK.restore(text)
    assert STOCK.restore(variant.json).key == variant.key


def token(random: Random) -> None:
    """Read a token."""
    tokens.read_token(STOCK, VARIANT, mutate(random, TOKEN) if random.random() < 0.8 else json_text(random))


def message(random: Random) -> None:
    """Run a task that no one can do: it is dropped."""
    name = "tests.stock" if random.random() < 0.7 else value(random)
    parameters: Any = mutate(random, '{"color":"mauve"}') if random.random() < 0.7 else value(random)
    refresh.run(statistic=name, parameters=parameters)


def file(random: Random) -> None:
    """Read a reference file."""
    text = mutate(random, FILE) if random.random() < 0.8 else json_text(random)
    read_records(text.encode("utf-8", "surrogatepass"))


def command(random: Random) -> None:
    """Read what a command is given."""
    choose([mutate(random, "tests.stock") if random.random() < 0.3 else "tests.sto*"], mutate(random, VARIANT.json))


def duration(random: Random) -> None:
    """Read a duration."""
    read_duration(mutate(random, random.choice(("P1DT2H", "1 06:00:00", "PT90M", "00:00:01.5"))))


TARGETS = {
    "entry": Target(entry, (PayloadError,)),
    "payload": Target(payload, (PayloadError,)),
    "arguments": Target(arguments, (ParameterError,)),
    "stored parameters": Target(stored, (ParameterError,)),
    "token": Target(token, (TokenError,)),
    "message": Target(message, ()),
    "file": Target(file, (Refused,)),
    "command": Target(command, (ParameterError, UnknownStatistic)),
    "duration": Target(duration, (CommandError,)),
}
