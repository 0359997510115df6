"""The work ahead of readers: hydration."""

from typing import Any

from . import reading
from .conf import settings
from .declaration import Declaration
from .entry import Answer


def hydrate(declaration: Declaration[..., Any]) -> list[Answer[Any]]:
    """Make every variant that `hydrate=` names fresh: promoted where the database proves it, else computed.

    Does nothing where HYDRATION_ENABLED is False.
    """
    if not settings().HYDRATION_ENABLED:
        return []
    variants = [declaration.variant((), dict(parameters)) for parameters in declaration.grid()]
    return reading.answer_many(declaration, variants)
