"""A writer: plans a change in its picture, says so to the ledger, makes it, and notes it once it is committed."""

from collections.abc import Callable, Iterable
from functools import partial
from time import sleep, time

from django.db import OperationalError, connection, transaction

from statistics_cache.api import registry
from statistics_cache.conf import default_capture
from statistics_cache.triggering import installing
from tests.models import Order, Region, Tag
from tests.soak import (
    hand_paths,
    item_paths,
    plain_paths,
    relation_paths,
    shared_paths,
    strange_paths,
    untold_paths,
)
from tests.soak.declared import REGIONS, SCOPES, TARGETS, Target
from tests.soak.ledger import Ledger, State
from tests.soak.paths import PATHS, Act, Path, When
from tests.soak.picture import Desk
from tests.soak.tally import Tally
from tests.soak.verdict import Violation

SOURCES = (  # importing them fills PATHS
    *(item_paths, relation_paths, plain_paths, hand_paths, shared_paths),
    *(strange_paths, untold_paths),
)
READS = 48  # checked reads for each write: then enough entries fall, and enough are found
PAUSE = 0.001  # seconds until a writer looks again whether so many were read
# Deadlock detected, serialization failure: to be tried again, as PostgreSQL says; and MySQL of deadlocks.
DEADLOCKS = {"40P01", "40001", 1213}
ROLLED_BACK, UNDONE, OWN_READ = 0.1, 0.15, 0.2  # how often a transaction, a savepoint, and a look at one's own writes

TURN, ALONE = 10.0, 5.0  # seconds; in so many of them another program writes alone: what Django delivers would hide it
SHARED = 0.3  # of the steps in a transaction: so many that writers meet on one row

Step = tuple[Path, Act]


def prepare() -> None:
    """Make triggers, if any are declared, and what all writers refer to."""
    if default_capture() == "triggers" and (faults := installing.install("default")):
        raise SystemExit("\n".join(faults))
    for found in registry.all():
        installing.is_ready(found.declaration)  # all who are started know of it
    Region.objects.bulk_create(Region(pk=key, name=str(key)) for key in REGIONS)
    shared_paths.prepare()


def is_turn_of_others() -> bool:
    """Tell whether those who write by Django are to rest, so that nobody delivers anything."""
    return default_capture() == "triggers" and time() % TURN < ALONE


