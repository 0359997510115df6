"""In which order the list stands where nobody has chosen one: what is wrong first, then what costs most to compute."""

from typing import Any

from django.db.models import Case, F, IntegerField, Q, Value, When

from .overview import Overview

URGENT = ("failing", "expired", "stale", "orphaned", "empty")  # the most urgent first; what is fresh comes last

Order = list[Any]  # expressions and names of fields


def order_of(overview: Overview) -> Order:
    """Give the order of a small table; of a large one none, for no index has it: sorting would read every row."""
    if not overview.is_small:
        return []
    return [urgency(overview).asc(), F("cost").desc(), F("key").asc(), F("schema").asc(), F("pk").asc()]


def urgency(overview: Overview) -> Any:
    """Rank rows by their states; where these are not known, what fails comes first."""
    if overview.judged is None:
        ranks = [When(Q(failures__gt=0), then=Value(0))]
    else:
        ranks = [When(overview.condition(state), then=Value(rank)) for rank, state in enumerate(URGENT)]
    return Case(*ranks, default=Value(len(URGENT)), output_field=IntegerField())
