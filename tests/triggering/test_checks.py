"""What is wrong with triggers is told by `check` and by the admin, by name."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import connections
from django.urls import reverse

from statistics_cache import Source, statistic
from statistics_cache.triggering import installing
from statistics_cache.triggering.describing import Unfit
from tests.models import Kept, Paint

pytestmark = pytest.mark.django_db(databases=["default", "postgres"])


def by_color(color: str) -> int:
    return 0


def by_price(decimal: Decimal) -> int:
    return 0


def messages(*databases: str) -> list[Any]:
    """Give what the checks of triggers say."""
    wanted = {f"statistics_cache.{number}" for number in ("E028", "E029", "W022")}
    return [each for each in run_checks(databases=list(databases) or None) if each.id in wanted]


def declare(function: Any, model: Any, path: str) -> None:
    """Declare a statistic by triggers."""
    statistic(name="tests.checked", depends_on=[Source(model, path)], capture="triggers")(function)


def test_what_is_missing_is_an_error_of_the_database(database: str) -> None:
    """`check --database` names it, with the command to run; a plain `check` asks no database."""
    declare(by_color, Paint, "color")
    assert messages() == []
    found = messages(database)
    assert {each.id for each in found} == {"statistics_cache.E028"}
    assert all("is missing" in each.msg and database in each.hint for each in found)
    installing.install(database)
    assert messages(database) == []


def test_a_scope_that_sql_cannot_spell_is_a_warning(database: str) -> None:
    """By the name of the statistic, and why: each change drops every variant."""
    declare(by_price, Kept, "decimal")
    (found,) = messages()
    assert found.id == "statistics_cache.W022"
    assert "tests.checked" in found.msg
    assert "DecimalField" in found.msg


def test_another_database_is_refused(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MySQL has no triggers of ours: it is said what to write instead, and everything is computed live."""
    declare(by_color, Paint, "color")
    with monkeypatch.context() as patch:
        patch.setattr(connections[database], "vendor", "mysql")
        (found,) = messages()
        assert found.id == "statistics_cache.E029"
        assert "capture='signals'" in found.msg
        with pytest.raises(Unfit, match="StatisticsSource"):
            installing.install(database)


def test_the_admin_says_so(database: str, admin_client: Any) -> None:
    """Above the list, with the command to run, until the triggers are there."""
    declare(by_color, Paint, "color")
    url = reverse("admin:statistics_cache_statisticentry_changelist")
    assert "statistics_triggers install" in admin_client.get(url).content.decode()
    installing.install(database)
    assert "statistics_triggers" not in admin_client.get(url).content.decode()
