"""What is too large or too many: refused by name, or pruned, before a server suffers."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from time_machine import Traveller

from statistics_cache import (
    ComputeFailed,
    ParameterError,
    PayloadError,
    TokenError,
    UnknownStatistic,
    statistic,
    upkeep,
)
from statistics_cache.api import registry
from statistics_cache.broker.schedule import BEAT_SCHEDULE, TICK
from statistics_cache.cold import rows as cold
from statistics_cache.conf import FOR_EVER
from statistics_cache.hot import naming
from statistics_cache.models import StatisticEntry
from statistics_cache.peeking import peek_stored
from tests.conftest import Backend
from tests.messages import Messages
from tests.models import Paint
from tests.samples import Color, Computed, Stock, stock
from tests.spaces import identity

pytestmark = [
    pytest.mark.django_db(databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]


def long_text(length: int) -> str:
    """Give a text whose JSON has two bytes more than its length."""
    Computed.note("long_text")
    return "x" * length


def test_a_payload_above_the_limit_is_an_error(conf: Any) -> None:
    """The error names statistic, size and limit; nothing is stored, and the compute counts as failed."""
    conf(MAX_PAYLOAD=100)
    text = statistic(name="tests.text", ttl=timedelta(minutes=5))(long_text)
    assert text(98) == "x" * 98
    with pytest.raises(PayloadError, match=r"tests\.text: its value has 101 bytes as JSON, more than MAX_PAYLOAD"):
        text(99)
    assert text.get(99) is None
    with pytest.raises(ComputeFailed):
        text(99)
    assert Computed.of("long_text") == 2


def test_a_value_that_is_set_is_measured_too(conf: Any) -> None:
    """`.set` refuses what a compute would."""
    conf(MAX_PAYLOAD=100)
    text = statistic(name="tests.text")(long_text)
    with pytest.raises(PayloadError, match="MAX_PAYLOAD"):
        text.set(99, result="x" * 99)
    assert StatisticEntry.objects.filter(statistic="tests.text").exclude(payload=None).count() == 0


def test_parameters_above_the_limit_are_an_error(conf: Any) -> None:
    """Whoever gives them, the error names statistic, size and limit in few words; nothing is computed or stored."""
    conf(MAX_PARAMETERS=100)
    echoed: Any = statistic(name="tests.echo")(echo)
    most, more = "x" * 90, "x" * 91  # {"text":"…"} has 11 characters more
    assert echoed("x" * 89) == echoed("ä" * 44) == 1
    ways: list[Callable[[], Any]] = [
        *(partial(verb, most) for verb in (echoed, echoed.answer, echoed.get, echoed.entry, echoed.refresh)),
        *(partial(verb, more) for verb in (echoed.refresh_later, echoed.token, echoed.invalidate, echoed.clear)),
        partial(echoed.get_many, [{"text": most}]),
        partial(echoed.set, most, result=1),
        partial(echoed.declaration.restore, json.dumps({"text": most})),
        partial(echoed, "ä" * 45),
    ]
    for way in ways:
        with pytest.raises(
            ParameterError, match=r"tests\.echo: its parameters have 1\d\d bytes as JSON.*MAX_PARAMETERS"
        ):
            way()
    assert Computed.of("echo") == StatisticEntry.objects.filter(statistic="tests.echo").count() == 2


def echo(text: str) -> int:
    """Have as many variants as there are texts."""
    Computed.note("echo")
    return 1


def test_a_message_shows_the_ends_of_long_parameters(conf: Any) -> None:
    """Errors and log lines are read by people: what a call was given is shown in part."""
    failing: Any = statistic(name="tests.failing", ttl=timedelta(minutes=5))(fail)
    with pytest.raises(ValueError, match="no"):
        failing("x" * 5_000)
    with pytest.raises(ComputeFailed, match="x…x") as error:
        failing("x" * 5_000)
    assert len(str(error.value)) < 500
    with pytest.raises(TokenError) as refusal:
        failing.set("x", result=1, token=failing.token("x" * 5_000))
    assert len(str(refusal.value)) < 500
    with pytest.raises(UnknownStatistic) as unknown:
        registry.get("x" * 5_000)
    assert len(str(unknown.value)) < 500 + sum(map(len, registry.named))


def fail(text: str) -> int:
    """Never have a value."""
    raise ValueError("no")


def test_a_hot_copy_above_the_limit_is_a_miss() -> None:
    """What somebody else has put into the cache is not even decoded."""
    stock(Color.RED)
    variant = stock.declaration.variant((Color.RED,), {})
    name = naming.hot_keys(stock.declaration, variant, naming.own_space(identity()))[0]
    text = caches["statistics"].get(name)
    assert text
    caches["statistics"].set(name, text + " " * 2_000_000)
    assert stock.answer(Color.RED).tier == "cold"
    assert stock.answer(Color.RED).tier == "hot"


def number(number: int) -> int:
    """Have as many variants as there are numbers."""
    return number


@pytest.mark.parametrize("ttl", [timedelta.max, timedelta(days=365 * 9_000)])
def test_for_ever_breaks_nothing(ttl: timedelta, conf: Any, messages: Messages) -> None:
    """A ttl, a time limit and every setting may be as long as a timedelta is: verbs, queue and tick work."""
    conf(LEASE_TTL=1e16, WAIT_TIMEOUT=ttl, TICK=1e300)
    options: dict[str, Any] = {"ttl": ttl, "stale_ttl": ttl, "time_limit": ttl, "hydrate": [{"number": 1}]}
    lasting = statistic(name="tests.lasting", **options)(number)
    assert [lasting(1), lasting.get(1), lasting.hydrate()[0].value] == [1, 1, 1]
    entry = lasting.entry(1)
    assert entry is not None
    assert entry.expires_in > timedelta(days=9_999)
    assert lasting.refresh_later(1) is True
    assert lasting.answer(2, wait=False) is None
    assert messages.work() == 2
    assert upkeep.tick([lasting.declaration]).pruned == 0
    assert BEAT_SCHEDULE[TICK]["schedule"].run_every.total_seconds() == FOR_EVER


def test_the_least_recently_computed_are_pruned(conf: Any, clock: Traveller, backend: Backend) -> None:
    """A statistic keeps MAX_ENTRIES variants; the tick prunes those computed longest ago, and no other statistic's."""
    conf(MAX_ENTRIES=5)
    numbered = statistic(name="tests.numbered")(number)
    stock(Color.RED)
    for each in range(9):
        clock.shift(1)
        numbered(each)
    numbered.refresh(0)
    declarations: list[Any] = [numbered.declaration, stock.declaration]
    pruned = 0
    for _ in declarations:  # one statistic a tick
        pruned += upkeep.tick(declarations).pruned
        clock.shift(30)
    left = StatisticEntry.objects.using(backend.database).filter(statistic="tests.numbered")
    assert pruned == 4
    assert {row.payload for row in left} == {"0", "5", "6", "7", "8"}
    assert stock.entry(Color.RED) is not None


