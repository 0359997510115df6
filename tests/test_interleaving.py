"""Every interleaving of small casts, and random ones of large casts, keep the promise; broken versions do not."""

from collections.abc import Callable, Iterator
from itertools import count, product, takewhile
from random import Random
from time import perf_counter

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.figures import Figure
from tests.interleaving import stage
from tests.interleaving.broken import BROKEN, HARMLESS, Broken
from tests.interleaving.casts import COMPANIONS, COMPUTES, SMALL, WORLDS, Cast, before, everybody, trio, whole
from tests.interleaving.database import forget
from tests.interleaving.live import play
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
def check(tell: Tell) -> Check:
    """Give a function that searches a cast to its end, and notes what came of it."""

    def search_and_tell(name: str, cast: Cast) -> Found:
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


def test_random_schedules_of_large_casts_keep_the_promise(exhaustive: bool, tell: Tell) -> None:
    """The promise holds when many play at once; a seed gives the same cast and schedule again."""
    tell("large casts at random", at_random(exhaustive, lambda random: walk(*whole(random), random)))


@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
def test_random_schedules_on_postgresql_keep_the_promise(exhaustive: bool, tell: Tell) -> None:
    """The same where transactions of several writers overlap; a wait for a lock is the one thing no seed decides."""
    found = at_random(exhaustive, lambda random: play("postgres", before(random), everybody(random), random))
    tell("postgresql at random", found)


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
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


def test_a_schedule_is_found_again(check: Check) -> None:
    """Two searches of one cast see the same states: nothing but the schedule decides."""
    first, second = (check("twice", SMALL["failover"]()) for _ in range(2))
    assert (first.states, first.schedules) == (second.states, second.schedules)
