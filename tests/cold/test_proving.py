"""Looking at variants of several statistics together: what a look says is what a peek at each says."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from statistics_cache.admin import overview
from statistics_cache.cold import proving
from statistics_cache.cold.proving import Pair, all_totals, prove_together
from statistics_cache.hot import asking
from statistics_cache.models import StatisticEntry, StatisticInvalidation
from statistics_cache.peeking import look_together, peek_many
from tests.conftest import Backend, Queries
from tests.models import Paint
from tests.samples import STALE_TTL, TTL, Color, shelf, stock, strict, total

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]


def pairs() -> Iterator[Pair]:
    """Give variants of four statistics, of which some share a schema."""
    for each in (stock, shelf):
        for color in Color:
            yield each.declaration, each.declaration.variant((color,), {})
    for other in (total, strict):
        yield other.declaration, other.declaration.variant((), {})


@pytest.fixture
def stored(clock: Any) -> None:
    """Store entries of every state: expired, stale by age, stale by source, fresh, cleared, never computed."""
    stock(Color.BLUE)
    clock.shift(STALE_TTL - TTL)
    total()
    clock.shift(TTL)
    shelf(Color.RED)
    Paint.objects.create(color="red")
    strict()
    shelf(Color.BLUE)
    shelf.clear(Color.BLUE)


def test_a_look_says_what_a_peek_says(stored: None) -> None:
    """State, reason and row of variants looked at together are those of each looked at alone."""
    looked = look_together(list(pairs())).looks
    peeked = [peek_many(declaration, [variant])[0] for declaration, variant in pairs()]
    assert [(look.state, look.reason, look.proof.row and look.proof.row.failures) for look in looked] == [
        (found and found.state, found and found.reason, row and row.failures) for found, row, *_ in peeked
    ]
    assert {look.state for look in looked} == {"fresh", "stale", "expired", None}


def test_an_overview_says_what_looks_say(stored: None, rf: Any, admin_user: Any) -> None:
    """The states that are counted are those in which the rows are shown."""
    request = rf.get("/")
    request.user = admin_user
    judged = overview.Overview(request).judged
    assert judged is not None
    counted = {pk: state for state, rows in judged.items() if state != "failing" for pk in rows}
    looks = look_together(list(pairs())).looks
    shown = {variant.key: look.state or "empty" for (_, variant), look in zip(pairs(), looks, strict=True)}
    rows = dict(StatisticEntry.objects.values_list("pk", "key"))
    assert {rows[pk]: state for pk, state in counted.items()} == {key: shown[key] for key in rows.values()}
    assert "stale" in counted.values()


def test_jitter_is_counted_as_it_is_read(clock: Any, rf: Any, admin_user: Any, conf: Any) -> None:
    """Where jitter makes one entry stale before another, the overview agrees with a look."""
    conf(JITTER=0.9)
    for color in Color:
        stock(color)
        stock(color, doubled=True)
    request = rf.get("/")
    request.user = admin_user
    chosen = [(stock.declaration, variant) for variant in stock.declaration.hydrated().values()]
    seen = set()
    for _ in range(9):
        clock.shift(timedelta(seconds=30))
        judged = overview.Overview(request).judged
        assert judged is not None
        seen.add(len(judged["fresh"]))
        assert len(judged["fresh"]) == sum(look.state == "fresh" for look in look_together(chosen).looks)
    assert seen - {0, 4}


def test_together_is_one_statement_and_one_round_trip(
    stored: None, queries: Queries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many variants of however many statistics."""
    asked: list[object] = []
    ask = asking.ask

    def counted(operation: Any, default: Any) -> Any:
        asked.append(operation)
        return ask(operation, default)

    monkeypatch.setattr(asking, "ask", counted)
    with queries(1):
        look_together(list(pairs()))
    assert len(asked) == 1


def test_an_old_schema_that_another_statistic_has_now_is_no_row(clock: Any) -> None:
    """Two statistics that return the same type share a fingerprint; a row of one's old schema is none of its own."""
    total()
    assert total.declaration.fingerprint != stock.declaration.fingerprint
    StatisticEntry.objects.update(schema=stock.declaration.fingerprint)
    proofs = prove_together(list(pairs()))
    assert all(proof.row is None for proof in proofs)


def test_nothing_to_look_at(queries: Queries) -> None:
    """No variant, no statement."""
    with queries(0):
        assert look_together([]).looks == []
        assert all_totals("default", [], 1) == {}


def test_sums_of_too_many_scopes_are_not_read(backend: Backend) -> None:
    """Where there are more scopes than may be read, there are no totals at all rather than some."""
    StatisticInvalidation.objects.all().delete()
    stock(Color.RED)
    for color in Color:
        Paint.objects.create(color=color)
    names = [stock.name]
    assert proving.all_totals(backend.database, names, 1) is None
    totals = proving.all_totals(backend.database, names, 2)
    assert totals is not None
    assert {scope for _, scope in totals} == {'color="red"', 'color="blue"'}
