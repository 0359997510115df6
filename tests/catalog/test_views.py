"""The seed's route: its parameters, its pages, and nobody else's paging."""

import pytest
from django.test import Client

from project.catalog.models import Category, ModelRecord
from project.catalog.statistics import category_statistics

pytestmark = pytest.mark.django_db
URL = "/statistics/clip/"


def test_pages_are_of_a_copy() -> None:
    """A page is what was asked for, and the next caller gets the whole list."""
    ModelRecord.objects.create(category=Category.CLIP, name="one", tags=["a", "b", "c"])
    whole = Client().get(f"{URL}?grouped=1&include_backend_variations=1").json()["value"]
    page = Client().get(f"{URL}?grouped=1&include_backend_variations=1&limit=1&offset=1").json()["value"]
    assert page["top_tags"] == whole["top_tags"][1:2]
    assert page["total_models"] == whole["total_models"] == 1
    again = category_statistics(Category.CLIP, grouped=True, include_backend_variations=True)
    assert len(again.top_tags) == len(whole["top_tags"]) == 3


@pytest.mark.parametrize(
    ("url", "status", "name"),
    [
        ("/statistics/nothing/", 404, "category"),
        (f"{URL}?limit=-1", 400, "limit"),
        (f"{URL}?grupped=1", 400, "grupped"),
    ],
)
def test_what_is_wrong_is_named(url: str, status: int, name: str) -> None:
    """A category that there is not, a page that is none, a parameter that nobody knows."""
    answer = Client().get(url)
    assert (answer.status_code, answer.json()["parameter"]) == (status, name)
