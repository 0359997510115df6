"""Every interleaving of small casts, and random ones of large casts, keep the promise; broken versions do not."""

from collections.abc import Callable, Iterator
from itertools import count, product, takewhile
from random import Random
from time import perf_counter

import pytest
from pytest_django import DjangoDbBlocker, Settings

from statistics_cache import reading
from statistics_cache.changing import checking
from tests.figures import Figure
from tests.interleaving import stage
from tests.interleaving.actors import SUBJECT, reader, refresher, snapshot_taker, tick, unseen_writer, writer
from tests.interleaving.broken import ANY_ORDER, BROKEN, HARMLESS, MUTANTS, RULE_V, Broken
from tests.interleaving.broken_parts import PARTS
from tests.interleaving.casts import (
    COMMITTED,
    COMPANIONS,
    COMPUTES,
    MOVING,
    MOVING_LONG,
    OLD,
    SMALL,
    WORLDS,
    Cast,
    live,
    started,
    trio,
    warm,
    whole,
)
from tests.interleaving.database import forget
from tests.interleaving.live import play
from tests.interleaving.replaying import Actor
from tests.interleaving.searching import Found, search, walk

Tell = Callable[[str, Found], None]
Check = Callable[[str, Cast], Found]

RANDOM_SECONDS = 8.0  # on each database; by hand a hundred times as long
MANY = 300_000  # states, about a GB: what is larger is searched that far, and said to be


