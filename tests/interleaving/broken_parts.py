"""The broken versions of clearing a part, which is one log row of a filter scope."""

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from statistics_cache.changing import byhand, delivering
from statistics_cache.changing.delivering import Part
from statistics_cache.cold import changelog, proving
from statistics_cache.declaring.keys import EPOCH_SCOPE
from statistics_cache.hot import generations
from statistics_cache.models import StatisticEntry, StatisticScope

from . import actors, casts
from .actors import reader, refresher
from .broken import Broken, Patch, nothing, of
from .replaying import Actor


def delete_rows_alone(patch: Patch) -> None:
    """Clear a part by deleting its rows, and move the hot tier alone."""

    def change_parts(alias: str, statistic: str, parts: Iterable[Part], _: str) -> None:
        with transaction.atomic(using=alias):
            delivering.hand_over(alias, {statistic: set(parts)}, [])
            StatisticEntry.objects.all().delete()

    patch.setattr(byhand, "change_parts", change_parts)


def count_parts_in_the_generation_alone(patch: Patch) -> None:
    """Leave filter scopes out of the epoch."""
    patch.setattr(changelog, "epoch_scopes", lambda _: (EPOCH_SCOPE,))
    for module in (changelog, proving):
        real = module.all_scopes
        patch.setattr(module, "all_scopes", lambda variant, real=real: (*real(variant), *variant.clearing))


def tell_nobody(patch: Patch) -> None:
    """Move nothing in the hot tier."""
    patch.setattr(generations, "bump", lambda *_: None)


def fold_and_prune_parts() -> None:
    """Fold the log, then prune the filter scopes though copies from before are still given."""
    with transaction.atomic():
        actors.fold_now()
        StatisticScope.objects.filter(scope__startswith="~").delete()


def forget_the_age(patch: Patch) -> None:
    """Look for no moment before which all was cleared."""
    patch.setattr(proving, "cleared_before", lambda *_: 0.0)


part_clearer = partial(actors.clearer, part=False)

PARTS = [
    Broken(
        "a part's rows deleted, nothing moved",
        "P1/P3",
        delete_rows_alone,
        of(casts.started, part_clearer, refresher, reader),
    ),
    Broken(
        "a part counts in the generation alone",
        "P4",
        count_parts_in_the_generation_alone,
        of(casts.started, part_clearer, refresher, reader),
    ),
    Broken("a part is cleared, the hot tier not told", "P1/P3", tell_nobody, of(casts.warm, part_clearer, reader)),
    Broken(
        "filter scopes pruned early",
        "P1/P3",
        nothing,
        of(casts.started, part_clearer, partial(Actor, "fold and prune", fold_and_prune_parts), refresher, reader),
    ),
    Broken("the age not looked for", "P1/P3", forget_the_age, of(casts.warm, actors.age_clearer, refresher, reader)),
]
