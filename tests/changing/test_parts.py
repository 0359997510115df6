"""Clearing and invalidating a part: one log row, whatever the part holds, and nothing of it ever comes back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.core.cache import caches
from django.db import OperationalError, connections, transaction
from time_machine import Traveller

from statistics_cache import Statistic, statistic, upkeep
from statistics_cache.changing import byhand, delivering
from statistics_cache.cold import changelog, proving
from statistics_cache.cold import rows as cold
from statistics_cache.declaring.parts import parts_of
from statistics_cache.exceptions import ParameterError
from statistics_cache.hot import generations, naming
from statistics_cache.models import StatisticEntry, StatisticInvalidation, StatisticScope
from tests import spaces
from tests.conftest import Backend
from tests.counting import count
from tests.models import Paint
from tests.samples import STALE_TTL, Color, Computed, shelf, stock

pytestmark = [pytest.mark.django_db(databases=["default", "postgres"]), pytest.mark.usefixtures("backend")]
ON_COMMIT = pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
Verb = Callable[..., Any]
A_DAY = timedelta(days=1)


def size(color: str, *, part: int = 0) -> int:
    """Be many variants in few scopes."""
    Computed.note("size")
    return part


def price(amount: Decimal) -> int:
    """Have a parameter whose equal values are spelt differently."""
    return 1


def since(moment: datetime) -> int:
    """Have another."""
    return 1


def between(amounts: tuple[Decimal, Decimal]) -> int:
    """Have one that holds such values."""
    return 1


def named(text: str, *, note: str = "") -> int:
    """Have long texts."""
    return len(text)


def five(a: int = 0, b: int = 0, c: int = 0, d: int = 0, e: int = 0) -> int:
    """Have more parameters than every combination is a part of."""
    return 5


def declare(function: Callable[..., int], **options: Any) -> Statistic[..., int]:
    """Declare a statistic for one test."""
    sources = {Paint: "color"} if function is size else [Paint]
    options = {"stale_ttl": STALE_TTL, "depends_on": sources, "on_change": "revalidate"} | options
    return statistic(name=f"tests.{function.__name__}", **options)(function)


def fill(found: Statistic[..., int], number: int, backend: Backend) -> None:
    """Store so many more rows of a scope, as computes leave them."""
    declaration = found.declaration
    variants = [declaration.variant(("red",), {"part": part}) for part in range(number)]
    rows = [
        StatisticEntry(
            key=each.key,
            schema=declaration.fingerprint,
            statistic=found.name,
            scopes=cold.join_scopes(each.scopes),
            params=each.json,
            payload="1",
            computed_at=cold.time_for(datetime.now(UTC).timestamp()),
        )
        for each in variants
    ]
    StatisticEntry.objects.using(backend.database).bulk_create(rows, ignore_conflicts=True)


VERBS: dict[str, Verb] = {
    "clear one": lambda found: found.clear("red", part=7),
    "clear some of each scope": lambda found: found.clear(part=7),
    "invalidate one": lambda found: found.invalidate("red", part=7),
    "invalidate some of each scope": lambda found: found.invalidate(part=7),
}


@pytest.mark.parametrize("name", VERBS)
def test_a_part_is_one_log_row(name: str, backend: Backend) -> None:
    """However many variants there are: one log row, as many statements, and no other row is written or locked."""
    found = declare(size)
    found("red", part=7)
    counts = []
    for number in (1_000, 3_000):
        fill(found, number, backend)
        StatisticInvalidation.objects.all().delete()
        untouched = StatisticEntry.objects.exclude(key__endswith="part=7")
        before = sorted(untouched.values_list("pk", "generation", "epoch"))
        counts.append(count(connections[backend.database], lambda: VERBS[name](found)))
        assert StatisticInvalidation.objects.count() == 1
        assert sorted(untouched.values_list("pk", "generation", "epoch")) == before
        found("red", part=7)
    assert counts[0] == counts[1]


@pytest.mark.parametrize("stored", [True, False], ids=["stored", "never stored"])
@pytest.mark.parametrize("part", [{"part": 1}, {"color": "red"}, {"color": "red", "part": 1}], ids=str)
def test_a_part_that_is_cleared_does_not_come_back(part: dict[str, Any], stored: bool) -> None:
    """Neither from a token that was taken before, nor as stale: whether there was a row or not."""
    found = declare(size)
    if stored:
        found("red", part=1)
    token = found.token("red", part=1)
    found.clear(**part)
    found.set("red", part=1, result=99, token=token)
    assert found.get("red", part=1, allow_stale=True) is None
    assert found.answer("red", part=1).tier == "computed"
    assert found("red", part=1) == 1


def test_siblings_keep_what_they_have() -> None:
    """Another variant of the scope is proved, not computed; one of another scope stays hot."""
    found = declare(size)
    for color, part in product(("red", "blue"), (1, 2)):
        found(color, part=part)
    Computed.counts.clear()
    found.clear("red", part=1)
    read = spaces.read(found, found.declaration.variant(("blue",), {"part": 1}))
    assert read.copy is not None
    assert read.copy.hot == read.tokens
    assert found.is_fresh("red", part=2)
    assert Computed.of("size") == 0
    assert StatisticEntry.objects.filter(statistic=found.name).count() == 3


@ON_COMMIT
@pytest.mark.parametrize("name", ["clear one", "invalidate one"])
def test_a_change_after_it_in_the_same_transaction_is_logged(name: str, backend: Backend) -> None:
    """What moves in the hot tier for a part is not what was logged: a source that changes then counts as ever."""
    found = declare(size)
    found("red", part=1)
    with transaction.atomic(using=backend.database):
        VERBS[name](found)
        VERBS[name](found)
        Paint.objects.create(color="red")
    logged = StatisticInvalidation.objects.filter(statistic=found.name).values_list("scope", flat=True)
    assert sorted(scope[:1] for scope in logged) == sorted(["c", "~" if name == "clear one" else "="])
    assert not found.is_fresh("red", part=1)


@ON_COMMIT
def test_every_scope_and_a_part_in_one_transaction(backend: Backend) -> None:
    """A change of every scope moves no epoch: a part that is cleared after it is logged all the same."""
    found = declare(size)
    found("red", part=1)
    with transaction.atomic(using=backend.database):
        found.invalidate()
        found.clear("red", part=1)
    assert found.get("red", part=1, allow_stale=True) is None


@ON_COMMIT
def test_a_transaction_that_is_rolled_back_clears_nothing(backend: Backend) -> None:
    """Rows and copies are as they were."""
    found = declare(size)
    found("red", part=1)
    with transaction.atomic(using=backend.database):
        assert found.clear("red", part=1) == 1
        transaction.set_rollback(True, using=backend.database)
    assert found.is_fresh("red", part=1)
    assert StatisticEntry.objects.filter(statistic=found.name).exists()


EAST = timezone(timedelta(hours=2))
EQUALS: list[tuple[Callable[..., int], Any, Any, Any]] = [
    (price, Decimal("1.50"), Decimal("1.5"), Decimal(15)),
    (price, Decimal(100), Decimal("1E+2"), Decimal("1E+1")),
    (
        since,
        datetime(2026, 1, 1, 14, tzinfo=EAST),
        datetime(2026, 1, 1, 12, tzinfo=UTC),
        datetime(2026, 1, 1, tzinfo=UTC),
    ),
    (between, (Decimal("1.0"), Decimal(2)), (Decimal(1), Decimal("2.00")), (Decimal(1), Decimal(3))),
]


@pytest.mark.parametrize(("function", "one", "same", "other"), EQUALS, ids=["1.5", "100", "zone", "pair"])
@pytest.mark.parametrize("verb", ["clear", "invalidate"])
def test_equal_values_are_one_part(
    function: Callable[..., int], one: Any, same: Any, other: Any, verb: str, backend: Backend
) -> None:
    """Whichever way a value is spelt where the variant is made and where the part is named."""
    found = declare(function)
    for first, second in ((one, same), (same, one)):
        found(first)
        found(other)
        getattr(found, verb)(second)
        assert not found.is_fresh(first)
        assert found.is_fresh(other)


@pytest.mark.parametrize("tier", ["both", "cold"])
def test_rows_of_equal_values_are_found(tier: Any) -> None:
    """What is deleted are the rows of all equal values, and no others."""
    found = declare(price)
    for text in ("1.50", "1.5", "15"):
        found(Decimal(text))
    assert found.clear(Decimal("1.500"), tier=tier) == 2
    assert StatisticEntry.objects.filter(statistic=found.name).count() == 1


def test_parts_of_long_texts_are_apart() -> None:
    """A text that is longer than a scope's column, or ends in one way with another, names a part of its own."""
    found = declare(named)
    texts = ["x" * 5_000 + end for end in "ab"]
    for text in texts:
        found(text, note="n")
    found.clear(texts[0])
    assert [found.is_fresh(text, note="n") for text in texts] == [False, True]
    found.invalidate(texts[1], note="n")
    assert not found.is_fresh(texts[1], note="n")