class Writer:
    """One process that writes through every path."""

    alone: tuple[When, ...] = ("any", "alone")
    together: tuple[When, ...] = ("any", "atomic")

    def __init__(self, worker: int, number: int, seed: int, ledger: Ledger, tally: Tally) -> None:
        """Begin with orders and tags of its own, and no items."""
        self.worker, self.number, self.ledger, self.tally = worker, number, ledger, tally
        self.desk = Desk(number, seed)
        self.desk.plan_shared = ledger.versions.plan
        self.states = self.desk.picture.states()
        self.make_own()

    def make_own(self) -> None:
        """Store the orders and tags."""
        Tag.objects.bulk_create(Tag(pk=key, name=str(key)) for key in self.desk.picture.tags)
        Order.objects.bulk_create(Order(pk=key, region_id=to) for key, to in self.desk.picture.orders.items())

    def run(self) -> None:
        """Write until all are stopped, once for so many reads."""
        while not self.tally.stop.value:
            if is_turn_of_others() or self.tally.total("checked") < self.tally.total("written") * READS:
                sleep(PAUSE)
            else:
                self.turn()

    def turn(self) -> None:
        """Write in one of three ways: in autocommit, in a transaction, in one that is rolled back."""
        chance = self.desk.random.random()
        if chance < ROLLED_BACK:
            self.roll_back()
        elif chance < 0.5:
            self.write([self.plan(*self.alone)], in_transaction=self.desk.random.random() < 0.2)
        else:
            self.write([self.plan(*self.together) for _ in range(self.desk.random.randint(1, 3))], in_transaction=True)

    def plan(self, *when: When) -> Step:
        """Choose a path that there is something to write to, and change the picture."""
        while True:
            chosen = [path for path in PATHS if path.when in when]
            shared = [path for path in chosen if "shared" in path.name]
            path = self.desk.random.choice(shared if shared and self.desk.random.random() < SHARED else chosen)
            if (act := path.plan(self.desk)) is not None:
                return path, act if isinstance(act, Act) else Act(act)

    def write(self, steps: list[Step], *, in_transaction: bool) -> None:
        """Commit steps, between planning them in the ledger and noting them there."""
        run = partial(self.in_transaction, self.with_undone(steps)) if in_transaction else steps[0][1].run
        states = self.desk.picture.states()
        changed = [scope for scope in SCOPES.values() if states[scope] != self.states[scope]]
        for scope in changed:
            self.ledger.plan(self.number, scope, states[scope])
        began = time()
        self.insist(run)
        self.note_shared()
        self.ledger.note(self.number, changed)
        self.states = states
        self.count(steps, began)

    def note_shared(self) -> None:
        """Note which versions of shared rows are committed and delivered."""
        self.ledger.versions.note(self.number, self.desk.touched)
        self.desk.touched.clear()

    def count(self, steps: Iterable[Step], began: float) -> None:
        """Note what was dropped by hand, and count what was written."""
        for path, act in steps:
            self.ledger.note_dropped(self.number, act.drops, began, cleared=act.clears)
            self.tally.add_path(self.worker, PATHS.index(path))
            self.tally.add(self.worker, "written")

    def with_undone(self, steps: list[Step]) -> list[Step]:
        """Put something that is rolled back to a savepoint between steps, now and then."""
        if self.desk.random.random() >= UNDONE:
            return steps
        kept = self.desk.picture.copy()
        path, act = self.plan(*self.together)
        self.desk.picture = kept
        return [*steps, (path, Act(partial(self.undo, act)))]

    def in_transaction(self, steps: list[Step]) -> None:
        """Make several steps at once; look at them now and then before they are committed."""
        with transaction.atomic():
            for _, act in steps:
                act.run()
            if self.desk.random.random() < OWN_READ:
                self.look_at_own()

    def look_at_own(self) -> None:
        """Demand that a read in a transaction holds what the transaction has written, unless it says it does not."""
        self.look_at(self.desk.random.choice(TARGETS))

    def look_at(self, target: Target) -> None:
        """Demand it of one entry."""
        answer = target.statistic.answer(**target.parameters)
        if answer.reason == "source":
            return
        shares = {share.owner: State(share.rows, share.amount, share.tags) for share in answer.value.shares}
        mine, due = shares.get(self.number, State()), self.desk.picture.states()[SCOPES[target.scope]]
        if mine != due:
            raise Violation(f"{target.statistic.name} {target.parameters} within its writer: {mine}, not {due}")

    def roll_back(self) -> None:
        """Write something that nobody may ever see."""
        kept = self.desk.picture.copy()
        _, act = self.plan(*self.together)
        self.insist(partial(self.undo, act))
        self.desk.picture = kept

    def undo(self, act: Act) -> None:
        """Do something and roll it back."""
        kept = dict(self.desk.touched)
        with transaction.atomic():
            act.run()
            transaction.set_rollback(True)
        self.desk.touched = kept
        if connection.needs_rollback:  # Django says nothing of a session that ended before the savepoint was undone
            raise OperationalError("The transaction around a savepoint that could not be undone is undone silently.")

    def insist(self, run: Callable[[], object]) -> None:
        """Try again what a deadlock ended."""
        while True:
            self.desk.touched.clear()
            try:
                run()
            except OperationalError as error:
                if DEADLOCKS.isdisjoint((getattr(error.__cause__, "sqlstate", ""), *error.args)):
                    raise
                self.tally.add(self.worker, "retries")
            else:
                return
