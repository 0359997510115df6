"""Rule V: scopes that lie on other rows are read after the commit, by the writer, else by readers and the tick."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connections, transaction
from time_machine import Traveller

from statistics_cache import Statistic, statistic
from statistics_cache.changing import checking
from statistics_cache.declaring.keys import EVERY_SCOPE, UNCHECKED_SCOPE
from statistics_cache.hot import entries as hot
from statistics_cache.models import StatisticEntry, StatisticInvalidation
from statistics_cache.upkeep import tick
from tests.changing.meanwhile import elsewhere
from tests.conftest import BACKENDS, NOON, Backend
from tests.models import Item, Order, Region, Slip
from tests.samples import amounts_by_region, tints
from tests.spaces import identity_of

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "postgres"]),
    pytest.mark.usefixtures("backend"),
]
ON_BOTH = pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
ON_POSTGRES = pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
REGIONS = ("north", "south", "east")


@pytest.fixture
def order(backend: Backend) -> Order:
    """Give an order in the north, with all regions read."""
    made = [Region.objects.create(name=name) for name in REGIONS]
    order = Order.objects.create(region=made[0])
    warm()
    return order


def warm() -> None:
    """Have every region fresh."""
    for region in REGIONS:
        amounts_by_region(region)


def fallen() -> set[str]:
    """Give the regions that are not fresh any more; whatever is fresh must be true."""
    gone = {region for region in REGIONS if not amounts_by_region.is_fresh(region)}
    assert_true()
    return gone


def recomputed() -> set[str]:
    """Give the regions that a reader has to compute; whatever is given must be true."""
    found = {region: amounts_by_region.answer(region) for region in REGIONS}
    assert {region: each.value for region, each in found.items()} == {
        region: amounts_by_region.compute(region) for region in REGIONS
    }
    return {region for region, each in found.items() if each.tier == "computed"}


def assert_true() -> None:
    """See that each region is answered as it is computed."""
    assert [each for each in REGIONS if amounts_by_region(each) != amounts_by_region.compute(each)] == []


def unchecked() -> Any:
    """Give the log rows of the regions that nobody has checked."""
    return StatisticInvalidation.objects.filter(scope=UNCHECKED_SCOPE, statistic=amounts_by_region.name)


def logged() -> set[str]:
    """Give the scopes of the regions that are logged."""
    return set(StatisticInvalidation.objects.filter(statistic=amounts_by_region.name).values_list("scope", flat=True))


def move(order: Order, region: str) -> None:
    """Move an order to another region, by another process."""
    Order.objects.get(pk=order.pk).save()
    mine = Order.objects.get(pk=order.pk)
    mine.region = Region.objects.get(name=region)
    mine.save()


@contextmanager
def killed(backend: Backend) -> Iterator[None]:
    """Commit a transaction, and be killed before anything that comes after it."""
    with transaction.atomic(using=backend.database):
        yield
        connections[backend.database].run_on_commit.clear()


@ON_BOTH
def test_a_row_is_in_the_region_of_its_order(order: Order) -> None:
    """What is created, moved and deleted concerns the region that its order is in, and no other."""
    item = Item.objects.create(order=order, color="red")
    assert fallen() == {"north"}
    move(order, "south")
    assert fallen() == {"north", "south"}
    item.delete()
    assert fallen() == {"south"}
    assert not unchecked().exists()


@ON_BOTH
def test_what_is_checked_later_is_as_old_as_its_write(order: Order, backend: Backend) -> None:
    """Whoever asks since when a value lacks a change is told of the write, not of the check."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    unchecked().update(created_at=NOON)
    assert checking.check_all(backend.database)
    (found,) = StatisticInvalidation.objects.filter(statistic=amounts_by_region.name)
    assert (found.scope, found.created_at) == ('region="north"', NOON)


@ON_POSTGRES
def test_an_order_that_moves_before_its_new_item_is_committed(order: Order, backend: Backend) -> None:
    """The item's writer finds the order where it was; the order's mover is committed first: both regions are true."""
    with transaction.atomic(using=backend.database):
        Item.objects.create(order=order, color="red")
        elsewhere(move, order, "south")
        elsewhere(warm)
    assert fallen() >= {"south"}
    assert amounts_by_region("south").count == 1


