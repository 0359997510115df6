"""Statistics over HTTP: what is given, what may be kept of it, and what is said where nothing is."""

from datetime import timedelta
from typing import Any
from unittest.mock import patch

import http_sf
import pytest
import time_machine
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path

from statistics_cache import Statistic, statistic
from statistics_cache.exceptions import ComputeTimeout
from statistics_cache.web import StatisticView, statistic_response
from tests.admin.conftest import count_secretly
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, Computed, shelf, stock, strict

STOCK, SHELF = "/statistics/tests.stock/", "/statistics/tests.shelf/"


async def in_async_code(request: HttpRequest) -> HttpResponse:
    """Answer in a view of somebody's own."""
    return statistic_response(request, await stock.aanswer(Color.RED), stock)


urlpatterns = [
    path("async/", in_async_code),
    path("statistics/", include("statistics_cache.web.urls")),
    path("strict/", StatisticView.as_view(statistic=strict, wait=False)),
    path("later/", StatisticView.as_view(statistic=stock, wait=False)),
    path("public/", StatisticView.as_view(statistic=stock, public=True)),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.web.test_views")]


def get(url: str, status: int = 200, **headers: str) -> Any:
    """Ask, and give the response."""
    answer = Client().get(url, headers=headers)
    assert answer.status_code == status, answer.content
    if "Cache-Status" in answer.headers:
        assert http_sf.parse(answer.headers["Cache-Status"].encode(), tltype="list")
    return answer


def problem(url: str, status: int) -> Any:
    """Ask for what is refused, and give what is said of it; nobody may keep it."""
    answer = get(url, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    told = answer.json()
    assert told["status"] == status
    return told


@pytest.mark.usefixtures("clock")
def test_a_value_comes_with_its_provenance() -> None:
    """As JSON; the second caller is told of a hit, and until when it is fresh."""
    Paint.objects.create(color="red", litres=3)
    first = get(f"{STOCK}?color=red")
    assert first.json()["value"] == {"pots": 1, "litres": 3}
    assert (first.json()["state"], first.json()["reason"]) == ("fresh", None)
    assert first.headers["Cache-Status"].startswith("statistics_cache; fwd=miss; ttl=")
    assert first.headers["Cache-Control"] == ("private, max-age=300, stale-while-revalidate=3300, stale-if-error=3300")
    assert get("/public/?color=red").headers["Cache-Control"].startswith("public, max-age=300")


def test_who_has_it_is_told_so(clock: time_machine.Traveller) -> None:
    """By 304, with all that caches go by; an age that grows makes no other tag, and another value does."""
    stock(Color.RED)
    tag = get(f"{STOCK}?color=red").headers["ETag"]
    clock.shift(10)
    again = get(f"{STOCK}?color=red", 304, if_none_match=tag)
    assert not tag.startswith("W/")
    assert again.headers["ETag"] == tag
    assert again.headers["Cache-Control"].startswith("private, max-age=290")
    assert again.headers["Statistic-Age"] == "10"
    assert again.headers["Last-Modified"]
    Paint.objects.create(color="red")
    stock.refresh(Color.RED)
    assert get(f"{STOCK}?color=red", 200, if_none_match=tag).headers["ETag"] != tag


def test_what_is_stale_is_given_and_says_why(clock: time_machine.Traveller) -> None:
    """Nobody on the way may keep it."""
    shelf(Color.RED)
    clock.shift(TTL + timedelta(seconds=1))
    answer = get(f"{SHELF}?color=red")
    assert (answer.json()["state"], answer.json()["reason"]) == ("stale", "age")
    assert answer.headers["Cache-Control"] == "private, max-age=0"
    assert "hit; ttl=-" in answer.headers["Cache-Status"]
    clock.shift(STALE_TTL)
    assert get(f"{SHELF}?color=red").json()["state"] == "fresh"


def test_who_does_not_wait_is_told_to_ask_again() -> None:
    """Nothing is computed in the request, and nobody may keep that."""
    answer = get("/strict/", 202)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Retry-After"] == "1"
    assert Computed.of("strict") == 0
    strict.refresh()
    assert get("/strict/").json()["value"] == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", ["/public/?color=red", "/later/?color=red"])
def test_what_fails_is_said_without_internals(url: str) -> None:
    """503, whether the caller waits or not; the text of the exception is in the log alone."""
    with patch("tests.samples.count_stock", side_effect=ValueError("internal")):
        with pytest.raises(ValueError, match="internal"):
            stock.refresh(Color.RED)
        told = problem(url, 503)
    assert told["detail"] == "The last compute failed, and nothing is stored."


@pytest.mark.django_db(transaction=True)
def test_what_a_function_raises_is_logged_as_a_views_exception(caplog: pytest.LogCaptureFixture) -> None:
    """Once, by Django, with its traceback; while it is not tried again, without."""
    with patch("tests.samples.count_stock", side_effect=ValueError("internal")):
        for _ in range(2):
            problem(f"{STOCK}?color=red", 503)
    lines = [record for record in caplog.records if record.name == "django.request"]
    assert [line.levelname for line in lines] == ["ERROR", "ERROR"]
    assert [line.exc_info and line.exc_info[0] for line in lines] == [ValueError, None]


def test_who_waited_too_long_is_told_so() -> None:
    """503, and when to ask again."""
    with patch("statistics_cache.answering.answer", side_effect=ComputeTimeout("tests.stock")):
        assert problem(f"{STOCK}?color=red", 503)["detail"] == "It is still being computed, and nothing is stored."
        assert get(f"{STOCK}?color=red", 503).headers["Retry-After"] == "1"


def test_what_some_may_see_no_shared_cache_keeps() -> None:
    """`public=True` is for what everybody may see."""
    declare: Any = statistic(name="tests.secret", visible_to=bool)
    secret: Statistic[..., Any] = declare(count_secretly)
    request = RequestFactory().get("/?color=red")
    request.user = True  # type: ignore[assignment]
    answer = StatisticView.as_view(statistic=secret, public=True)(request)
    assert answer.headers["Cache-Control"].startswith("private, ")


@pytest.mark.django_db(transaction=True)
def test_async_code_answers_alike() -> None:
    """A view of somebody's own awaits the verbs, and ours runs where Django runs what is not async."""
    theirs = async_to_sync(AsyncClient().get)("/async/")
    ours = async_to_sync(AsyncClient().get)("/later/?color=red")
    assert theirs.content == ours.content
    assert "hit" in ours.headers["Cache-Status"]


@pytest.mark.parametrize(
    ("query", "status", "name"),
    [
        ("color=red&colour=red", 400, "colour"),
        ("", 400, "color"),
        ("color=green", 404, "color"),
        ("color=red&doubled=perhaps", 400, "doubled"),
        ("color=red&color=blue", 400, "color"),
    ],
)
def test_a_wrong_parameter_is_named(query: str, status: int, name: str) -> None:
    """400 for what is wrong in form, 404 for what is not there."""
    told = problem(f"{STOCK}?{query}", status)
    assert told["parameter"] == name
    assert name in told["detail"]


@pytest.mark.usefixtures("every_kind")
def test_parameters_are_read_by_their_own_types() -> None:
    """As text, as JSON where text says nothing, several as a list; what is left out has its default."""
    url = "/statistics/tests.spelt/?level=2&days=7"
    assert get(url).json()["value"] == "HIGH 7 False None  x"
    more = "&flag=1&since=2026-03-01&names=a&names=b&word=7"
    assert get(url + more).json()["value"] == "HIGH 7 True 2026-03-01 a|b 7"
    assert get(url + "&since=null&names=a&word=null").json()["value"] == "HIGH 7 False None a null"
    assert problem(url + "&word=%00", 400)["parameter"] == "word"


def test_what_is_hidden_is_not_there() -> None:
    """Nor is what nobody declares."""
    statistic(name="tests.secret", visible_to=lambda user: user is None)(count_secretly)
    assert problem("/statistics/tests.secret/?color=red", 404) == problem("/statistics/tests.nothing/", 404)


def test_only_reading_is_allowed() -> None:
    """A POST is refused."""
    assert Client().post(f"{STOCK}?color=red").status_code == 405
