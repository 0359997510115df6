"""What a read gives, on every hot tier: freshness, staleness, promotion, and what the database proves."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, Self

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from pydantic import BaseModel, model_validator
from time_machine import Traveller

from statistics_cache import judging, statistic
from statistics_cache.entry import write_header
from statistics_cache.hot import generations
from statistics_cache.models import StatisticEntry
from tests import spaces
from tests.conftest import Backend, Queries
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, Stock, nested, shelf, stock, strict, total

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]

SECOND = timedelta(seconds=1)


def hot_names() -> tuple[str, ...]:
    """Give the hot keys of `stock(RED)`: entry, `*`, scope."""
    return spaces.hot_keys(stock, Color.RED)


def test_a_call_computes_once(clock: Traveller) -> None:
    """The second call of a variant finds what the first one stored, whichever way it is written."""
    text: Any = "red"  # members are typed callers' way; text is taken at run time
    assert stock(Color.RED) == stock(text, doubled=False) == stock(color=Color.RED) == Stock(pots=0, litres=0)
    assert Computed.of("stock") == 1
    assert [stock.answer(Color.RED).tier, stock.answer(Color.BLUE).tier] == ["hot", "computed"]


def test_a_flushed_cache_answers_from_the_table() -> None:
    """After a flush nothing is computed: the database proves the row, and the next read is hot again."""
    stock(Color.RED)
    caches["statistics"].clear()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]
    assert Computed.of("stock") == 1


def test_a_hot_hit_asks_no_database(queries: Queries) -> None:
    """A hot hit costs no query."""
    stock(Color.RED)
    with queries(0):
        assert stock.answer(Color.RED).tier == "hot"


@pytest.mark.parametrize(
    ("age", "fresh", "servable"),
    [(299.999, True, True), (300, False, True), (3599.999, False, True), (3600, False, False)],
)
def test_boundaries_are_strict(clock: Traveller, age: float, fresh: bool, servable: bool) -> None:
    """An entry is fresh while its age is below ttl, and servable while it is below stale_ttl."""
    shelf(Color.RED)
    clock.shift(age)
    assert shelf.is_fresh(Color.RED) is fresh
    assert (shelf.get(Color.RED) is not None) is servable
    assert (shelf.get(Color.RED, allow_stale=False) is not None) is fresh


def test_a_stale_answer_says_so(clock: Traveller) -> None:
    """A stale answer is marked, with its reason, its age and its tier."""
    stock(Color.RED)
    clock.shift(400)
    answer = stock.answer(Color.RED, wait=False)
    assert answer is not None
    assert (answer.state, answer.reason, answer.age) == ("stale", "age", 400 * SECOND)


def test_a_call_that_finds_a_stale_entry_gives_it(clock: Traveller, messages: Messages) -> None:
    """A call gives what is stale, marked, without computing; what a worker is asked for makes it fresh."""
    first = stock.answer(Color.RED)
    clock.shift(400)
    answer = stock.answer(Color.RED)
    assert (answer.state, answer.reason, answer.computed_at) == ("stale", "age", first.computed_at)
    assert stock(Color.RED) == answer.value
    assert Computed.of("stock") == 1
    assert messages.work() == 1
    answer = stock.answer(Color.RED)
    assert (answer.state, answer.tier, answer.age) == ("fresh", "hot", timedelta(0))
    assert Computed.of("stock") == 2


def test_a_miss_without_waiting_is_none() -> None:
    """`wait=False` and `get` never compute."""
    assert stock.answer(Color.RED, wait=False) is None
    assert stock.get(Color.RED) is None
    assert stock.entry(Color.RED) is None
    assert Computed.of("stock") == 0


def test_no_stale_where_the_ttls_are_one(clock: Traveller) -> None:
    """Where stale_ttl equals ttl nothing stale exists, whoever asks for it."""
    strict()
    clock.shift(300)
    assert strict.get() is None
    assert strict.get(allow_stale=True) is None


def test_a_changed_source_is_refused_or_marked() -> None:
    """A changed entry is a miss where the statistic expires it, and stale by source where it revalidates."""
    stock(Color.RED)
    shelf(Color.RED)
    stock.invalidate(Color.RED)
    shelf.invalidate(Color.RED)
    assert stock.get(Color.RED, allow_stale=True) is None
    answer = shelf.answer(Color.RED, wait=False)
    assert answer is not None
    assert (answer.state, answer.reason) == ("stale", "source")


def test_the_proof_ages(clock: Traveller, queries: Queries) -> None:
    """A hot hit is believed for PROOF_INTERVAL; then one statement proves it again, and it is believed anew."""
    stock(Color.RED)
    clock.shift(30)
    with queries(1):
        assert stock.answer(Color.RED).state == "fresh"
    with queries(0):
        assert stock.answer(Color.RED).tier == "hot"


def test_a_lost_delivery_is_repaired_within_the_proof_interval(
    clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalidation that the cache never got is seen when the proof is PROOF_INTERVAL old, not before."""
    stock(Color.RED)
    monkeypatch.setattr(generations, "bump", lambda *_: None)
    stock.invalidate(Color.RED)
    clock.shift(14)
    assert stock.answer(Color.RED).tier == "hot"
    clock.shift(16)
    assert stock.answer(Color.RED).tier == "computed"