@ON_POSTGRES
def test_an_order_that_moves_after_its_new_item_is_committed(order: Order, backend: Backend) -> None:
    """The mover does not see the item, which is committed while the move is not: both regions are true."""
    with transaction.atomic(using=backend.database):
        move(order, "south")
        elsewhere(create, order)
        elsewhere(warm)
    assert fallen() >= {"north", "south"}
    assert amounts_by_region("south").count == 1


def create(order: Order) -> None:
    """Add an item."""
    Item.objects.create(order_id=order.pk, color="red")


@ON_POSTGRES
def test_an_item_that_is_deleted_while_its_order_moves(order: Order, backend: Backend) -> None:
    """The region where the item was when it went is true, and the one where its order was before."""
    item = Item.objects.create(order=order, color="red")
    warm()
    with transaction.atomic(using=backend.database):
        Item.objects.filter(pk=item.pk).delete()
        elsewhere(move, order, "south")
        elsewhere(warm)
    assert_true()
    assert amounts_by_region("south").count == 0


# Killed between the commit and the check


@ON_BOTH
def test_readers_check_what_a_killed_process_left(clock: Traveller, order: Order, backend: Backend) -> None:
    """Within PROOF_INTERVAL a reader finds the change, reads where it leads, and logs it for all."""
    warm()
    with killed(backend):
        Item.objects.create(order=order, color="red")
    assert unchecked().exists()
    clock.shift(31)
    assert recomputed() == {"north"}
    assert not unchecked().exists()
    assert 'region="north"' in logged()


@ON_BOTH
def test_what_a_killed_process_left_leads_to_where_it_is_now(clock: Traveller, order: Order, backend: Backend) -> None:
    """The order moved since: it is the region where it is now that falls, and its own move has told of the other."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    with killed(backend):
        move(order, "south")
    clock.shift(31)
    assert recomputed() == {"north", "south"}
    assert amounts_by_region("south").count == 1


@ON_BOTH
def test_the_tick_checks_what_a_killed_process_left(order: Order, backend: Backend) -> None:
    """Without any reader: after a tick nothing is unchecked, and what was found is folded with the rest."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    tick(())
    assert not unchecked().exists()
    tick(())
    assert logged() == set()
    hot.delete_statistic(identity_of(amounts_by_region), amounts_by_region.name)
    assert fallen() == {"north"}


@ON_BOTH
def test_what_is_unchecked_is_stored_under_no_token(clock: Traveller, order: Order, backend: Backend) -> None:
    """A value that is computed while a change is unchecked is that of the change, for the reader checks first."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    clock.shift(31)
    answer = amounts_by_region.answer("north")
    assert (answer.state, answer.value.count) == ("fresh", 1)
    assert amounts_by_region.answer("north").tier == "hot"
    assert_true()


@ON_BOTH
def test_in_a_block_what_is_unchecked_is_computed_live(clock: Traveller, order: Order, backend: Backend) -> None:
    """A snapshot may be older than the change, so nobody checks there: values are computed, and not stored."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    clock.shift(31)
    before = list(StatisticEntry.objects.order_by("pk").values())
    with transaction.atomic(using=backend.database):
        answer = amounts_by_region.answer("north")
        assert (answer.tier, answer.value.count) == ("computed", 1)
        assert amounts_by_region.answer("south").tier == "computed"
        assert unchecked().exists()
        assert list(StatisticEntry.objects.order_by("pk").values()) == before
    assert recomputed() == {"north"}


@contextmanager
def read_only(backend: Backend) -> Iterator[None]:
    """Let this connection write nothing."""
    on, off = "PRAGMA query_only = 1", "PRAGMA query_only = 0"
    if connections[backend.database].vendor == "postgresql":
        on, off = "SET default_transaction_read_only = on", "SET default_transaction_read_only = off"
    with connections[backend.database].cursor() as cursor:
        cursor.execute(on)
    try:
        yield
    finally:
        with connections[backend.database].cursor() as cursor:
            cursor.execute(off)


@ON_BOTH
def test_a_reader_that_may_not_write_computes_live(clock: Traveller, order: Order, backend: Backend) -> None:
    """On a read-only connection what is unchecked stays so: each read computes, and is right."""
    with killed(backend):
        Item.objects.create(order=order, color="red")
    clock.shift(31)
    with read_only(backend):
        for _ in range(2):
            answer = amounts_by_region.answer("north")
            assert (answer.tier, answer.value.count) == ("computed", 1)
    assert unchecked().exists()
    assert recomputed() == {"north"}


# What is not known


