"""A statistic with a value that the test chooses; all of them without any cache."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

from django.conf import settings
from django.test import override_settings

from statistics_cache.api import Statistic
from statistics_cache.conf import limits, may_serve
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.entry import Copy, Found, Generations, Reason
from statistics_cache.overrides import Override, put, take_away

from .entering import enterable
from .finding import declaration_of

NOTHING: Any = object()


@enterable
@contextmanager
def override_statistic(
    statistic: Statistic[..., Any] | str,
    *,
    value: Any = NOTHING,
    state: Literal["fresh", "stale"] = "fresh",
    reason: Reason | None = None,
    raises: BaseException | type[BaseException] | None = None,
) -> Iterator[None]:
    """Have every read of a statistic give a value, whatever its parameters; or have every compute of it raise.

    Calls, `answer`, `get`, `get_many`, their async forms, the template tag and the HTTP views all give it, found in the
    hot tier; neither tier is asked, and nothing is computed or stored. Each reader gets a value of its own. With
    `state="stale"` the age is the ttl, and `reason` (None is "age") says why it is stale. With `raises`, an exception
    or its class, what would compute raises it; `get` and `wait=False`, which never compute, give None.

    Raises, when it is entered, UnknownStatistic with the nearest name; PayloadError for a value that is none of the
    statistic's return type; ValueError for a state that it is never given in, and unless one of `value` and `raises`
    is given.
    """
    if (value is NOTHING) == (raises is None):
        raise ValueError("override_statistic: give either value= or raises=.")
    declaration = declaration_of(statistic)
    if raises is not None:
        override = Override(error=raises)
    else:
        override = override_by(declaration, declaration.encode(value).text, state, reason)
    put(declaration.name, override)
    try:
        yield
    finally:
        take_away(declaration.name, override)


def override_by(
    declaration: Declaration[..., Any], payload: str, state: Literal["fresh", "stale"], reason: Reason | None
) -> Override:
    """Give what stands for a value found in a state. Raises ValueError for one that no reader is given."""
    if state not in ("fresh", "stale"):
        raise ValueError(f"override_statistic: state is {state!r}. Write 'fresh' or 'stale'.")
    if state == "fresh":
        if reason is not None:
            raise ValueError(f"override_statistic: reason={reason!r} is of a stale value; add state='stale'.")
        return Override(payload)
    age = limits(declaration).ttl
    given = Override(payload, state, reason or "age", age)
    copy = Copy(payload, 0.0, 0.0, Generations(0, 0), "hot")
    if not may_serve(declaration, Found(None, copy, state, given.reason, age, given.reason == "source")):
        raise ValueError(
            f"override_statistic: {declaration.name} never gives a value that is stale by {given.reason}. That takes a "
            "stale_ttl above its ttl; by 'source', on_change='revalidate', too."
        )
    return given


@enterable
@contextmanager
def disable_statistics_cache() -> Iterator[None]:
    """Have every call compute live, and nothing be read, stored or logged: the setting ENABLED is False within."""
    conf = cast("dict[str, Any]", getattr(settings, "STATISTICS_CACHE", {}))
    with override_settings(STATISTICS_CACHE={**conf, "ENABLED": False}):
        yield