def test_readers_prove_early(clock: Traveller, monkeypatch: pytest.MonkeyPatch, queries: Queries) -> None:
    """The reader who draws it proves a hit before its proof is too old; the others are served without a query."""
    stock(Color.RED)
    clock.shift(29)
    monkeypatch.setattr(judging, "random", lambda: 1.0)
    with queries(0):
        stock(Color.RED)
    monkeypatch.setattr(judging, "random", lambda: 0.0)
    with queries(1):
        stock(Color.RED)
    with queries(0):
        stock(Color.RED)


def test_no_herd_meets_the_end_of_a_proof(clock: Traveller, backend: Backend) -> None:
    """Over ten proof intervals, with 20 readers each second, about one reader an interval asks the database."""
    stock(Color.RED)
    with CaptureQueriesContext(connections[backend.database]) as asked:
        for _ in range(299):
            clock.shift(1)
            for _ in range(20):
                stock(Color.RED)
    assert 10 <= len(asked) <= 30


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_an_evicted_key_is_repaired(lost: int) -> None:
    """Whether the entry or a generation is evicted, the next read is answered by the table and the one after hot."""
    stock(Color.RED)
    caches["statistics"].delete(hot_names()[lost])
    assert [stock.answer(Color.RED).tier for _ in range(2)] in (["cold", "hot"], ["hot", "hot"])
    assert Computed.of("stock") == 1


def test_missing_generations_are_not_equal() -> None:
    """An entry without tokens is not fresh when the generations are missing too: None is no token."""
    stock(Color.RED)
    stock.invalidate(Color.RED)
    caches["statistics"].delete_many(hot_names()[1:])
    assert stock.answer(Color.RED).tier == "computed"


@pytest.mark.parametrize(
    ("step", "given"),
    [(-3600, ("fresh", None)), (-31, ("fresh", None)), (-20, ("stale", "clock")), (3600, ("fresh", None))],
)
def test_a_stepped_clock_keeps_nothing_fresh(
    clock: Traveller, messages: Messages, step: int, given: tuple[str, str | None]
) -> None:
    """An entry of the future is stale by clock, or expired; the compute that replaces it is stored and believed."""
    stock(Color.RED)
    clock.shift(step)
    assert stock.answer(Color.RED)[1:3] == given
    assert messages.work() == (given[0] == "stale")
    answer = stock.answer(Color.RED)
    assert (answer.tier, answer.state, answer.age) == ("hot", "fresh", timedelta(0))
    assert Computed.of("stock") == 2


def test_an_entry_of_the_future_is_stale_by_clock(clock: Traveller) -> None:
    """What was computed before the clock stepped back is marked, and its age is not below 0."""
    stock(Color.RED)
    clock.shift(-30)
    answer = stock.answer(Color.RED, wait=False)
    assert answer is not None
    assert (answer.reason, answer.age) == ("clock", timedelta(0))


@pytest.mark.parametrize("hours", [0, 5, 150])
def test_what_is_far_ahead_is_given_to_nobody(clock: Traveller, hours: int, messages: Messages) -> None:
    """Of an entry that is further ahead than PROOF_INTERVAL nobody can tell the age: it is expired in either tier."""
    clock.shift(timedelta(days=7))
    stock(Color.RED)
    clock.shift(timedelta(days=-7, hours=hours))
    entry = stock.entry(Color.RED)
    assert entry is not None
    assert (entry.state, entry.reason, entry.expires_in) == ("expired", "clock", timedelta(0))
    assert stock.get(Color.RED) is None
    caches["statistics"].clear()
    assert stock.answer(Color.RED, wait=False) is None
    assert messages.work() == 1
    assert stock.answer(Color.RED)[1:4] == ("fresh", None, "hot")


