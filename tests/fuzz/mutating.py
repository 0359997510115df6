"""Texts that are nearly right: a seed gives the same ones again."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

ODD = [
    *("", "null", "true", "0", "-1", "1e999", "NaN", "Infinity", "1" * 5000, '"', "\\", "\\u0000", "\\ud800", "\x00"),
    *("\n", " ", "{", "}", "[", "]", "[" * 3000, '{"a":' * 500, "é", "\u202e", "😀", "*", "~", "%", "%00", "'", ";--"),
    *("statistic/1", "2" * 30, "-0.0", "1.5", "P1D", "P" + "9" * 40 + "D", "9" * 20 + ":00", "clip", "red", "../x"),
]
PLAIN: list[Any] = [None, True, False, 0, -1, 2**70, 1.5, float("inf"), "", "red", "\x00", "\ud800", [], {}, b"red"]


def mutate(random: Random, text: str) -> str:
    """Give a text with a few odd changes, now and then with none."""
    for _ in range(random.randint(0, 4)):
        text = random.choice(CHANGES)(random, text)
    return text


def cut(random: Random, text: str) -> str:
    """Leave a part out."""
    start, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
    return text[:start] + text[end:]


def insert(random: Random, text: str) -> str:
    """Put something odd in."""
    at = random.randrange(len(text) + 1)
    return text[:at] + random.choice(ODD) + text[at:]


def replace(random: Random, text: str) -> str:
    """Put another character in the place of one."""
    if not text:
        return random.choice(ODD)
    at = random.randrange(len(text))
    return text[:at] + chr(random.choice((random.randrange(32, 127), random.randrange(0x11_0000)))) + text[at + 1 :]


def double(random: Random, text: str) -> str:
    """Repeat a part."""
    start, end = sorted(random.randrange(len(text) + 1) for _ in range(2))
    return text[:end] + text[start:end] + text[end:]


CHANGES: list[Callable[[Random, str], str]] = [cut, insert, replace, double]


def value(random: Random, depth: int = 3) -> Any:
    """Give some Python value."""
    kind = random.random()
    if depth and kind < 0.2:
        return [value(random, depth - 1) for _ in range(random.randrange(4))]
    if depth and kind < 0.4:
        return {random.choice(("color", "doubled", "name", "", "x")): value(random, depth - 1) for _ in range(3)}
    return random.choice(PLAIN)


def json_text(random: Random) -> str:
    """Give some JSON text."""
    found = value(random)
    return json.dumps(found, default=repr)