def test_of_many_parameters_some_combinations_are_parts() -> None:
    """Each, each two, those of a scope and all; another is refused with those that there are."""
    found = declare(five, depends_on={Paint: {"a": "color", "b": "litres", "c": "pk"}})
    parts: tuple[dict[str, Any], ...] = (
        {"e": 1},
        {"d": 1, "e": 1},
        {"c": 1, "a": 1, "b": 1},
        dict.fromkeys("abcde", 1),
    )
    for part in parts:
        whole = dict.fromkeys("abcde", 1)
        found(**whole)
        found.clear(**part)
        assert found.get(**whole, allow_stale=True) is None
        found(**whole)
        found.invalidate(**part)
        assert not found.is_fresh(**whole)
    message = r"^tests.five: c, d, e together name no part of it. Name one .* \(a, b, c\), or all 5: a, b, c, d, e\.$"
    for refused in (found.clear, found.invalidate):
        with pytest.raises(ParameterError, match=message):
            refused(c=1, d=1, e=1)
    assert found.clear(c=1, d=1, e=1, tier="cold") == 1


def test_there_are_few_parts_of_many_parameters() -> None:
    """Every combination of up to four; beyond, as many as there are pairs."""
    assert [len(parts_of("abcdefghij"[:number], [])) for number in range(7)] == [0, 1, 3, 7, 15, 16, 22]


