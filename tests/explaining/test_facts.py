"""What a story knows: of each state how it came about, what comes next, and by whom; looking changes nothing."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from time_machine import Traveller

from statistics_cache import statistic, upkeep
from statistics_cache.cold import proving
from statistics_cache.explaining.facts import Facts
from statistics_cache.explaining.sentences import Story
from statistics_cache.hot import asking
from statistics_cache.models import StatisticEntry
from tests.admin.conftest import LIST, RED, row_of
from tests.conftest import NOON, Backend
from tests.jumps import record
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, Computed, Stock, count_stock, shelf, stock, strict
from tests.test_upkeep import fail, refuse

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

MINUTE = timedelta(minutes=1)
EARLY = 0.9  # the part of its ttl at which every variant is fresh
LATE = 1.01


def facts(found: Any = shelf) -> Facts:
    """Give the facts of the red variant of a statistic."""
    told: Story = found.explain(Color.RED)
    return told.facts


def gist(found: Any = shelf) -> tuple[Any, ...]:
    """Give state, reason, what the next read does, and who refreshes it."""
    known = facts(found)
    return known.state, known.reason, known.next_read, known.refresher


def test_nothing_is_stored() -> None:
    """Then a reader computes; what the tick keeps warm, the tick has computed."""
    assert gist() == ("missing", None, "computes", "reader")
    assert gist(stock) == ("missing", None, "computes", "tick")


def test_what_is_fresh(clock: Traveller) -> None:
    """It is given from the cache alone while its proof is young, then proved; the first read after its ttl has a worker
    refresh it."""
    shelf(Color.RED)
    assert gist() == ("fresh", None, "hot", "worker")
    clock.shift(MINUTE)
    known = facts()
    assert (known.next_read, known.by, known.why, known.sources) == ("proved", "read", "missing", ("tests.Paint",))
    assert known.computed_at == NOON
    assert known.age == MINUTE
    assert known.refresh_at
    assert TTL * EARLY <= known.refresh_at - NOON <= TTL
    assert known.hot
    assert (known.hot.are_equal, known.hot.is_believed) == (True, False)
    assert known.cold
    assert (known.cold.is_current, known.cold.is_cleared) == (True, False)


def test_what_is_old(clock: Traveller) -> None:
    """It is given as stale where policy allows it, and a worker is asked; then it is expired."""
    strict()
    shelf(Color.RED)
    clock.shift(TTL * LATE)
    assert gist() == ("stale", "age", "stale", "worker")
    assert facts().asks_at == NOON + TTL * LATE
    told = strict.explain().facts
    assert (told.state, told.reason, told.next_read, told.refresher) == ("expired", "age", "computes", "reader")
    clock.shift(STALE_TTL)
    assert gist() == ("expired", "age", "computes", "reader")


def test_what_changed(backend: Backend, clock: Traveller, django_capture_on_commit_callbacks: Any) -> None:
    """Which row it was is known, of what is in the log and of what was folded; it is given where it may be."""
    stock(Color.RED)
    shelf(Color.RED)
    with django_capture_on_commit_callbacks(using=backend.database, execute=True):
        paint = Paint.objects.create(color="red", litres=1)
    for _ in range(2):
        assert gist() == ("stale", "source", "stale", "worker")
        assert gist(stock) == ("stale", "source", "computes", "tick")
        assert [(each.cause, each.number) for each in facts().changes] == [(f"tests.Paint {paint.pk} created", 1)]
        upkeep.fold(backend.database)
    assert "At least 1 change: tests.Paint" in str(shelf.explain(Color.RED))
    assert facts().cold
    assert not facts().cold.is_current  # type: ignore[union-attr]


def test_what_this_transaction_changed(backend: Backend) -> None:
    """Until it is over each call in it computes."""
    shelf(Color.RED)
    with transaction.atomic(using=backend.database):
        Paint.objects.create(color="red", litres=1)
        assert gist()[:3] == ("stale", "transaction", "transaction")


def test_what_is_of_the_future(clock: Traveller) -> None:
    """A clock that was set back makes it stale, or, by more, worth nothing."""
    shelf(Color.RED)
    clock.shift(timedelta(seconds=-10))
    assert gist()[:3] == ("stale", "clock", "stale")
    clock.shift(-MINUTE)
    assert gist()[:3] == ("expired", "clock", "computes")


def test_what_nobody_can_prove(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is out, what is hot is given, then as unproven; else its error is raised."""
    shelf(Color.RED)
    monkeypatch.setattr(proving, "prove_at_once", refuse)
    assert gist() == ("fresh", None, "hot", "nobody")
    clock.shift(MINUTE)
    assert gist() == ("stale", "unproven", "stale", "nobody")
    assert facts().asks_at is None
    assert facts(stock).next_read == "raises"
    assert "The database is down, so nobody can tell." in str(shelf.explain(Color.RED))