UNKNOWN = {
    "a watch that is not declared here": json.dumps({"shop.Gone(region=order__region)": [[1]]}),
    "no JSON": "{",
    "no mapping": "[1, 2]",
    "nothing": "",
    "NULL": None,
    "too few values": json.dumps({"tests.Item(region=order__region__name)": [[]]}),
    "too many values": json.dumps({"tests.Item(region=order__region__name)": [[1, 2]]}),
    "values of another type": json.dumps({"tests.Item(region=order__region__name)": [["a"]]}),
    "no values": json.dumps({"tests.Item(region=order__region__name)": 7}),
    "very deep": "[" * 100_000,
}


@ON_BOTH
@pytest.mark.parametrize("name", UNKNOWN)
def test_what_nobody_here_can_follow_is_every_scope(order: Order, name: str, clock: Traveller) -> None:
    """A log row that another version wrote, or that is damaged: nobody knows whom it concerns, so everybody."""
    StatisticInvalidation.objects.create(
        statistic=amounts_by_region.name, scope=UNCHECKED_SCOPE, jump=1, via=UNKNOWN[name]
    )
    clock.shift(31)
    assert fallen() == set(REGIONS)
    assert not unchecked().exists()
    assert EVERY_SCOPE in logged()


@ON_BOTH
def test_rows_of_a_statistic_that_is_not_declared_here_are_every_scope_of_it(backend: Backend) -> None:
    """The tick checks what another deployment's statistics left, too, as wide as it must be."""
    StatisticInvalidation.objects.create(statistic="shop.gone", scope=UNCHECKED_SCOPE, jump=1, via='{"a": [[1]]}')
    tick(())
    left = StatisticInvalidation.objects.filter(statistic="shop.gone")
    assert UNCHECKED_SCOPE not in left.values_list("scope", flat=True)


@ON_BOTH
@pytest.mark.parametrize(("most", "expected"), [(3, {"north"}), (2, set(REGIONS))])
def test_of_too_many_keys_every_scope_falls(
    order: Order, most: int, expected: set[str], backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One write of more rows than are read after a commit drops every scope; up to that, the regions of its orders."""
    orders = [Order.objects.create(region=order.region) for _ in range(3)]
    warm()
    monkeypatch.setattr("statistics_cache.changing.checking.MOST_KEYS", most)
    Item.objects.bulk_create([Item(order=each, color="red") for each in orders])
    assert fallen() == expected


@ON_BOTH
def test_a_scope_of_several_columns_needs_no_second_read_of_its_own(order: Order, backend: Backend) -> None:
    """What lies on the row itself is logged at once; only what lies on others is read later."""
    tints("red")
    with transaction.atomic(using=backend.database):
        Item.objects.create(order=order, color="red")
        rows = StatisticInvalidation.objects
        assert set(rows.filter(statistic=tints.name).values_list("scope", "via")) >= {('color="red"', None)}
        assert unchecked().get().via == json.dumps({"tests.Item(region=order__region__name)": [[order.pk]]}).replace(
            " ", ""
        )
    assert fallen() == {"north"}


# Rows that come after those that lead to them


def slips(region: str | None = None) -> int:
    """Count the slips of a region; of none those that lead to no region."""
    return Slip.objects.filter(order__region__name=region).count()


@pytest.fixture
def loose() -> Statistic[..., int]:
    """Declare what counts slips, which may name an order that is not there."""
    return statistic(name="tests.slips", depends_on={Slip: {"region": "order__region__name"}})(slips)


@ON_BOTH
def test_a_row_that_leads_to_none_is_in_the_scope_of_none(order: Order, loose: Statistic[..., int]) -> None:
    """Where no constraint holds it, a row may lead nowhere, now or later: it counts where it is counted."""
    missing = order.pk + 77
    for region in (None, *REGIONS):
        loose(region)
    acts: list[Callable[[], object]] = [
        lambda: Slip.objects.create(order_id=missing),
        lambda: Slip.objects.bulk_create([Slip(order_id=missing), Slip(order=None)]),
        lambda: Order.objects.create(pk=missing, region=order.region),
        lambda: Slip.objects.update(order=order),
        lambda: Slip.objects.update(order_id=missing + 1),
        lambda: [slip.delete() for slip in Slip.objects.all()[:1]],
    ]
    for act in acts:
        act()
        assert {each: loose(each) for each in (None, *REGIONS)} == {each: slips(each) for each in (None, *REGIONS)}