def test_very_many_variants_are_proved_together(backend: Backend) -> None:
    """However many scopes they belong to: as many at once as a statement takes arguments, on SQLite 32,766."""
    found = declare(five).declaration
    pairs = [(found, found.variant((), dict.fromkeys("abcde", at))) for at in range(cold.READ_AT_ONCE)]
    batches = list(proving.batches(pairs))
    assert [pair for some in batches for pair in some] == pairs
    assert max(2 * sum(len(changelog.all_scopes(variant)) for _, variant in some) for some in batches) < 32_000
    assert len(proving.prove_on(backend.database, pairs, payloads=False)) == cold.READ_AT_ONCE


def test_another_schema_is_cleared_too() -> None:
    """Old and new code clear each other's: a filter scope knows no schema."""
    old = declare(size, version=1)
    new = Statistic(replace(old.declaration, version=2))
    old("red", part=1)
    new("red", part=1)
    new.clear("red", part=1)
    assert old.get("red", part=1, allow_stale=True) is None
    assert not StatisticEntry.objects.filter(statistic=old.name).exists()


# By age


def clear_older(found: Statistic[..., Any], seconds: float, **part: Any) -> int:
    """Clear what was computed so long ago."""
    return byhand.clear(found.declaration, found.declaration.some((), part), "both", timedelta(seconds=seconds))


def test_what_is_old_is_cleared_wherever_it_is(clock: Traveller) -> None:
    """A row, a hot copy, a token: computed before, it is gone; computed since, it stays. Nothing is logged."""
    found = declare(size)
    found("red", part=1)
    token = found.token("red", part=2)
    clock.shift(100)
    found("red", part=3)
    StatisticInvalidation.objects.all().delete()
    assert clear_older(found, 50) == 1
    found.set("red", part=2, result=99, token=token)
    assert [found.get("red", part=part, allow_stale=True) for part in (1, 2, 3)] == [None, None, 3]
    assert not StatisticInvalidation.objects.exists()
    assert found("red", part=2) == 2


def test_the_later_moment_stays(clock: Traveller) -> None:
    """What was cleared by one moment does not come back by an earlier one."""
    found = declare(size)
    found("red", part=1)
    clock.shift(100)
    StatisticEntry.objects.filter(statistic=found.name).update(statistic="tests.hidden")
    clear_older(found, 50)
    clear_older(found, 500)
    StatisticEntry.objects.filter(statistic="tests.hidden").update(statistic=found.name)
    assert found.get("red", part=1, allow_stale=True) is None


def test_a_part_is_cleared_by_age(clock: Traveller) -> None:
    """Other variants of the same age stay fresh."""
    found = declare(size)
    for part in (1, 2):
        found("red", part=part)
    clock.shift(100)
    assert clear_older(found, 50, part=1) == 1
    assert [found.is_fresh("red", part=part) for part in (1, 2)] == [False, True]


def test_a_moment_that_no_database_holds_clears_nothing() -> None:
    """An odd one in the table is none."""
    stock(Color.RED)
    StatisticScope.objects.create(statistic=stock.name, scope="", before=None)
    with connections[cold.alias_of(stock.declaration)].cursor() as cursor:
        infinity = "infinity" if cursor.db.vendor == "postgresql" else "x"
        cursor.execute("UPDATE statistics_cache_statisticscope SET before = %s", [infinity])
    assert stock.is_fresh(Color.RED)


# Rows that are left, and sums


