"""On an AdminSite of the user's own every link, redirect and form stays on it."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import path
from pytest_django import Settings

from statistics_cache.admin.entries import EntryAdmin
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import RED, row_of
from tests.samples import Color, stock

pytestmark = pytest.mark.django_db

site = admin.AdminSite(name="operations")
site.register(StatisticEntry, EntryAdmin)
urlpatterns = [path("admin/", admin.site.urls), path("operations/", site.urls)]
LIST = "/operations/statistics_cache/statisticentry/"


@pytest.fixture(autouse=True)
def two_sites(settings: Settings) -> None:
    """Serve both, and an entry."""
    settings.ROOT_URLCONF = __name__
    stock(Color.RED)


def test_running_leads_back_to_its_own_site(admin_client: Client) -> None:
    """*Run now* ends on the page that it was pressed on."""
    assert admin_client.post(f"{LIST}registry/tests.total/run/").headers["Location"] == f"{LIST}registry/"


def test_an_action_leads_back_to_the_entry_of_its_own_site(admin_client: Client) -> None:
    """One taken on an entry's page ends there."""
    pk = row_of(RED).pk
    answer = admin_client.post(LIST, {"action": "invalidate", "_selected_action": [pk], "detail": pk, "index": "0"})
    assert answer.headers["Location"] == f"{LIST}{pk}/change/"


@pytest.mark.parametrize("page", ["", "registry/", "{}/change/", "confirm"])
def test_no_page_leads_to_the_other_site(page: str, admin_client: Client) -> None:
    """Neither a link nor a form."""
    pk = row_of(RED).pk
    chosen: dict[str, Any] = {"action": "clear_both", "_selected_action": [pk], "index": "0"}
    url = LIST + page.format(pk)
    answer: Any = admin_client.post(LIST, chosen) if page == "confirm" else admin_client.get(url)
    assert answer.status_code == 200
    assert re.findall(r'(?:href|action)="(/admin/[^"]*)"', answer.content.decode()) == []
