"""Users by their permissions, a statistic that only some may see, and rows that no call reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from statistics_cache import Statistic, statistic
from statistics_cache.models import StatisticEntry
from tests.samples import Color, Stock, count_stock

LIST = "/admin/statistics_cache/statisticentry/"
REGISTRY = f"{LIST}registry/"
WORD = "pots"  # of every value of the samples

Login = Callable[..., Client]


@pytest.fixture
def login(db: None) -> Login:
    """Give a function that gives the client of a staff user with some permissions on entries: view, refresh, clear."""

    def as_user(*permissions: str, name: str = "operator", is_superuser: bool = False) -> Client:
        user = User.objects.create_user(name, password="x", is_staff=True, is_superuser=is_superuser)  # noqa: S106
        codes = [f"{permission}_statisticentry" for permission in permissions]
        user.user_permissions.set(Permission.objects.filter(codename__in=codes))
        client = Client()
        client.force_login(user)
        return client

    return as_user


def count_secretly(color: Color) -> Stock:
    """Count what not everybody may know of."""
    return count_stock(color)


@pytest.fixture
def secret() -> Statistic[..., Stock]:
    """Declare a statistic that only the user `insider` may see."""
    declare: Any = statistic(name="tests.secret", visible_to=lambda user: user.username == "insider")
    declared: Statistic[..., Stock] = declare(count_secretly)
    return declared


def orphan(name: str = "gone.statistic", key: str | None = None, **fields: Any) -> StatisticEntry:
    """Store a row that no call reads."""
    values: dict[str, Any] = {
        "key": key or f'{name}:color="red"',
        "schema": "0" * 12,
        "statistic": name,
        "params": '{"color":"red"}',
        "payload": '{"hidden":"treasure"}',
        "computed_at": datetime.now(UTC),
    }
    return StatisticEntry.objects.create(**(values | fields))


def act(client: Client, action: str, *chosen: StatisticEntry, url: str = LIST, **more: str) -> Any:
    """Choose an action for some rows, as the list's form does, and follow where it leads."""
    data = {"action": action, "_selected_action": [str(row.pk) for row in chosen], "index": "0"} | more
    return client.post(url, data, follow=True)


def said(page: Any) -> list[str]:
    """Give the messages on a page."""
    return [str(message) for message in page.context["messages"]] if page.context else []


def text_of(page: Any) -> str:
    """Give a page's text without the places where a name may be broken."""
    text: str = page.content.decode()
    return text.replace("<wbr>", "")


def row_of(key: str) -> StatisticEntry:
    """Give the row of a key."""
    return StatisticEntry.objects.get(key=key)


RED = 'tests.stock:color="red",doubled=false'
BLUE = 'tests.stock:color="blue",doubled=false'
