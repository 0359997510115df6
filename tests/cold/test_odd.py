"""One odd log row never stops a fold: it goes, and every scope of its statistic moves in its place."""

import pytest
from django.db import connections, transaction

from statistics_cache import upkeep
from statistics_cache.cold import changelog, history, odd
from statistics_cache.cold.changelog import Change
from statistics_cache.declaring.keys import UNCHECKED_SCOPE
from statistics_cache.models import StatisticInvalidation, StatisticScope
from tests.cold.odd_rows import Writing, a_refused_cause, huge_jumps, insert, insert_without_time
from tests.conftest import Backend
from tests.samples import Color, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]
RED, BLUE = 'color="red"', 'color="blue"'


def around(alias: str, write: Writing) -> None:
    """Log plain rows, odd ones of another scope, and plain ones again."""
    changelog.write(alias, [Change(stock.name, RED, "before")] * 3)
    write(alias, stock.name, BLUE)
    changelog.write(alias, [Change(stock.name, RED, "after")] * 3)


def sums(alias: str) -> dict[str, int]:
    """Give the sums of the statistic's scopes."""
    return dict(StatisticScope.objects.using(alias).values_list("scope", "base"))


@pytest.mark.parametrize("write", [huge_jumps, a_refused_cause])
def test_the_others_are_folded(write: Writing, backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Each odd row is logged once, by its key; what it may have changed is no longer fresh."""
    alias = backend.database
    for color in Color:
        stock(color)
    around(alias, write)
    log = StatisticInvalidation.objects.using(alias)
    red = sum(log.filter(scope=RED).values_list("jump", flat=True))
    odd = list(log.filter(scope=BLUE).values_list("pk", flat=True))
    assert len(upkeep.fold(alias)) == 6 + len(odd)
    assert not log.exists()
    assert sums(alias).keys() == {RED, "*"}
    assert sums(alias)[RED] == red
    assert sums(alias)["*"] <= len(odd) * changelog.MAX_JUMP
    assert [f"log row {pk} on {alias!r} could not be folded" in caplog.text for pk in odd] == [True] * len(odd)
    assert len(caplog.messages) == len(odd)
    stock.clear(tier="hot")  # nobody has told it
    assert [stock.is_fresh(color) for color in Color] == [False, False]
    assert upkeep.fold(alias) == []


@pytest.mark.parametrize("jumps", [[2**62] * 3, [2**63 - 1] * 2, [2**40], [2**40 + 1]], ids=str)
def test_readers_go_on_before_it(jumps: list[int], backend: Backend) -> None:
    """Whatever another program took for a jump, its scope has moved, no reader meets an error, and what is computed
    then is hot."""
    stock(Color.RED)
    for jump in jumps:
        insert(backend.database, stock.name, RED, jump)
    stock.clear(tier="hot")  # nobody has told it
    with transaction.atomic(using=backend.database):
        assert not stock.is_fresh(Color.RED)
    tiers = [stock.answer(Color.RED).tier for _ in range(2)]
    assert tiers == ["computed", "hot"]


def test_what_has_no_time_is_of_now(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Only its time is odd: its scope moves, and no other; one that is unchecked is checked."""
    alias = backend.database
    around(alias, insert_without_time)
    insert_without_time(alias, stock.name, UNCHECKED_SCOPE)
    assert len(upkeep.fold(alias)) == 8
    assert sums(alias).keys() == {RED, BLUE, "*"}
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("statistic", "scope", "left"), [("tests.stock", "x" * 201, {"*"}), ("x" * 101, RED, set())], ids=["scope", "name"]
)
def test_what_is_too_long_for_any_other_database(statistic: str, scope: str, left: set[str]) -> None:
    """SQLite takes any text: a scope that no entry has moves every scope, a name that no statistic has none."""
    insert("default", statistic, scope)
    upkeep.fold("default")
    assert sums("default").keys() == left


def test_an_outage_is_no_odd_row(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is set aside for what the database itself fails at: it is raised, and all rows stay."""

    def fail(*_: object) -> None:
        with connections[backend.database].cursor() as cursor:
            cursor.execute("SELECT 1 FROM nowhere")

    changelog.write(backend.database, [Change(stock.name, RED, "a test")] * 3)
    monkeypatch.setattr(history, "keep", fail)
    with pytest.raises(Exception, match="nowhere") as raised:
        changelog.fold(backend.database)
    assert not isinstance(raised.value, odd.REFUSALS)
    monkeypatch.undo()
    assert len(upkeep.fold(backend.database)) == 3
