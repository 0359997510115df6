"""An answer as a response of HTTP: the value as JSON, and what caches on the way may do with it."""

import json
from hashlib import blake2b
from math import floor
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import get_conditional_response
from django.utils.http import http_date, quote_etag

from statistics_cache.api import Statistic
from statistics_cache.conf import limits, settings
from statistics_cache.entry import Answer

NAME = "statistics_cache"  # of the cache, in Cache-Status
RETRY_AFTER = 1  # seconds: what a worker is asked for comes when it comes, and asking again is cheap


def statistic_response(
    request: HttpRequest, answer: Answer[Any] | None, statistic: Statistic[..., Any], *, public: bool = False
) -> HttpResponse:
    """Give an answer: 200, or 304 if the caller has it; None, of a read that did not wait, is 202.

    Fresh it may be kept for the seconds that it is left, stale for none; `public=True` lets shared caches keep it, but
    for what `visible_to` shows to some alone.
    Raises nothing. (Note [What the tag covers])
    """
    if answer is None:
        return not_yet()
    left = seconds_left(answer, statistic)
    body = content(answer, statistic)
    response = HttpResponse(body, content_type="application/json")
    response["ETag"] = quote_etag(blake2b(body, digest_size=16).hexdigest())
    response["Last-Modified"] = http_date(answer.computed_at.timestamp())
    response["Cache-Control"] = cache_control(answer, statistic, left, public=public)
    given: HttpResponse = get_conditional_response(request, etag=response["ETag"], response=response)  # type: ignore[assignment]
    given["Cache-Status"] = cache_status(answer, left)
    given["Statistic-Age"] = str(int(answer.age.total_seconds()))
    return given


def not_yet() -> HttpResponse:
    """Say that a worker was asked, and when to ask again."""
    headers = {"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store", "Cache-Status": f"{NAME}; fwd=miss"}
    return JsonResponse({"state": "missing"}, status=202, headers=headers)


def content(answer: Answer[Any], statistic: Statistic[..., Any]) -> bytes:
    """Write a value with its provenance; one value has one text, the one that is stored."""
    told = {"state": answer.state, "reason": answer.reason, "computed_at": answer.computed_at.isoformat()}
    rest = json.dumps(told, separators=(",", ":"))[1:]
    return f'{{"value":{statistic.declaration.encode(answer.value).text},{rest}'.encode()


def seconds_left(answer: Answer[Any], statistic: Statistic[..., Any]) -> int:
    """Give how long an answer is fresh at least, in whole seconds: below 0 where it is too old already."""
    ttl = limits(statistic.declaration).ttl * (1.0 - settings().JITTER)  # no variant's is shorter
    return floor(ttl - answer.age.total_seconds())


def cache_control(answer: Answer[Any], statistic: Statistic[..., Any], left: int, *, public: bool) -> str:
    """Say how long the response may be kept, and given while it is renewed, or cannot be."""
    whose = "public" if public and statistic.declaration.visible_to is None else "private"
    if answer.state != "fresh":
        return f"{whose}, max-age=0"
    bounds = limits(statistic.declaration)
    more = int(bounds.stale_ttl - bounds.ttl)
    late = f", stale-while-revalidate={more}, stale-if-error={more}" if more > 0 else ""
    return f"{whose}, max-age={max(0, left)}{late}"


def cache_status(answer: Answer[Any], left: int) -> str:
    """Tell what this cache did, as RFC 9211 spells it."""
    if answer.tier == "computed":
        return f"{NAME}; fwd=miss; ttl={left}"
    if answer.state == "fresh":
        return f"{NAME}; hit; ttl={left}; detail={answer.tier}"
    return f'{NAME}; hit; ttl={min(left, 0)}; detail="{answer.tier}, stale by {answer.reason}"'


# Note [What the tag covers]
# A strong tag says that the bytes are the same. An age among them would make each second's another, and no caller would
# ever hear 304; so the age is a header of its own, and the body has the moment that it counts from. (`Age` it is not:
# that one says how long a cache of HTTP has kept the response, and is taken off `max-age` once more.) A state that
# changes is another body, so the time of the compute, which stays, answers no condition.
