"""Views: one statistic's, and those of all that a user may see."""

from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.log import log_response
from django.views import View

from statistics_cache import answering, peeking
from statistics_cache.api import Statistic, registry
from statistics_cache.declaring.declaration import Variant
from statistics_cache.entry import Answer
from statistics_cache.exceptions import ComputeTimeout, StatisticsCacheError
from statistics_cache.visibility import is_visible

from .parsing import read_query
from .problems import Problem
from .responses import RETRY_AFTER, statistic_response

FAILED = "The last compute failed, and nothing is stored."
OVERDUE = "It is still being computed, and nothing is stored."


class StatisticView(View):
    """One statistic over HTTP: `StatisticView.as_view(statistic=…)`. Its parameters are the query's.

    With `wait=False` nothing is computed in the request: what is not there is 202. `public=True` lets shared caches
    keep what is fresh. To whom `visible_to` hides the statistic it is not there.
    """

    http_method_names = ["get", "head", "options"]  # noqa: RUF012  (as Django has it)
    statistic: Statistic[..., Any] | None = None
    wait = True
    public = False

    def get(self, request: HttpRequest, *_: Any, **kwargs: Any) -> HttpResponse:
        """Answer."""
        try:
            statistic = self.find(request, **kwargs)
            return self.respond(request, statistic, self.query(request, **kwargs))
        except Problem as problem:
            return tell(request, problem)

    def query(self, request: HttpRequest, **_: Any) -> QueryDict:
        """Give the texts of the parameters."""
        return request.GET

    def respond(self, request: HttpRequest, statistic: Statistic[..., Any], query: QueryDict) -> HttpResponse:
        """Answer for the parameters of a query. Raises Problem."""
        answer = self.answer(statistic, read_query(statistic.declaration, query))
        return statistic_response(request, answer and self.show(answer), statistic, public=self.public)

    def show(self, answer: Answer[Any]) -> Answer[Any]:
        """Give what is shown of an answer: all of it. Raises Problem."""
        return answer

    def find(self, request: HttpRequest, name: str = "", **_: Any) -> Statistic[..., Any]:
        """Give the statistic that is asked for. Raises Problem where there is none for this user."""
        found = self.statistic or registry.named.get(name)
        if found is None or not is_visible(found.declaration, getattr(request, "user", None)):
            raise Problem(404, "There is no such statistic.")
        return found

    def answer(self, statistic: Statistic[..., Any], variant: Variant) -> Answer[Any] | None:
        """Give the answer; None for what is not there and not waited for. Raises Problem where a compute fails."""
        declaration = statistic.declaration
        try:
            if self.wait:
                return answering.answer(declaration, variant)
            answer = answering.answer_at_once(declaration, variant, on_miss=True)
        except ComputeTimeout as error:
            raise Problem(503, OVERDUE, retry_after=RETRY_AFTER) from error
        except Exception as error:  # whatever the function raises: it is logged, and no caller's to read
            raise Problem(503, FAILED, retry_after=RETRY_AFTER) from error
        if answer is None and has_failed(statistic, variant):
            raise Problem(503, FAILED, retry_after=RETRY_AFTER)
        return answer


def tell(request: HttpRequest, problem: Problem) -> HttpResponse:
    """Give a problem's response; what a function raised is in Django's log, as a view's exception is."""
    response = problem.response()
    cause = problem.__cause__
    if response.status_code >= 500 and cause is not None and not isinstance(cause, StatisticsCacheError):
        log_response(
            "%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=cause
        )
    return response


def has_failed(statistic: Statistic[..., Any], variant: Variant) -> bool:
    """Tell whether the last compute of what is not there has failed."""
    row = peeking.peek_many(statistic.declaration, [variant])[0].row
    return bool(row and row.failures)
