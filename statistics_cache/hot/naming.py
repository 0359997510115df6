"""What stands where in the hot tier: the names of a variant's entry and generations."""

from typing import Any

from statistics_cache.conf import settings
from statistics_cache.declaring.declaration import Declaration, Variant
from statistics_cache.declaring.keys import EVERY_SCOPE, generation_key, hot_entry_key, space_of

MAX_SPACES = 16  # databases, tests included, whose keys a variant remembers


def own_space(identity: str) -> str:
    """Give what every hot key of a database begins with."""
    return space_of(settings().KEY_PREFIX, identity)


def hot_keys(declaration: Declaration[..., Any], variant: Variant, space: str) -> tuple[str, ...]:
    """Give a variant's hot keys, made once: its entry, the generation of `*`, then that of each scope."""
    if (known := variant.hot_keys.get(space)) is not None:
        return known
    name = declaration.name
    generations = (generation_key(space, name, scope) for scope in (EVERY_SCOPE, *variant.scopes))
    names = (hot_entry_key(space, name, declaration.fingerprint, variant.key), *generations)
    if len(variant.hot_keys) >= MAX_SPACES:
        variant.hot_keys.clear()
    variant.hot_keys[space] = names
    return names