class Slow(BaseModel):
    """A value that takes as long to decode as its ttl."""

    pots: int

    @model_validator(mode="after")
    def take_long(self) -> Self:
        """Let time pass."""
        if Slow.clock is not None:
            Slow.clock.shift(300)
        return self

    clock: ClassVar[Traveller | None] = None


def slow() -> Slow:
    """Give one."""
    return Slow(pots=1)


def test_state_and_age_are_of_one_moment(clock: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh answer is younger than its ttl, however long it took to read."""
    declared = statistic(name="tests.slow", ttl=timedelta(minutes=5))(slow)
    declared()
    monkeypatch.setattr(Slow, "clock", clock)
    answer = declared.answer()
    assert (answer.state, answer.tier, answer.age) == ("fresh", "hot", timedelta(0))


@pytest.mark.parametrize(
    "text", ["", "{}", "\x80abc", "statistic/1 a b c", 7, "statistic/1 x 1,2 0 0 nan nan nan\n{}", "x" * 100_000]
)
def test_a_foreign_hot_entry_is_a_miss_that_is_replaced(text: object) -> None:
    """Whatever stands in the hot entry's place, the answer comes from the table and the entry is replaced."""
    stock(Color.RED)
    caches["statistics"].set(hot_names()[0], text)
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "hot"]


@pytest.mark.parametrize("payload", ["", "null", "{", '{"pots": "many"}', "[1]"])
def test_a_foreign_payload_is_a_miss_that_is_replaced(payload: str) -> None:
    """Whatever stands in the row, what does not decode is computed anew and replaced."""
    stock(Color.RED)
    StatisticEntry.objects.update(payload=payload)
    caches["statistics"].clear()
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed", "hot"]


@pytest.mark.parametrize("foreign", ["text", "12.5", ""])
def test_a_foreign_generation_is_unknown(foreign: str) -> None:
    """What stands in a generation's place and is no number proves nothing, and is replaced."""
    stock(Color.RED)
    caches["statistics"].set(hot_names()[2], foreign)
    assert [stock.answer(Color.RED).tier for _ in range(2)] in (["cold", "hot"], ["hot", "hot"])
    assert type(caches["statistics"].get(hot_names()[2])) is int


def test_the_ttl_of_the_settings_is_read_at_use(clock: Traveller, conf: Callable[..., None]) -> None:
    """Where nothing is declared, a TTL changed at run time counts at once, for what is stored too."""
    total()
    clock.shift(100)
    assert total.is_fresh()
    conf(TTL=50)
    assert not total.is_fresh()
    conf(TTL=500)
    assert total.is_fresh()


def test_disabled_computes_live_and_stores_nothing(conf: Callable[..., None]) -> None:
    """ENABLED = False is the kill switch."""
    conf(ENABLED=False)
    assert [stock.answer(Color.RED).tier for _ in range(2)] == ["computed"] * 2
    assert stock.refresh(Color.RED).tier == "computed"
    assert stock.get(Color.RED) is None
    assert not StatisticEntry.objects.exists()


def test_a_value_is_made_anew_for_each_caller() -> None:
    """Two readers never share an object."""
    stock(Color.RED)
    assert stock(Color.RED) is not stock(Color.RED)


