"""A view of the REST framework, which the app neither needs nor knows, gives a statistic as any view does."""

from typing import Any

import pytest
from django.urls import path
from rest_framework.decorators import api_view
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from statistics_cache.web import StatisticView, statistic_response
from tests.models import Paint
from tests.samples import Color, stock


class StockView(APIView):
    """As its documentation writes a view; who may look is its affair."""

    permission_classes = (IsAuthenticated,)

    def get(self, request: Request, color: str) -> Any:
        """Answer."""
        return statistic_response(request, stock.answer(Color(color)), stock)


@api_view()
def value(request: Request, color: str) -> Response:
    """Give the value alone, for its renderers."""
    return Response(stock(Color(color)).model_dump())


urlpatterns = [
    path("stock/<str:color>/", StockView.as_view()),
    path("value/<str:color>/", value),
    path("plain/", StatisticView.as_view(statistic=stock)),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.test_drf")]


@pytest.fixture
def client(admin_user: Any) -> APIClient:
    """Give the client of somebody that it knows."""
    client = APIClient()
    client.force_authenticate(admin_user)
    return client


def test_its_view_answers_as_ours(client: APIClient) -> None:
    """The same bytes, headers and tag; 304 to who has it; its own refusal to who may not look."""
    Paint.objects.create(color="red", litres=3)
    stock(Color.RED)
    theirs, ours = client.get("/stock/red/"), client.get("/plain/?color=red")
    assert theirs.content == ours.content
    for name in ("ETag", "Cache-Control", "Cache-Status", "Content-Type", "Last-Modified"):
        assert theirs.headers[name] == ours.headers[name]
    assert client.get("/stock/red/", headers={"if-none-match": theirs.headers["ETag"]}).status_code == 304
    assert APIClient().get("/stock/red/").status_code == 403


def test_its_renderers_take_values(client: APIClient) -> None:
    """A statistic is a function, wherever it is called."""
    assert client.get("/value/red/").json() == {"pots": 0, "litres": 0}


def test_its_factory_makes_requests_for_ours() -> None:
    """Tests of such projects call views without a client."""
    assert StatisticView.as_view(statistic=stock)(APIRequestFactory().get("/?color=red")).status_code == 200
