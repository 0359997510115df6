"""Any sequence of writes, transactions, outages and reads, against an oracle that recomputes from scratch."""

from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from statistics_cache import invalidates
from statistics_cache.changing import byhand
from tests.conftest import BACKENDS, Backend
from tests.messages import Messages
from tests.models import Item, Order, Region
from tests.samples import amounts_by_both, amounts_by_region

COLORS = ("red", "blue")
REGIONS = ("north", "south")
COLOR, REGION = st.sampled_from(COLORS), st.sampled_from(REGIONS)
AMOUNT = st.integers(0, 9)


class Machine(RuleBasedStateMachine):
    """One database and one cache, written in every way, and read after each."""

    database = "default"

    @initialize()
    def begin(self) -> None:
        """Begin with nothing but two regions and an order in each."""
        self.end()
        regions = {name: Region.objects.create(name=name) for name in REGIONS}
        self.orders = {name: Order.objects.create(region=region) for name, region in regions.items()}

    def end(self) -> None:
        """Leave nothing behind."""
        for model in (Item, Order, Region):
            model.objects.all().delete()

    teardown = end

    def some(self, color: str, region: str) -> Any:
        """Select items."""
        return Item.objects.filter(color=color, order__region__name=region)

    @rule(color=COLOR, region=REGION, amount=AMOUNT)
    def create(self, color: str, region: str, amount: int) -> None:
        """Save a new row."""
        Item.objects.create(color=color, order=self.orders[region], amount=amount)

    @rule(color=COLOR, region=REGION, amount=AMOUNT, number=st.integers(1, 4))
    def create_in_bulk(self, color: str, region: str, amount: int, number: int) -> None:
        """Create several rows at once."""
        Item.objects.bulk_create([Item(color=color, order=self.orders[region], amount=amount) for _ in range(number)])

    @rule(color=COLOR, region=REGION, to=COLOR)
    def move(self, color: str, region: str, to: str) -> None:
        """Move one row to another colour."""
        if item := self.some(color, region).first():
            item.color = to
            item.save()

    @rule(color=COLOR, region=REGION, to=REGION)
    def update(self, color: str, region: str, to: str) -> None:
        """Move rows to another order at once."""
        self.some(color, region).update(order=self.orders[to])

    @rule(region=REGION, to=REGION)
    def move_an_order(self, region: str, to: str) -> None:
        """Move a row on the path."""
        order = self.orders[region]
        order.region = Region.objects.get(name=to)
        order.save()

    @rule(color=COLOR, region=REGION)
    def delete(self, color: str, region: str) -> None:
        """Delete rows."""
        self.some(color, region).delete()

    @rule(color=COLOR, amount=AMOUNT)
    def write_by_sql(self, color: str, amount: int) -> None:
        """Write past the ORM, and say so."""
        with invalidates(Item, color=color), connections[self.database].cursor() as cursor:
            cursor.execute("UPDATE tests_item SET amount = %s WHERE color = %s", [amount, color])

    @rule(color=COLOR, region=REGION, amount=AMOUNT, outer=st.booleans(), inner=st.booleans())
    def nest(self, color: str, region: str, amount: int, outer: bool, inner: bool) -> None:
        """Write in nested blocks, each committed or rolled back, and read in between."""
        with transaction.atomic(using=self.database):
            self.create(color, region, amount)
            with transaction.atomic(using=self.database):
                self.create(color, region, amount + 1)
                self.everything_fresh_is_true()
                transaction.set_rollback(not inner, using=self.database)
            self.everything_fresh_is_true()
            transaction.set_rollback(not outer, using=self.database)

    @rule(color=st.none() | COLOR, region=st.none() | REGION)
    def invalidate(self, color: str | None, region: str | None) -> None:
        """Invalidate by hand."""
        amounts_by_both.invalidate(color, region)

    @rule(color=st.none() | COLOR, region=st.none() | REGION, tier=st.sampled_from(("both", "hot", "cold")))
    def clear(self, color: str | None, region: str | None, tier: byhand.Tier) -> None:
        """Clear by hand."""
        amounts_by_both.clear(color, region, tier=tier)

    @rule()
    def flush(self) -> None:
        """Lose the cache."""
        caches["statistics"].clear()

    @rule(number=st.integers(0, 7))
    def evict(self, number: int) -> None:
        """Lose one key of the cache."""
        client = caches["statistics"].client.get_client()  # type: ignore[attr-defined]
        for key in sorted(client.keys("*"))[number : number + 1]:
            client.delete(key)

    @invariant()
    def everything_fresh_is_true(self) -> None:
        """What is given as fresh equals what a compute from scratch gives, of every variant.

        What revalidates may be given as stale by its source instead, and is true once the one message is worked on.
        """
        for region in REGIONS:
            answer = amounts_by_region.answer(region)
            assert (answer.state, answer.value) == ("fresh", amounts_by_region.compute(region))
            for color in COLORS:
                answer = amounts_by_both.answer(color, region)
                if answer.state == "stale":
                    assert answer.reason == "source"
                    assert Messages().work() == 1
                    answer = amounts_by_both.answer(color, region)
                assert (answer.state, answer.value) == ("fresh", amounts_by_both.compute(color, region))


@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
@pytest.mark.parametrize("backend", BACKENDS[1:], indirect=True, ids="-".join)
def test_no_sequence_makes_a_fresh_answer_wrong(backend: Backend) -> None:
    """P1, P4 and P5 for one process: whatever is done in whatever order, what is fresh is true."""
    Machine.database = backend.database
    checks = settings(max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Machine, settings=checks)
