"""The text forms of variants and scopes, and the keys made of them: readable, injective, at most 200 characters."""

import re
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

MAX_LENGTH = 200  # the column's width
HOT_LENGTH = 170  # of a statistic and what is its own: leaves room below memcached's 250 for all that stands before it
DIGEST_LENGTH = 32  # 128 bits of SHA-256: out of reach even for who looks for a collision

EVERY_SCOPE = "*"  # the scope that every entry of a statistic belongs to
EPOCH_SCOPE = ""  # the reserved scope that clearing moves
CLEARED, INVALIDATED = "~", "="  # how the filter scopes of epochs and of generations begin; no other scope does
UNCHECKED_SCOPE = "?"  # of log rows whose scopes lie on other rows, and were not read since their commit
READABLE = "\"'=,:;.!@$&()*+-/[]{}"  # printable ASCII that no cache backend minds
IS_READABLE = re.compile(f"[\\w~{re.escape(READABLE)}]*", re.ASCII).fullmatch  # spares most what `quote` takes


def spell(values: Mapping[str, str]) -> str:
    """Spell JSON texts by name, `category="clip",days=30`. Two mappings of the same names never share a text."""
    return ",".join([f"{name}={text}" for name, text in values.items()])


def shorten(text: str, most: int = MAX_LENGTH) -> str:
    """Replace the end of a text of more than so many characters by `~` and a hash of the whole.

    A spelt text ends as a JSON value does, never with `~` and 32 hexadecimal digits: no short text equals a hashed one.
    """
    if len(text) <= most:
        return text
    digest = sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{text[: most - DIGEST_LENGTH - 1]}~{digest}"


def readable(text: str) -> str:
    """Percent-encode `%` and all that is not printable ASCII, then shorten."""
    return shorten(text if IS_READABLE(text) else quote(text, safe=READABLE))


def scope_text(values: Mapping[str, str]) -> str:
    """Name a scope, in a form that SQL can build too: `category="clip"`; no names, every scope."""
    return shorten(spell(values)) if values else EVERY_SCOPE


def filter_scope(kind: str, values: Mapping[str, str]) -> str:
    """Name what clearing (`~`) or invalidating (`=`) moves of all with some parameters: `~category="clip"`."""
    return shorten(kind + spell(values))


def entry_key(statistic: str, values: Mapping[str, str]) -> str:
    """Name one variant, in the cold tier and within the hot key: `catalog.usage:category="clip",days=30`."""
    return readable(f"{statistic}:{spell(values)}")


def hot_entry_key(space: str, statistic: str, fingerprint: str, key: str) -> str:
    """Name one entry in the hot tier; the schema's fingerprint keeps old and new code apart in a rolling deploy."""
    return f"{space}:{{{statistic}}}:entry:{fingerprint}:{own_part(statistic, key)}"


def generation_key(space: str, statistic: str, scope: str) -> str:
    """Name one generation. It has no fingerprint: old and new code must invalidate each other."""
    return f"{space}:{{{statistic}}}:generation:{own_part(statistic, readable(f'{statistic}:{scope}'))}"


def queued_key(space: str, statistic: str, fingerprint: str, key: str, state: str) -> str:
    """Name the note that a refresh of one entry is queued, for the state it was found in (digits, dots and signs)."""
    return f"{space}:{{{statistic}}}:queued:{fingerprint}:{own_part(statistic, f'{key}@{state}')}"


def lease_key(space: str, statistic: str, fingerprint: str, key: str) -> str:
    """Name the right to compute one entry."""
    return f"{space}:{{{statistic}}}:lease:{fingerprint}:{own_part(statistic, key)}"


def count_key(space: str, statistic: str, outcome: str) -> str:
    """Name how often reads of a statistic ended so."""
    return f"{space}:{{{statistic}}}:count:{outcome.replace(' ', '-')}"


def tick_key(space: str) -> str:
    """Name the note of when the last tick ended."""
    return f"{space}:tick"


def hurried_key(space: str) -> str:
    """Name the note that a tick is queued, before its time."""
    return f"{space}:tick:hurried"


def space_of(prefix: str, identity: str) -> str:
    """Name what is one database's in the hot tier: every hot key begins so.

    Then comes the statistic as a hash tag: all keys of one lie in one slot of a cluster.
    """
    return f"{prefix}:{identity}"


def own_part(statistic: str, key: str) -> str:
    """Give a key without its statistic, which the hash tag says, short enough for what stands before it."""
    return shorten(key.removeprefix(f"{statistic}:"), HOT_LENGTH - len(statistic))
