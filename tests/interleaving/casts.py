"""The casts: who takes part, and what lies in the tiers when they begin."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

from . import actors
from .operations import perform
from .replaying import Actor
from .searching import solo
from .world import World


class Cast(NamedTuple):
    """Actors, and the world they meet."""

    actors: list[Actor]
    world: World


def empty() -> World:
    """Give a world in which nothing is stored."""
    return World()


def warm() -> World:
    """Give a world in which both tiers hold the entry, and it is current."""
    return solo(actors.caller("before"), World())


def started() -> World:
    """Give a world in which the generations have begun, and nothing else is there."""
    return World(cache=tuple(pair for pair in warm().cache if ":generation:" in pair[0]))


def changed() -> World:
    """Give a world in which both tiers hold the entry, and change 1 was delivered since."""
    return solo(actors.writer(1), warm())


def current() -> World:
    """Give a world in which both tiers hold the entry with change 1."""
    return solo(actors.caller("again"), changed())


def replicated() -> World:
    """Give a world in which the replica has not heard of change 1 yet."""
    return solo(actors.writer(1), solo(Actor("replica", partial(perform, "replicate")), warm()))


def both() -> World:
    """Give a world in which both tiers hold two variants of the scope, and change 1 was delivered since."""
    return solo(actors.writer(1), solo(actors.caller("sibling", part=True), warm()))


def pick(*makers: Callable[[], Actor]) -> Callable[[], list[Actor]]:
    """Give a list of actors, to be made when they are needed."""
    return lambda: [make() for make in makers]


WORLDS: list[Callable[[], World]] = [started, changed, warm, both, empty]
COMPUTES: list[Callable[[], Actor]] = [actors.refresher, actors.caller]

# With whom {writer, compute, reader} play.
COMPANIONS: dict[str, Callable[[], list[Actor]]] = {
    "nobody": pick(),
    "flush": pick(actors.flush),
    "dead writer": pick(partial(actors.dead_writer, 3), actors.tick),
    "failover": pick(actors.failover),
    "fold": pick(actors.folder),
    "worker": pick(actors.worker),
    "second writer": pick(partial(actors.writer, 3)),
    "follower": pick(partial(actors.caller, "follower", process="caller")),
    "partial invalidate": pick(partial(actors.invalidator, part=False)),
    "partial invalidate of a sibling": pick(partial(actors.invalidator, part=True)),
    "clear": pick(actors.clearer),
    "clear of a sibling": pick(partial(actors.clearer, part=True)),
    "rollback": pick(actors.undoing_writer),
    "repeated command": pick(actors.repeater),
    "snapshot reader": pick(actors.snapshot_reader),
    "eviction": pick(actors.evict),
    "duplicate compute": pick(partial(actors.refresher, "second refresher")),
    "expired lease": pick(actors.steal, partial(actors.caller, "second caller")),
}

second, reader, refresher, caller = partial(actors.writer, 2), actors.reader, actors.refresher, actors.caller


def trio(compute: Callable[[], Actor], companion: str, world: Callable[[], World]) -> Callable[[], Cast]:
    """Give {writer, compute, reader} with a companion."""
    return lambda: Cast([second(), compute(), reader(), *COMPANIONS[companion]()], world())


# What is searched to the end in every run of the suite: a minute in all, so each as small as its law allows.
SMALL: dict[str, Callable[[], Cast]] = {
    "nobody": trio(caller, "nobody", changed),
    "flush": trio(refresher, "flush", changed),
    "dead writer": lambda: Cast([actors.dead_writer(), actors.tick(), refresher(), reader()], warm()),
    "failover": trio(caller, "failover", changed),
    "fold": trio(caller, "fold", changed),
    "worker": lambda: Cast([second(), actors.worker(), reader(), actors.worker("second worker")], changed()),
    "second writer": trio(refresher, "second writer", changed),
    "follower": lambda: Cast([second(), caller(), actors.caller("follower", process="caller")], changed()),
    "partial invalidate": trio(refresher, "partial invalidate", changed),
    "partial invalidate of a sibling": trio(refresher, "partial invalidate of a sibling", both),
    "clear": trio(refresher, "clear", changed),
    "clear of a sibling": trio(refresher, "clear of a sibling", both),
    "rollback": trio(caller, "rollback", changed),
    "repeated command": trio(caller, "repeated command", changed),
    "snapshot reader": trio(refresher, "snapshot reader", changed),
    "eviction": lambda: Cast([second(), actors.evict(), refresher(), reader()], warm()),
    "duplicate compute": trio(refresher, "duplicate compute", changed),
    "expired lease": lambda: Cast([second(), caller(), *COMPANIONS["expired lease"]()], warm()),
}


def everybody(random: Random) -> list[Actor]:
    """Give the trio, a second reader, and some companions."""
    found = [second(), random.choice(COMPUTES)(), reader(), reader("second reader", 2)]
    for name in random.sample(sorted(COMPANIONS), 4):
        found += COMPANIONS[name]()
    return found


def whole(random: Random) -> Cast:
    """Give a large cast in one of the worlds."""
    return Cast(everybody(random), random.choice(WORLDS)())


def before(random: Random) -> list[Actor]:
    """Give who acts alone before a large cast on a real database: nobody, one, or more."""
    acts = [actors.caller("before"), actors.writer(1), actors.caller("sibling", part=True)]
    return acts[: random.randrange(len(acts) + 1)]
