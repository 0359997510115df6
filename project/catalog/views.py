"""The seed's route, kept: `/statistics/<category>/?grouped=1&include_backend_variations=1&limit=10&offset=0`."""

from typing import Any

from django.http import HttpRequest, QueryDict

from project.catalog.statistics import category_statistics
from statistics_cache.entry import Answer
from statistics_cache.web.problems import Problem
from statistics_cache.web.views import StatisticView

PAGED = ("top_tags", "top_styles")


class CategoryView(StatisticView):
    """The statistics of a category; `limit` and `offset` page its lists, of a copy: what is cached stays whole."""

    statistic = category_statistics

    def query(self, request: HttpRequest, category: str = "", **_: Any) -> QueryDict:
        """Take the category from the path, and the rest from the query but for the page."""
        query = request.GET.copy()
        for name in ("limit", "offset"):
            query.pop(name, None)
        query["category"] = category
        return query

    def show(self, answer: Answer[Any]) -> Answer[Any]:
        """Give one page of each list."""
        offset, limit = self.number("offset", 0), self.number("limit", None)
        end = None if limit is None else (offset or 0) + limit
        pages = {name: getattr(answer.value, name)[offset:end] for name in PAGED}
        return answer._replace(value=answer.value.model_copy(update=pages))

    def number(self, name: str, default: int | None) -> int | None:
        """Read a whole number that is not below 0. Raises Problem."""
        text = self.request.GET.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Problem(400, f"parameter {name!r} is no whole number from 0 to 999,999,999.", name)
        return int(text)
