"""Makes a catalogue and its use where no files are given: the same seed makes the same, on every machine.

Both are shaped after the public reference files and the services that use them: two large categories and
eight small ones, a few favourites and a long tail, some odd values.
"""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, islice
from typing import Any, NamedTuple

from django.db import transaction

from project.catalog.loading.reference import Record, clean_record
from project.catalog.models import Category, ModelRecord, UsageRecord

END = datetime(2026, 1, 1, tzinfo=UTC)
"""Generated work ends just before this moment: a fixed one, so that two runs agree."""

SPAN = timedelta(days=60)
"""Twice the default window of `usage_statistics`, which so has something to leave out."""

BATCH = 10_000
"""Usage rows made, stored and reported at a time."""

MOST_KUDOS = 200


class Kind(NamedTuple):
    """How many models of a category are made, and the share of all work that is done with them."""

    models: int
    work: float


KINDS = {
    Category.IMAGE_GENERATION: Kind(160, 0.35),
    Category.TEXT_GENERATION: Kind(700, 0.25),
    Category.CONTROLNET: Kind(18, 0.05),
    Category.ESRGAN: Kind(6, 0.05),
    Category.GFPGAN: Kind(1, 0.05),
    Category.BLIP: Kind(2, 0.05),
    Category.CLIP: Kind(2, 0.05),
    Category.MISCELLANEOUS: Kind(2, 0.05),
    Category.SAFETY_CHECKER: Kind(1, 0.05),
    Category.CODEFORMER: Kind(1, 0.05),
}
"""Models as in the public files (text: without the backends' copies). The small categories are tools of the two
large ones, such as upscalers and safety checks: each works on one job in a few."""

BASELINES = ("stable diffusion 1", "stable_diffusion_xl", "stable diffusion 2", "flux_1")
STYLES = ("anime", "realistic", "artistic", "generalist", "furry", "other")
TEXT_STYLES = ("generalist", "chat", "roleplay", "story", "coder")
TAGS = (
    "anime",
    "booru",
    "character",
    "retro",
    "comic",
    "landscape",
    "chat",
    "roleplay",
    "popular",
    "reasoning",
)
HOSTS = ("huggingface.co", "civitai.com", "github.com")
FIRST_WORDS = (
    "Amber",
    "Borea",
    "Cinder",
    "Delta",
    "Ember",
    "Fable",
    "Garnet",
    "Halcyon",
    "Indigo",
    "Juniper",
)
SECOND_WORDS = ("Fox", "Harbor", "Lantern", "Meadow", "Oracle", "Prism", "Quill", "Raven", "Summit", "Willow")
BILLIONS = (0.5, 1.5, 3, 7, 8, 12, 13, 24, 32, 49, 70, 123)
TUNINGS = ("", "-Instruct", "-Chat")
ODD_VALUES: tuple[dict[str, Any], ...] = (
    {"size_on_disk_bytes": "2 GB"},
    {"size_on_disk_bytes": float("inf")},
    {"tags": ["anime", "anime", None]},
    {"config": None},
    {"config": {"download": [{"file_url": 17}]}},
)
ODD_EVERY = 40
"""One record in so many has an odd value."""


def generate_catalogue(seed: int = 0) -> dict[Category, list[Record]]:
    """Records for all ten categories, odd values included, for `store_catalogue`."""
    chance = random.Random(seed)
    return {category: list(_records(category, kind.models, chance)) for category, kind in KINDS.items()}


