"""`{% statistic "orders.revenue" region=r as revenue %}`: a value in a template, the same for a whole request."""

from typing import Any

from django.template import Context, Library

from statistics_cache.api import registry

register = Library()
MEMO = "_statistics_given"  # on the request


@register.simple_tag(takes_context=True)
def statistic(context: Context, name: str, **parameters: Any) -> Any:
    """Give a statistic's value as a call does; one request is given one value of a variant, and asks for it once.

    Raises UnknownStatistic, ParameterError, and what a call raises.
    """
    found = registry.get(name)
    if (request := context.get("request")) is None:
        return found(**parameters)
    given: dict[tuple[str, str], Any] = vars(request).setdefault(MEMO, {})
    key = name, found.declaration.variant((), parameters).key
    if key not in given:
        given[key] = found(**parameters)
    return given[key]
