"""The admin's pages of entries, asked for by a superuser who is known without a database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.test import RequestFactory

from statistics_cache.models import StatisticEntry
from tests.outages.world import World

ADMIN: Any = site._registry[StatisticEntry]


@contextmanager
def every_app() -> Iterator[None]:
    """Let all installed apps be there, where a test has fewer so that its tables are emptied soon."""
    fewer = {config.name for config in apps.get_app_configs()}
    apps.unset_available_apps()
    try:
        yield
    finally:
        apps.set_available_apps(fewer)


def page(view: Callable[[Any], Any]) -> Callable[[World], str]:
    """Give the asking for a page, which gives its text."""

    def ask(_: World) -> str:
        request = RequestFactory().get("/admin/statistics_cache/statisticentry/")
        request.user = User(username="root", is_superuser=True, is_staff=True)
        with every_app():
            response = view(request)
            assert response.status_code == 200
            return str(response.render().content.decode())

    return ask


def entry_page(request: Any) -> Any:
    """Give the page of some entry; the list where there is none left."""
    first = StatisticEntry.objects.values_list("pk", flat=True).first()
    return ADMIN.change_view(request, str(first)) if first else ADMIN.changelist_view(request)


PAGES: dict[str, Callable[[World], str]] = {
    "admin list": page(ADMIN.changelist_view),
    "admin entry": page(entry_page),
    "admin registry": page(ADMIN.registry_view),
}


def check_page(world: World, text: str) -> None:
    """A page comes, and names the statistic."""
    assert world.statistic.name in text