def test_what_failed(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not tried before its time: with nothing to give the next read raises."""
    monkeypatch.setattr("tests.samples.count_stock", fail)
    with pytest.raises(ZeroDivisionError):
        shelf(Color.RED)
    assert gist() == ("missing", None, "fails", "reader")
    known = facts()
    assert (known.failures, known.last_error) == (1, "ZeroDivisionError: no paint")
    assert known.retry_at == known.refresh_at
    assert known.retry_at
    assert known.retry_at > NOON
    clock.shift(MINUTE)
    assert gist() == ("missing", None, "computes", "reader")
    assert facts().retry_at is None


def test_what_was_cleared() -> None:
    """What is left of it in the table is told of, and is nobody's."""
    shelf(Color.RED)
    row = StatisticEntry.objects.get()
    shelf.clear(Color.RED)
    row.save()
    known = facts()
    assert known.state == "missing"
    assert known.cold
    assert known.cold.is_cleared


def test_what_is_switched_off(conf: Any) -> None:
    """With ENABLED False each call computes."""
    conf(ENABLED=False)
    assert gist() == ("missing", None, "disabled", "nobody")


def test_what_has_a_floor(clock: Traveller) -> None:
    """Of a busy source the next worker is asked when the floor is over."""
    options: Any = {"ttl": TTL, "stale_ttl": STALE_TTL, "on_change": "revalidate", "depends_on": {Paint: "color"}}
    busy = statistic(name="tests.busy", refresh_every=10 * MINUTE, changed_ttl=20 * MINUTE, **options)(count_busily)
    busy(Color.RED)
    clock.shift(TTL * LATE)
    known = facts(busy)
    assert (known.state, known.asks_at, known.refresh_at) == ("stale", NOON + 10 * MINUTE, NOON + 10 * MINUTE)
    busy.invalidate(Color.RED)
    clock.shift(21 * MINUTE)
    assert gist(busy) == ("expired", "source", "computes", "reader")


def count_busily(color: Color) -> Stock:
    """Count what is written all the time."""
    return count_stock(color)


def test_to_explain_changes_nothing(backend: Backend) -> None:
    """No compute, no promotion, nothing written, and no more statements when much has changed."""
    stock(Color.RED)
    stock.clear(Color.RED, tier="hot")
    numbers = []
    for changes in (1, 50):
        for at in range(changes):
            record(backend.database, stock.name, ['color="red"'], f"cause {at}")
        with CaptureQueriesContext(connections[backend.database]) as captured:
            stock.explain(Color.RED)
        numbers.append(len(captured))
        assert all(query["sql"].lstrip("(").startswith("SELECT") for query in captured)
    assert numbers[0] == numbers[1] <= 5
    assert facts(stock).hot is None
    assert Computed.of("stock") == 1


def explain(*args: str, **options: Any) -> str:
    """Give what the command writes."""
    out = StringIO()
    call_command("explain_statistic", *args, stdout=out, **options)
    return out.getvalue()


def test_the_command_tells_the_story() -> None:
    """As text, or with all facts as JSON; parameters that are omitted have their defaults."""
    stock(Color.RED)
    story = stock.explain(Color.RED)
    told = explain("tests.stock", params='{"color": "red"}').splitlines()
    assert told[0] == 'tests.stock:color="red",doubled=false'
    assert [line.split(": ")[0] for line in told[1:]] == [each.about for each in story.sentences]
    given = json.loads(explain("tests.stock", params='{"color": "red"}', format="json"))
    assert given["parameters"] == {"color": "red", "doubled": False}
    assert (given["state"], given["by"], given["sources"]) == ("fresh", "read", ["tests.Paint"])
    assert given["stale_ttl"] == STALE_TTL.total_seconds()
    assert [each["about"] for each in given["story"]] == [each.about for each in story.sentences]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["tests.nothing"], "no statistic"),
        (["tests.stock"], "color"),
        (["tests.stock", "--params", '{"colour": "red"}'], "colour"),
        (["tests.stock", "--params", "red"], "not JSON"),
    ],
)
def test_what_names_no_variant_is_wrong_usage(arguments: list[str], complaint: str) -> None:
    """It ends with 2 and says why."""
    with pytest.raises(CommandError, match=complaint) as raised:
        explain(*arguments)
    assert raised.value.returncode == 2


def test_the_entry_page_tells_the_story(admin_client: Client, clock: Traveller) -> None:
    """Sentence by sentence, as the command does; the value is not in it."""
    stock(Color.RED)
    page = admin_client.get(f"{LIST}{row_of(RED).pk}/change/").content.decode()
    section = page.split('id="sc-story"')[1].split("</section>")[0]
    for about, text in stock.explain(Color.RED).sentences:
        assert f"<dt>{about}</dt><dd>{text}</dd>" in section
    assert "by a reader, because nothing was stored" in section


def test_while_the_cache_is_out_nobody_says_what_it_holds() -> None:
    """The table tells the rest, and proves the next read."""
    shelf(Color.RED)
    asking.breaker.failed(ConnectionError())
    assert gist() == ("fresh", None, "proved", "worker")
    assert facts().is_cache_out