@pytest.fixture(autouse=True)
def on_stage(monkeypatch: pytest.MonkeyPatch, settings: Settings, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Replace clocks, chance and threads; forget what was stored when it is over."""
    with django_db_blocker.unblock(), stage.set_up(monkeypatch, settings):
        yield
    forget()


@pytest.fixture
def exhaustive(request: pytest.FixtureRequest) -> bool:
    """Tell whether to search everything."""
    return bool(request.config.getoption("--exhaustive", default=False))


@pytest.fixture
def tell(figure: Figure) -> Tell:
    """Give a function that notes what came of a search."""
    return lambda name, found: figure(
        "interleavings",
        f"{name + ' (cut short)' * found.is_cut:<55} {found.states:>9,} states  {found.schedules:>19,} schedules  "
        f"{bool(found.fault):d} violations  {found.seconds:6.1f} s",
    )


@pytest.fixture
def check(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> Check:
    """Give a function that searches a cast to its end, and notes what came of it."""

    def search_and_tell(name: str, cast: Cast) -> Found:
        monkeypatch.setattr(checking, "TRIES", cast.tries)
        found = search(cast.actors, cast.world, MANY)
        tell(name, found)
        return found

    return search_and_tell


@pytest.mark.parametrize("name", COMPANIONS)
def test_every_schedule_keeps_the_promise(name: str, exhaustive: bool, check: Check) -> None:
    """P1 to P5 hold at every order of commands and statements of {writer, compute, reader} with each companion: for a
    small cast always; with `--exhaustive --timeout 0` for a refresh and for a call, from every world."""
    for title, cast in casts_of(name, exhaustive):
        found = check(title, cast)
        assert found.fault is None, str(found)
        assert exhaustive or not found.is_cut


def casts_of(name: str, exhaustive: bool) -> Iterator[tuple[str, Cast]]:
    """Give the casts with one companion, and what to call them."""
    yield name, SMALL[name]()
    for compute, world in product(COMPUTES, WORLDS) if exhaustive else ():
        yield f"{name}, {getattr(compute, '__name__', '')}, {world.__name__}", trio(compute, name, world)()


@pytest.mark.parametrize("name", OLD)
def test_what_is_only_old_keeps_the_promise(name: str, check: Check) -> None:
    """What the hot tier gives as stale by its age alone holds all that was delivered, and nothing that was cleared."""
    found = check(f"old: {name}", OLD[name]())
    assert found.fault is None, str(found)
    assert not found.is_cut


@pytest.mark.parametrize("name", COMMITTED)
def test_what_is_committed_is_never_lacking(name: str, check: Check) -> None:
    """An answer with `consistency="committed"` holds all that was committed before it was asked for, stale or not."""
    found = check(f"committed: {name}", COMMITTED[name]())
    assert found.fault is None, str(found)
    assert not found.is_cut


@pytest.mark.parametrize("name", MOVING)
def test_moved_rows_keep_the_promise(name: str, check: Check) -> None:
    """The same holds for writers of one row, and of rows on one path, through signals and statements as they are;
    transactions overlap where a path is concerned."""
    found = check(name, MOVING[name]())
    assert found.fault is None, str(found)
    assert not found.is_cut


@pytest.mark.parametrize("name", MOVING_LONG)
def test_moved_rows_keep_the_promise_by_hand(name: str, exhaustive: bool, check: Check) -> None:
    """The same for larger casts."""
    if not exhaustive:
        pytest.skip("takes minutes: --exhaustive")
    found = check(name, MOVING_LONG[name]())
    assert found.fault is None, str(found)


def test_a_token_taken_in_a_snapshot_keeps_the_promise(check: Check) -> None:
    """P1 holds for a value that was computed, and its token taken, in a transaction that looked at the database."""
    found = check("snapshot taker", Cast([writer(2), snapshot_taker(), reader()], started()))
    assert found.fault is None, str(found)


@pytest.mark.parametrize("commits", [True, False], ids=["committed", "rolled back"])
@pytest.mark.parametrize("companion", [tick, refresher], ids=lambda each: each.__name__)
def test_a_transaction_that_wrote_unseen_keeps_the_promise(
    companion: Callable[[], Actor], commits: bool, check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where triggers log, what a transaction computes from writes that nobody here has seen is given to others only
    after its commit; and to a reader who comes an interval later for certain."""
    begun = warm()
    monkeypatch.setattr(reading, "BY_TRIGGERS", {SUBJECT.declaration})
    cast = Cast([unseen_writer(commits=commits), companion(), reader(), reader("second reader")], begun)
    found = check(f"unseen writer, {companion.__name__}, {'committed' if commits else 'rolled back'}", cast)
    assert found.fault is None, str(found)
    assert not found.is_cut


def at_random(exhaustive: bool, go: Callable[[Random], Found]) -> Found:
    """Play casts and schedules of one seed after another for some seconds."""
    began, together = perf_counter(), Found()
    allowed = RANDOM_SECONDS * (100 if exhaustive else 1)
    for seed in takewhile(lambda _: perf_counter() - began < allowed, count()):
        found = go(Random(seed))
        assert found.fault is None, f"seed {seed}: {found}"
        together.states, together.schedules = together.states + found.states, together.schedules + 1
    together.seconds = perf_counter() - began
    return together


def at_random_in(cast: Cast, random: Random) -> Found:
    """Go one way at random through a cast."""
    return walk(cast.actors, cast.world, random)


def test_random_schedules_of_large_casts_keep_the_promise(exhaustive: bool, tell: Tell) -> None:
    """The promise holds when many play at once; a seed gives the same cast and schedule again."""
    tell("large casts at random", at_random(exhaustive, lambda random: at_random_in(whole(random), random)))


@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
def test_random_schedules_on_postgresql_keep_the_promise(exhaustive: bool, tell: Tell) -> None:
    """The same where transactions of several writers overlap; a wait for a lock is the one thing no seed decides."""
    found = at_random(exhaustive, lambda random: play("postgres", *live(random), random))
    tell("postgresql at random", found)


@pytest.mark.parametrize("broken", [*BROKEN, *RULE_V, *PARTS, *MUTANTS], ids=lambda broken: broken.name)
def test_a_broken_version_is_caught(broken: Broken, monkeypatch: pytest.MonkeyPatch, check: Check) -> None:
    """Each broken version of the protocol has a schedule that breaks the promise, in the way that was foreseen."""
    broken.patch(monkeypatch)
    found = check(f"broken: {broken.name}", broken.cast())
    assert found.fault is not None
    assert found.fault.startswith(broken.law), str(found)


@pytest.mark.parametrize("harmless", HARMLESS, ids=lambda harmless: harmless.name)
def test_two_statements_for_row_and_generation_break_nothing(
    harmless: Broken, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    """An entry is current where two numbers are equal; they never are again once a change was committed, so reading
    them one after the other proves that it was current in between. One statement is needed for the sum alone."""
    harmless.patch(monkeypatch)
    found = check(f"harmless: {harmless.name}", harmless.cast())
    assert found.fault is None, str(found)


@pytest.mark.parametrize("harmless", ANY_ORDER, ids=lambda harmless: harmless.name)
def test_where_proofs_wait_the_order_of_check_and_delivery_breaks_nothing(
    harmless: Broken, monkeypatch: pytest.MonkeyPatch, check: Check
) -> None:
    """What nobody believes until it is checked may be delivered before it is, and checked by whoever is left to."""
    harmless.patch(monkeypatch)
    found = check(f"harmless: {harmless.name}", harmless.cast())
    assert found.fault is None, str(found)
    assert not found.is_cut


def test_a_schedule_is_found_again(check: Check) -> None:
    """Two searches of one cast see the same states: nothing but the schedule decides."""
    first, second = (check("twice", SMALL["failover"]()) for _ in range(2))
    assert (first.states, first.schedules) == (second.states, second.schedules)
