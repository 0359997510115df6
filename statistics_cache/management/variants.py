"""Which variants a command works on: the stored ones, those that `hydrate=` names, or the one that it is asked for."""

from collections.abc import Iterator, Mapping, Sequence

from statistics_cache.cold import rows as cold
from statistics_cache.declaring.declaration import Variant, canonical_json
from statistics_cache.exceptions import ParameterError

from .base import Chosen

AT_ONCE = 100  # variants of a grid looked at in one round trip, as `hydrate_statistics` does unless told otherwise


def all_variants(chosen: Chosen, grid: Mapping[str, Variant]) -> Iterator[Sequence[Variant]]:
    """Give the variants that are stored in the current schema, then the others of a grid, in batches.

    If there is none, the one that a call with the chosen parameters means, if they make a whole call.
    """
    left = {variant.key: variant for variant in matching(chosen, grid)}
    found = bool(left)
    for variants in cold.stored_variants(*chosen):
        found = True
        for variant in variants:
            left.pop(variant.key, None)
        yield variants
    yield from split(list(left.values()), AT_ONCE)
    if not found and (only := whole_call(chosen)):
        yield [only]


def matching(chosen: Chosen, grid: Mapping[str, Variant]) -> list[Variant]:
    """Give the variants of a grid that have the chosen parameters."""
    matches = cold.matcher(*chosen)
    return [variant for variant in grid.values() if matches(variant.json)]


def whole_call(chosen: Chosen) -> Variant | None:
    """Give the variant that a call with the chosen parameters means, defaults filled in; None if one has none."""
    declaration, texts = chosen
    try:
        return declaration.restore(canonical_json(texts))
    except ParameterError:
        return None


def split(variants: Sequence[Variant], size: int) -> Iterator[Sequence[Variant]]:
    """Give so many at once."""
    return (variants[start : start + size] for start in range(0, len(variants), size))
