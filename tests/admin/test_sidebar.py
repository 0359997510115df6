"""*Declared statistics* in the admin's index and sidebar."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from tests.admin.conftest import LIST, REGISTRY, Login

pytestmark = pytest.mark.django_db

PAGE = "/admin/statistics_cache/declaredstatistic/"


def test_it_stands_in_the_index(login: Login) -> None:
    """Whoever may view entries finds the page there, and beside every other page."""
    client = login("view")
    for page in ("/admin/", LIST):
        assert f'href="{PAGE}"' in client.get(page).content.decode()
    found = client.get(PAGE)
    assert [row.name for row in found.context["rows"]]
    assert found.content.decode().count("sc-registry") == 1


def test_it_is_for_nobody_else(login: Login) -> None:
    """Other permissions show no link and open no page; there are none of its own to give."""
    client = login("refresh", "clear")
    assert PAGE not in client.get("/admin/").content.decode()
    assert client.get(PAGE).status_code == 403
    assert not Permission.objects.filter(codename__contains="declaredstatistic").exists()


def test_it_has_no_other_pages(admin_client: Client) -> None:
    """Nothing is added, changed or deleted under its address."""
    for page in ("add/", "1/change/", "1/delete/", "1/history/"):
        assert admin_client.get(PAGE + page).status_code == 404


def test_the_old_address_works(admin_client: Client) -> None:
    """What was linked to opens as before; the button leads to the page in the index."""
    assert admin_client.get(REGISTRY).status_code == 200
    assert admin_client.post(f"{REGISTRY}tests.total/run/").headers["Location"] == PAGE
    assert f'href="{PAGE}"' in admin_client.get(LIST).content.decode().split('id="content"')[1]
