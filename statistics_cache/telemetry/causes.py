"""What kind of change a log row tells of: few words, and no key of a row."""

from functools import cache

from django.apps import apps

from statistics_cache.changing.byhand import BY_HAND

OTHER = "other"


@cache
def labels() -> frozenset[str]:
    """Give the labels of all models."""
    return frozenset(model._meta.label for model in apps.get_models(include_auto_created=True))


def kind_of(cause: str) -> str:
    """Give the model whose rows changed; a few words for what somebody asked for, or what changed everything."""
    if cause == BY_HAND:
        return cause
    words = cause.split()
    model = words[2] if len(words) > 2 and words[0].isdigit() else "".join(words[:1])  # "3 of app.Model deleted"
    return model if model in labels() else OTHER