def test_one_that_fails_keeps_no_other_of_a_batch_from_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are tried; then the first exception is raised, and what was computed is there."""
    monkeypatch.setattr("tests.samples.count_stock", fail_for_red)
    with pytest.raises(ZeroDivisionError):
        stock.get_many([{"color": "red"}, {"color": "blue"}])
    assert stock.get(Color.BLUE) is not None


def fail_for_red(color: Color) -> Stock:
    """Fail for one colour."""
    if color == Color.RED:
        raise ZeroDivisionError
    return Stock(pots=1, litres=1)


def test_get_many_is_one_round_trip_and_one_statement(queries: Queries) -> None:
    """Any number of variants: what is hot costs no query, what is cold one for all, only the rest is computed."""
    wanted = [{"color": color, "doubled": doubled} for color in Color for doubled in (False, True)]
    stock(Color.RED)
    assert [answer.tier for answer in stock.get_many(wanted)] == ["hot", "computed", "computed", "computed"]
    with queries(0):
        assert {answer.tier for answer in stock.get_many(wanted)} == {"hot"}
    caches["statistics"].clear()
    with queries(2):  # the generations are gone, too: what makes them asks again
        assert {answer.tier for answer in stock.get_many(wanted)} == {"cold"}
    assert stock.get_many([]) == []


def test_the_entry_is_a_peek() -> None:
    """`entry` tells all that is known, and neither promotes nor computes."""
    stock(Color.RED)
    caches["statistics"].clear()
    for _ in range(2):
        entry = stock.entry(Color.RED)
        assert entry is not None
        assert (entry.tier, entry.state, entry.statistic) == ("cold", "fresh", "tests.stock")
        assert entry.value == Stock(pots=0, litres=0)
        assert entry.parameters == {"color": Color.RED, "doubled": False}
        assert entry.size == len('{"pots":0,"litres":0}')


def test_a_statistic_within_a_statistic_is_proved_or_computed(clock: Traveller) -> None:
    """Inside a compute nothing comes from the hot tier, and the outer value is as old as the oldest it used."""
    red = stock.answer(Color.RED)
    clock.shift(100)
    outer = nested.answer()
    assert Computed.counts == {"stock": 2, "nested": 1}
    assert outer.computed_at == red.computed_at
    entry = nested.entry()
    assert entry is not None
    assert entry.age == 100 * SECOND


def test_a_lost_delivery_never_reaches_an_outer_statistic(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compute never uses another statistic's hot value, which may be unproven."""
    stock(Color.RED)
    monkeypatch.setattr(generations, "bump", lambda *_: None)
    Paint.objects.create(color="red", litres=5)
    stock.invalidate(Color.RED)
    assert stock(Color.RED).litres == 0, "within PROOF_INTERVAL the lost delivery is not noticed"
    assert nested() == 5


def test_nothing_is_promoted_from_inside_a_transaction(backend: Backend) -> None:
    """What the database proves inside a transaction is as of its snapshot, so it is given and not promoted."""
    stock(Color.RED)
    caches["statistics"].clear()
    with transaction.atomic(using=backend.database):
        assert [stock.answer(Color.RED).tier for _ in range(2)] == ["cold", "cold"]


def test_what_is_proved_in_a_transaction_is_promoted_once_after_its_commit(
    backend: Backend, django_capture_on_commit_callbacks: Any
) -> None:
    """However often an entry is proved in a transaction, it is looked for once after the commit, and hot then."""
    stock(Color.RED)
    caches["statistics"].clear()
    captured = django_capture_on_commit_callbacks(using=backend.database, execute=True)
    with captured as callbacks, transaction.atomic(using=backend.database):
        assert [stock.answer(Color.RED).tier for _ in range(3)] == ["cold"] * 3
    assert len(callbacks) == 1
    assert stock.answer(Color.RED).tier == "hot"


def test_what_is_computed_in_a_transaction_is_stored_after_its_commit(
    backend: Backend, django_capture_on_commit_callbacks: Any
) -> None:
    """A result waits for the commit; the one that is rolled back leaves no trace."""
    with transaction.atomic(using=backend.database):
        stock(Color.RED)
        transaction.set_rollback(True, using=backend.database)
    assert not StatisticEntry.objects.exists()
    captured = django_capture_on_commit_callbacks(using=backend.database, execute=True)
    with captured, transaction.atomic(using=backend.database):
        stock(Color.RED)
        assert not StatisticEntry.objects.exists()
    assert StatisticEntry.objects.exists()
    assert stock.answer(Color.RED).tier == "hot"


@pytest.mark.parametrize("peeks", [False, True])
def test_what_the_table_proves_wins_over_a_hot_copy_of_the_same_generation(peeks: bool, clock: Traveller) -> None:
    """Among copies of one generation the row is given: what else the cache says, and says of its age, is its own."""
    stock(Color.RED)
    variant = stock.declaration.variant((Color.RED,), {})
    copy = spaces.read(stock, variant).copy
    assert copy is not None
    forged = copy._replace(payload='{"pots":666,"litres":0}', computed_at=copy.computed_at + 0.5)
    caches["statistics"].set(hot_names()[0], write_header(variant.key, forged))
    clock.shift(30)
    if peeks:
        entry = stock.entry(Color.RED)
        assert entry is not None
        assert (entry.value.pots, entry.tier) == (0, "cold")
    else:
        assert [stock.answer(Color.RED).value.pots for _ in range(2)] == [0, 0]