def test_what_was_not_deleted_at_once_the_tick_deletes(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are many rows, a clearing looks at some; meanwhile nobody is given what is left."""
    monkeypatch.setattr(cold, "READ_AT_ONCE", 3)
    found = declare(size)
    variants = [{"color": color, "part": part} for color, part in product(("red", "blue"), range(6))]
    for each in variants:
        found(**each)
    assert byhand.clear(found.declaration, found.declaration.some(("red",), {}), most=2) == 2
    assert [found.get(**each, allow_stale=True) is None for each in variants] == [True] * 6 + [False] * 6
    assert StatisticEntry.objects.filter(statistic=found.name).count() == 10
    found("red", part=5)
    assert upkeep.tick([found.declaration]).pruned == 3
    assert StatisticEntry.objects.filter(statistic=found.name).count() == 7
    assert found.answer("red", part=5).tier == "hot"


def test_a_sweep_goes_on_where_it_ended(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """One tick looks at so many rows, the next ones at the others."""
    monkeypatch.setattr(cold, "READ_AT_ONCE", 1)
    monkeypatch.setattr("statistics_cache.cold.sweeping.BATCHES", 2)
    found = declare(size)
    for part in range(5):
        found("red", part=part)
    byhand.clear(found.declaration, {}, most=0)
    assert [upkeep.tick([found.declaration]).pruned for _ in range(4)] == [2, 2, 1, 0]


def test_sums_of_parts_are_pruned_when_nothing_is_left_from_before(clock: Traveller, backend: Backend) -> None:
    """A day after the longest stale_ttl, not while it moves again; an ordinary scope's sum stays for good."""
    found = declare(size)
    found.clear("red", part=1)
    found.invalidate("red", part=1)
    found.invalidate("red")
    upkeep.tick([found.declaration])
    StatisticScope.objects.update(changed_at=cold.time_for(datetime.now(UTC).timestamp()))  # by this clock
    clock.shift(STALE_TTL + A_DAY)
    upkeep.tick([found.declaration])
    assert StatisticScope.objects.count() == 3
    clock.shift(1)
    found.clear("red", part=1)
    changelog.prune_parts(backend.database, found.name, cold.time_for((datetime.now(UTC) - A_DAY).timestamp()))
    assert sorted(StatisticScope.objects.values_list("scope", flat=True)) == ['color="red"', '~color="red",part=1']


def test_a_moment_is_pruned_as_a_sum_is(clock: Traveller, backend: Backend) -> None:
    """It is kept until nothing is left from before it; that of everything for good."""
    found = declare(size)
    clear_older(found, 1, part=1)
    clear_older(found, 1)
    clock.shift(STALE_TTL + A_DAY - timedelta(seconds=1))
    upkeep.tick([found.declaration])
    assert StatisticScope.objects.count() == 2
    clock.shift(1)
    upkeep.tick([found.declaration])
    assert StatisticScope.objects.get().scope == ""


def test_a_part_without_a_sum_is_of_its_old_epoch_again(clock: Traveller) -> None:
    """What was computed since a part was cleared is a miss once its sum is pruned, and nothing worse."""
    found = declare(size)
    found.clear("red", part=1)
    found("red", part=1)
    StatisticInvalidation.objects.all().delete()
    caches["statistics"].clear()
    assert found.get("red", part=1, allow_stale=True) is None
    assert found("red", part=1) == 1


@ON_COMMIT
def test_who_is_killed_after_the_commit_has_told_the_hot_tier(
    monkeypatch: pytest.MonkeyPatch, clock: Traveller
) -> None:
    """What is cleared is not given while the database is out either, though its delivery was lost."""
    shelf(Color.RED)
    with monkeypatch.context() as killed:
        killed.setattr(delivering, "bump", lambda *_: None)
        shelf.clear(Color.RED)

    def fail(*_: object) -> None:
        raise OperationalError("out")

    clock.shift(120)
    monkeypatch.setattr(proving, "prove_on", fail)
    assert shelf.get(Color.RED, allow_stale=True) is None


@ON_COMMIT
def test_the_tick_delivers_what_was_cleared_once_more(monkeypatch: pytest.MonkeyPatch, clock: Traveller) -> None:
    """Who cleared may have ended while the hot tier was out."""
    shelf(Color.RED)
    with monkeypatch.context() as ended:
        ended.setattr(generations, "bump", lambda *_: None)
        shelf.clear(Color.RED)
    upkeep.tick([shelf.declaration])
    variant = shelf.declaration.variant((Color.RED,), {})
    read = spaces.read(shelf, variant)
    assert read.copy is not None
    assert read.copy.hot != read.tokens


def test_the_keys_that_a_hot_read_asks_for_do_not_grow() -> None:
    """One entry, the generation of every scope, and one of each shape."""
    found = declare(size)
    assert len(naming.hot_keys(found.declaration, found.declaration.variant(("red",), {}), "statistics")) == 3
