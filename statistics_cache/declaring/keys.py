"""The text forms of variants and scopes, and the keys made of them: readable, injective, at most 200 characters."""

from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import quote

MAX_LENGTH = 200  # leaves room below memcached's 250 for our prefix and the alias's
DIGEST_LENGTH = 32  # 128 bits of SHA-256: out of reach even for who looks for a collision

EVERY_SCOPE = "*"  # the scope that every entry of a statistic belongs to
EPOCH_SCOPE = ""  # the reserved scope that clearing moves
CLEARED, INVALIDATED = "~", "="  # how the filter scopes of epochs and of generations begin; no other scope does
UNCHECKED_SCOPE = "?"  # of log rows whose scopes lie on other rows, and were not read since their commit
READABLE = "\"'=,:;.!@$&()*+-/[]{}"  # printable ASCII that no cache backend minds


def spell(values: Mapping[str, str]) -> str:
    """Spell JSON texts by name, `category="clip",days=30`. Two mappings of the same names never share a text."""
    return ",".join(f"{name}={text}" for name, text in values.items())


def shorten(text: str) -> str:
    """Replace the end of a text of more than 200 characters by `~` and a hash of the whole.

    A spelt text ends as a JSON value does, never with `~` and 32 hexadecimal digits: no short text equals a hashed one.
    """
    if len(text) <= MAX_LENGTH:
        return text
    digest = sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]
    return f"{text[: MAX_LENGTH - DIGEST_LENGTH - 1]}~{digest}"


def readable(text: str) -> str:
    """Percent-encode `%` and all that is not printable ASCII, then shorten."""
    return shorten(quote(text, safe=READABLE))


def scope_text(values: Mapping[str, str]) -> str:
    """Name a scope, in a form that SQL can build too: `category="clip"`; no names, every scope."""
    return shorten(spell(values)) if values else EVERY_SCOPE


def filter_scope(kind: str, values: Mapping[str, str]) -> str:
    """Name what clearing (`~`) or invalidating (`=`) moves of all with some parameters: `~category="clip"`."""
    return shorten(kind + spell(values))


def entry_key(statistic: str, values: Mapping[str, str]) -> str:
    """Name one variant, in the cold tier and within the hot key: `catalog.usage:category="clip",days=30`."""
    return readable(f"{statistic}:{spell(values)}")


def hot_entry_key(prefix: str, fingerprint: str, key: str) -> str:
    """Name one entry in the hot tier; the schema's fingerprint keeps old and new code apart in a rolling deploy."""
    return f"{prefix}:entry:{fingerprint}:{key}"


def generation_key(prefix: str, statistic: str, scope: str) -> str:
    """Name one generation. It has no fingerprint: old and new code must invalidate each other."""
    return f"{prefix}:generation:{readable(f'{statistic}:{scope}')}"


def queued_key(prefix: str, fingerprint: str, key: str, state: str) -> str:
    """Name the note that a refresh of one entry is queued, for the state it was found in (digits, dots and signs)."""
    return f"{prefix}:queued:{fingerprint}:{shorten(f'{key}@{state}')}"


def count_key(prefix: str, statistic: str, outcome: str) -> str:
    """Name how often reads of a statistic ended so."""
    return f"{prefix}:count:{statistic}:{outcome.replace(' ', '-')}"


def tick_key(prefix: str) -> str:
    """Name the note of when the last tick ended."""
    return f"{prefix}:tick"


def lease_key(prefix: str, fingerprint: str, key: str) -> str:
    """Name the right to compute one entry."""
    return f"{prefix}:lease:{fingerprint}:{key}"