def rows_of_numbers(computed: Sequence[float | None], **columns: Any) -> None:
    """Store a row of `tests.numbered` for each: computed so many seconds ago, or never."""
    StatisticEntry.objects.bulk_create(
        StatisticEntry(
            key=f"tests.numbered:{at}",
            schema="any",
            statistic="tests.numbered",
            params="{}",
            computed_at=None if ago is None else datetime.now(UTC) - timedelta(seconds=ago),
            **columns,
        )
        for at, ago in enumerate(computed)
    )


def left() -> list[int]:
    """Give which of the rows are left."""
    keys = StatisticEntry.objects.filter(statistic="tests.numbered").values_list("key", flat=True)
    return sorted(int(key.rpartition(":")[2]) for key in keys)


def test_exactly_what_is_beyond_is_pruned(conf: Any, clock: Traveller) -> None:
    """Of rows computed at one moment no more go than must; rows that record failures alone count, and go first."""
    conf(MAX_ENTRIES=5)
    numbered = statistic(name="tests.numbered")(number)
    rows_of_numbers([9, 9, 9, 9, 3, None, 9, 9], failures=1, retry_at=datetime.now(UTC))
    assert upkeep.tick([numbered.declaration]).pruned == 3
    assert left() == [2, 3, 4, 6, 7]
    conf(MAX_ENTRIES=1)
    assert upkeep.tick([numbered.declaration]).pruned == 4
    assert left() == [4]


def test_a_flood_of_failures_is_pruned(conf: Any, clock: Traveller) -> None:
    """However few of a statistic's rows were ever computed, it keeps MAX_ENTRIES."""
    conf(MAX_ENTRIES=5)
    numbered = statistic(name="tests.numbered")(number)
    rows_of_numbers([None] * 4_000, failures=1, retry_at=datetime.now(UTC))
    assert upkeep.tick([numbered.declaration]).pruned == 3_995
    assert left() == [3_995, 3_996, 3_997, 3_998, 3_999]


