"""Who computed a value is kept with it."""

from io import StringIO

import pytest
from django.core.management import call_command

from statistics_cache import upkeep
from statistics_cache.models import StatisticEntry
from tests.messages import Messages
from tests.samples import Color, shelf, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


def by(name: str) -> str:
    """Give who computed the one entry of a statistic."""
    found: str = StatisticEntry.objects.get(statistic=name).computed_by
    return found


def test_who_computed_it_is_kept(messages: Messages) -> None:
    """A read, a worker that a reader asked, a worker that the tick asked, a command: each is told apart."""
    shelf(Color.RED)
    assert by(shelf.name) == "read"
    shelf.refresh_later(Color.RED)
    messages.work()
    assert by(shelf.name) == "worker"
    upkeep.tick([stock.declaration])
    messages.work()
    assert set(StatisticEntry.objects.filter(statistic=stock.name).values_list("computed_by", flat=True)) == {"tick"}
    call_command("refresh_statistics", shelf.name, force=True, stdout=StringIO())
    assert by(shelf.name) == "command"
    shelf.refresh(Color.RED)
    assert by(shelf.name) == "read"