def generate_usage(
    count: int,
    *,
    seed: int = 0,
    until: datetime = END,
    span: timedelta = SPAN,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Replaces all usage by `count` records of work with the models there are, in the `span` before `until`.

    A few models do most of the work. All in one transaction; `progress` is called with the number of records
    added. Without any model this is a ValueError.
    """
    chance = random.Random(seed)
    models, weights = _popularity(chance)
    if not models:
        raise ValueError("There are no models to make usage of. Run `manage.py load_catalog PATH…` first.")
    with transaction.atomic():
        UsageRecord.objects.all()._raw_delete(UsageRecord.objects.db)  # nothing refers to them: no need to collect
        for times in _batches(_moments(count, until - span, span, chance)):
            chosen = chance.choices(models, cum_weights=weights, k=len(times))
            work = (_work(model, at, chance) for model, at in zip(chosen, times, strict=True))
            UsageRecord.objects.bulk_create(work)
            if progress:
                progress(len(times))


def _records(category: Category, count: int, chance: random.Random) -> Iterator[Record]:
    """Clean records made of generated ones, which look like those in a file."""
    make = _text_model if category == Category.TEXT_GENERATION else _file_model
    for number in range(count):
        record = make(category, number, chance)
        odd = chance.choice(ODD_VALUES) if number % ODD_EVERY == ODD_EVERY - 1 else {}
        for name in _offers(category, record["name"]):
            yield clean_record(name, {**record, **odd})


def _offers(category: Category, name: str) -> list[str]:
    """The names a model is offered under: each backend gives a text model one more, as in the files."""
    if category != Category.TEXT_GENERATION:
        return [name]
    return [name, f"aphrodite/{name}", f"koboldcpp/{name.rpartition('/')[2]}"]


def _text_model(_: Category, number: int, chance: random.Random) -> dict[str, Any]:
    """A language model: families come in several sizes and tunings."""
    family, member = divmod(number, len(TUNINGS) * 2)
    author = _words(family)[0]
    billions = BILLIONS[(family + member // len(TUNINGS)) % len(BILLIONS)]
    return {
        "name": f"{author}Lab/{''.join(_words(family))}-{billions:g}B{TUNINGS[member % len(TUNINGS)]}",
        "baseline": "",
        "parameters": int(billions * 10**9),
        "style": chance.choice(TEXT_STYLES),
        "nsfw": chance.random() < 0.2,
        "tags": [f"{billions:g}B", *chance.sample(TAGS, 2)],
    }


def _file_model(category: Category, number: int, chance: random.Random) -> dict[str, Any]:
    """A model that is downloaded as files."""
    name = f"{' '.join(_words(number))} {category}"
    return {
        "name": name,
        "baseline": chance.choices(BASELINES, weights=(60, 30, 7, 3))[0],
        "style": chance.choice(STYLES),
        "nsfw": chance.random() < 0.5,
        "inpainting": chance.random() < 0.05,
        "size_on_disk_bytes": chance.randint(2 * 10**9, 7 * 10**9),
        "tags": chance.sample(TAGS, chance.randint(0, 3)),
        "trigger": [f"{name} style"] if chance.random() < 0.15 else [],
        "showcases": [f"https://raw.example.org/{number}.webp"] if chance.random() < 0.5 else [],
        "requirements": {"clip_skip": 2} if chance.random() < 0.2 else {},
        "config": {"download": [{"file_url": _url(number, chance)}]},
    }


def _url(number: int, chance: random.Random) -> str:
    """Where a generated model would be downloaded from."""
    return f"https://{chance.choices(HOSTS, weights=(90, 7, 3))[0]}/models/{number}.safetensors"


def _words(number: int) -> tuple[str, str, str]:
    """A name for each number; the last part is empty for the first hundred."""
    turn, rest = divmod(number, len(FIRST_WORDS) * len(SECOND_WORDS))
    first, second = divmod(rest, len(SECOND_WORDS))
    return FIRST_WORDS[first], SECOND_WORDS[second], "X" * turn


def _popularity(chance: random.Random) -> tuple[list[int], list[float]]:
    """Primary keys of all models, with running weights: a category's n-th favourite gets 1/n (Zipf)."""
    models: list[int] = []
    weights: list[float] = []
    for category, kind in KINDS.items():
        keys = list(ModelRecord.objects.filter(category=category).order_by("name").values_list("pk", flat=True))
        chance.shuffle(keys)
        shares = [1 / rank for rank in range(1, len(keys) + 1)]
        models += keys
        weights += [kind.work * share / sum(shares) for share in shares]
    return models, list(accumulate(weights))


def _moments(count: int, begin: datetime, span: timedelta, chance: random.Random) -> Iterator[datetime]:
    """Moments in order, as work is done: rows that arrive in the order of an index are stored faster."""
    step = span / max(count, 1)
    return (begin + step * (number + chance.random()) for number in range(count))


def _batches(moments: Iterator[datetime]) -> Iterator[list[datetime]]:
    """The moments, `BATCH` at a time."""
    while batch := list(islice(moments, BATCH)):
        yield batch


def _work(model_id: int, at: datetime, chance: random.Random) -> UsageRecord:
    """A piece of work."""
    return UsageRecord(model_id=model_id, created_at=at, kudos=chance.randint(1, MOST_KUDOS))