def test_who_has_more_than_a_tick_prunes_need_not_wait_its_turn(
    conf: Any, clock: Traveller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next ticks go on with that statistic until it is done, whosever turn it is."""
    conf(MAX_ENTRIES=5)
    monkeypatch.setattr(cold, "SURPLUS", 10)
    numbered = statistic(name="tests.numbered")(number)
    rows_of_numbers([5.0] * 28)
    in_turn: list[Any] = [numbered.declaration, stock.declaration, stock.declaration, stock.declaration]
    pruned = []
    for _ in range(5):
        pruned.append(upkeep.tick(in_turn).pruned)
        clock.shift(30)
    assert pruned[pruned.index(10) :][:3] == [10, 10, 3]


def test_a_row_that_was_never_filled_is_pruned(clock: Traveller) -> None:
    """A process that ended between making a row and filling it leaves nothing for good."""
    numbered = statistic(name="tests.numbered")(number)
    rows_of_numbers([None, 5.0])
    assert upkeep.tick([numbered.declaration]).pruned == 1
    assert left() == [1]


# Rows that nothing here has stored

DEEP = "[" * 50_000
ANYWHERE = [
    ("params", "{bad"),
    ("params", "5"),
    ("params", f'{{"color":{DEEP}'),
    ("costs", "5"),
    ("costs", '["a", -1, 1e300, null]'),
    ("cost", 1e300),
    ("cost", -1.0),
    ("cost", float("inf")),
    ("payload", "x"),
    ("payload", DEEP),
    ("computed_at", "9999-12-31 23:59:59"),
    ("retry_at", "9999-12-31 23:59:59"),
    ("computed_at", "0001-01-01"),
]
ON_SQLITE = [
    ("computed_at", "xx"),
    ("computed_at", "2026-99-99"),
    ("computed_at", 5),
    ("retry_at", "2026-99-99"),
    ("generation", "abc"),
    ("epoch", "abc"),
    ("failures", "abc"),
    ("payload", b"{}"),
]
ON_POSTGRES = [
    ("computed_at", "infinity"),
    ("computed_at", "-infinity"),
    ("retry_at", "infinity"),
    ("cost", float("nan")),
    ("costs", f'{{"a": {"[" * 5_000 + "]" * 5_000}}}'),
]
ODD = [
    *[(Backend("default", "locmem"), *each) for each in ANYWHERE + ON_SQLITE],
    *[(Backend("postgres", "valkey"), *each) for each in ANYWHERE + ON_POSTGRES],
]


def spoil(backend: Backend, column: str, value: Any) -> None:
    """Write a value into a column of every row, past Django, and empty the cache."""
    with connections[backend.database].cursor() as cursor:
        cursor.execute(f"UPDATE statistics_cache_statisticentry SET {column} = %s", [value])  # noqa: S608  (one of ours)
    caches["statistics"].clear()


@pytest.mark.parametrize(
    ("backend", "column", "value"), ODD, indirect=["backend"], ids=lambda each: str(each)[:20].replace("\0", "")
)
def test_an_odd_row_is_a_miss_or_harmless(backend: Backend, column: str, value: Any) -> None:
    """Whatever a column holds, no verb raises, the value is right, and what is computed then is kept."""
    Paint.objects.create(color="red", litres=3)
    stock(Color.RED)
    verbs: list[Callable[[], Any]] = [
        lambda: stock.get(Color.RED),
        lambda: stock.entry(Color.RED),
        lambda: stock.refresh_later(Color.RED),
        lambda: upkeep.tick([stock.declaration]),
        lambda: list(peek_stored(stock.declaration, {"color": '"red"'})),
        lambda: stock.invalidate(Color.RED, doubled=True),
        lambda: stock.clear(Color.RED, tier="hot"),
        stock.get_cache_info,
        lambda: stock.refresh(Color.RED),
        lambda: stock.clear(Color.RED, doubled=True),
    ]
    for verb in verbs:
        spoil(backend, column, value)
        verb()
    spoil(backend, column, value)
    assert stock.answer(Color.RED).value == Stock(pots=1, litres=3)
    assert stock.refresh(Color.RED).cost < timedelta(minutes=1)
    assert stock.answer(Color.RED).state == "fresh"


def test_a_row_above_the_limit_is_a_miss(conf: Any) -> None:
    """A payload that is too large is neither served nor written to the hot tier, but computed anew."""
    stock(Color.RED)
    conf(MAX_PAYLOAD=50)
    StatisticEntry.objects.update(payload='{"pots": 9, "litres": 9' + " " * 50 + "}")
    caches["statistics"].clear()
    assert stock.get(Color.RED) is None
    assert stock.answer(Color.RED)[:2] == (Stock(pots=0, litres=0), "fresh")


def test_a_row_remembers_only_times(backend: Backend) -> None:
    """What is no number of seconds among its costs goes at the next compute; the others stay."""
    stock(Color.RED)
    spoil(backend, "costs", '["a", -1, 1e300, 0.5, null]')
    stock.refresh(Color.RED)
    costs = StatisticEntry.objects.get().costs
    assert (len(costs), costs[0]) == (2, 0.5)
