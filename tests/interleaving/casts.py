"""The casts: who takes part, and what lies in the tiers when they begin."""

from collections.abc import Callable, Collection
from functools import partial
from random import Random
from typing import Any, NamedTuple

from statistics_cache.api import Statistic
from tests.models import Item, Order, Paint, Region

from . import actors
from .actors import BLUE, HERE, PLACE, RED, SHELF, THERE
from .database import NAMES, Rows, contents
from .operations import perform
from .replaying import Actor
from .searching import solo
from .world import OVERLAPPING, World


class Cast(NamedTuple):
    """Actors, and the world they meet; `tries` is how often a reader checks what others have left unchecked."""

    actors: list[Actor]
    world: World
    tries: int = 3


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


SCENE = (
    f"INSERT INTO {NAMES[Region]} (id, name) VALUES ({HERE}, '{{}}'), ({THERE}, 'green')",  # noqa: S608
    f"INSERT INTO {NAMES[Order]} (id, region_id, note) VALUES ({HERE}, {HERE}, ''), ({THERE}, {THERE}, '')",  # noqa: S608
)


def rows_of(region: str = RED, *, item: bool = True, paint: str = "") -> list[str]:
    """Give the SQL of two regions, an order in each, and perhaps an item in the first; or of paint alone."""
    if paint:
        return [f"INSERT INTO {NAMES[Paint]} (id, color, litres) VALUES ({HERE}, '{paint}', 0)"]  # noqa: S608
    columns = "(id, order_id, color, amount, note)"
    an_item = f"INSERT INTO {NAMES[Item]} {columns} VALUES ({HERE}, {HERE}, 'red', 1, '')"  # noqa: S608
    return [*(sql.format(region) for sql in SCENE), *[an_item] * item]


def scene(**there: Any) -> World:
    """Give a world in which these rows are."""
    content = 0
    for sql in rows_of(**there):
        result, content = contents().run(content, sql, ())
        assert isinstance(result, Rows), result
    return World(committed=content)


def settled(asked: Statistic[..., Any], **there: Any) -> World:
    """Give a scene in which both tiers hold the entry of a statistic, and it is current."""
    return solo(actors.caller("before", asked=asked), scene(**there))


def aged() -> World:
    """Give a world in which both tiers hold the entry, older than its ttl, and the database has just proved it."""
    return solo(actors.reader("before"), solo(actors.tick(301), warm()))


def aged_twice() -> World:
    """Give a world in which the hot entry is older than its ttl and its proof is old, too."""
    return solo(actors.tick(), aged())


def flushed() -> World:
    """Give a world in which the cold tier alone holds the entry."""
    return warm()._replace(cache=())


def overlapping(actors: list[Actor]) -> list[Actor]:
    """Let transactions overlap, as on PostgreSQL."""
    return [actor._replace(mode=OVERLAPPING) for actor in actors]


def on_paint(*playing: Actor, paint: str) -> Cast:
    """Give writers of one row of paint, a compute and a reader."""
    found = [*playing, actors.refresher(asked=SHELF), actors.reader(asked=SHELF)]
    return Cast(found, settled(SHELF, paint=paint))


def on_path(*names: str, computes: bool = True, ending: str = "", item: bool = False, tries: int = 0) -> Cast:
    """Give writers of rows on one path, whose transactions overlap, a compute and a reader."""
    found = [actors.moving(names[0], ending), *map(actors.moving, names[1:])]
    found += [actors.refresher(asked=PLACE)] * computes + [actors.reader(asked=PLACE)]
    return Cast(overlapping(found), settled(PLACE, item=item), tries)


def checked() -> Cast:
    """Give a writer whose row anybody may check."""
    cast = on_path("creator")
    return cast._replace(actors=[*overlapping([actors.checker()]), *cast.actors])


def left(ending: str) -> Cast:
    """Give a writer on a path whose commit nobody hears of, and time that passes."""
    found = [actors.moving("creator", ending), actors.tick(), actors.refresher(asked=PLACE), actors.reader(asked=PLACE)]
    return Cast(found, settled(PLACE, item=False), tries=1)


# Writers of rows that stay, move or go, told by signals or by the source itself; those on a path overlap.
MOVING: dict[str, Callable[[], Cast]] = {
    "two writers on one row": lambda: on_paint(actors.painter(), actors.painter(RED), paint=RED),
    "deleter": lambda: on_paint(actors.painter(RED), actors.deleter(), paint=BLUE),
    "manual transaction": lambda: on_paint(actors.painter(ending="manual "), actors.tick(), paint=RED),
    "manual transaction on a path": partial(left, "manual "),
    "dead writer on a path": partial(left, "dead "),
    "two writers on one path": partial(on_path, "creator", "renamer"),
    "check by anybody": checked,
    "item deleted while its order moves": partial(on_path, "item deleter", "order mover", computes=False, item=True),
    "item and order move": partial(on_path, "item mover", "order mover", computes=False, item=True),
    "order goes there and back": partial(on_path, "order mover", "order mover back", computes=False, item=True),
}

# What takes a minute and more: by hand alone.
MOVING_LONG: dict[str, Callable[[], Cast]] = {
    "item and order, computed": partial(on_path, "creator", "order mover"),
    "item and order, whoever checks": partial(on_path, "creator", "order mover", tries=1),
    "order goes there and back, computed": partial(on_path, "order mover", "order mover back", item=True),
    "order goes there and back, and an item comes": partial(
        on_path, "creator", "order mover", "order mover back", computes=False
    ),
    "two hops": partial(on_path, "creator", "order mover", "renamer", computes=False),
    "item deleted, computed": partial(on_path, "item deleter", "order mover", item=True),
    "item moves, computed": partial(on_path, "item mover", "order mover", item=True),
}


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
    "clear of a part": pick(partial(actors.clearer, part=False)),
    "killed clear of a part": pick(actors.dead_clearer, actors.tick),
    "clear by age": pick(actors.age_clearer),
    "rollback": pick(actors.undoing_writer),
    "repeated command": pick(actors.repeater),
    "snapshot reader": pick(actors.snapshot_reader),
    "snapshot caller": pick(actors.snapshot_caller),
    "eviction": pick(actors.evict),
    "duplicate compute": pick(partial(actors.refresher, "second refresher")),
    "expired lease": pick(actors.steal, partial(actors.caller, "second caller")),
}

second, reader, refresher, caller = partial(actors.writer, 2), actors.reader, actors.refresher, actors.caller


def trio(compute: Callable[[], Actor], companion: str, world: Callable[[], World]) -> Callable[[], Cast]:
    """Give {writer, compute, reader} with a companion."""
    return lambda: Cast([second(), compute(), reader(), *COMPANIONS[companion]()], world())


two = (actors.reader, partial(actors.reader, "second reader"))

# Whose entry is only old: hot readers are given it as stale without a statement. Searched to the end in every run.
OLD: dict[str, Callable[[], Cast]] = {
    "writer": lambda: Cast([actors.writer(2), *(make() for make in two)], aged()),
    "clear": lambda: Cast([actors.clearer(), *(make() for make in two)], aged()),
    "clear, proof old": lambda: Cast([actors.clearer(), *(make() for make in two)], aged_twice()),
    "dead writer": lambda: Cast([actors.dead_writer(), actors.tick(), *(make() for make in two)], aged()),
    "worker": lambda: Cast([actors.writer(2), actors.worker(), actors.reader()], aged()),
    "flush": lambda: Cast([actors.clearer(), actors.flush(), actors.reader()], aged()),
    "failover": lambda: Cast([actors.writer(2), actors.failover(), actors.reader()], aged()),
}

# Who asks for what is committed, while nobody delivers it, or the cache goes back.
COMMITTED: dict[str, Callable[[], Cast]] = {
    "dead writer": lambda: Cast([actors.dead_writer(), actors.committed_reader(times=2), refresher()], warm()),
    "caller": lambda: Cast([actors.dead_writer(), actors.committed_caller(), reader()], warm()),
    "follower": lambda: Cast(
        [actors.dead_writer(), caller(), actors.committed_caller("follower", process="caller")], started()
    ),
    "failover": lambda: Cast([second(), actors.failover(), actors.committed_reader()], changed()),
    "fold": lambda: Cast([second(), actors.folder(), actors.committed_reader(times=2)], changed()),
    "worker": lambda: Cast([actors.dead_writer(), actors.worker(), actors.committed_reader()], aged()),
}

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
    "clear of a part": trio(refresher, "clear of a part", changed),
    "killed clear of a part": lambda: Cast([actors.dead_clearer(), actors.tick(), refresher(), reader()], started()),
    "clear by age": lambda: Cast([actors.age_clearer(), refresher(), reader()], warm()),
    "rollback": trio(caller, "rollback", changed),
    "repeated command": trio(caller, "repeated command", changed),
    "snapshot reader": trio(refresher, "snapshot reader", changed),
    "snapshot caller": lambda: Cast([second(), actors.snapshot_caller(), reader()], started()),
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


def movers(random: Random, moves: Collection[str]) -> list[Actor]:
    """Give some writers on one path, some of whom nobody hears of, with computes, readers and whoever checks."""
    found = [actors.moving(name, random.choice(["", "", *actors.ENDINGS])) for name in random.sample(sorted(moves), 4)]
    found += [actors.refresher(asked=PLACE), actors.caller(asked=PLACE), actors.checker(), actors.tick()]
    return [*found, actors.reader(asked=PLACE), actors.reader("second reader", 2, asked=PLACE), actors.folder()]


def painters(random: Random) -> list[Actor]:
    """Give writers of one row of paint, with a compute and readers."""
    endings = ["", *actors.ENDINGS]
    found = [actors.painter(color, random.choice(endings)) for color in (RED, BLUE)]
    found += [actors.deleter(), actors.tick(), actors.refresher(asked=SHELF), actors.folder()]
    return [*found, actors.reader(asked=SHELF), actors.reader("second reader", 2, asked=SHELF)]


def whole(random: Random) -> Cast:
    """Give a large cast in one of the worlds."""
    there = {"region": random.choice([RED, BLUE]), "item": random.random() < 0.5}
    if random.random() < 0.4:
        return Cast(overlapping(movers(random, actors.MOVES)), settled(PLACE, **there))
    if random.random() < 0.3:
        return Cast(painters(random), settled(SHELF, paint=random.choice([RED, BLUE])))
    return Cast(everybody(random), random.choice(WORLDS)())


def live(random: Random) -> tuple[list[Actor], list[Actor]]:
    """Give who acts alone on a real database, and the large cast that then plays there."""
    chance = random.random()
    if chance < 0.4:
        rows = rows_of(random.choice([RED, BLUE]), item=random.random() < 0.8)
        return [actors.arranger(rows), actors.caller("before", asked=PLACE)], movers(random, MOVES_OF_LIVE)
    if chance < 0.55:
        rows = rows_of(paint=random.choice([RED, BLUE]))
        return [actors.arranger(rows), actors.caller("before", asked=SHELF)], painters(random)
    return before(random), everybody(random)


MOVES_OF_LIVE = [*actors.MOVES, *actors.MOVES_LIVE]


def before(random: Random) -> list[Actor]:
    """Give who acts alone before a large cast on a real database: nobody, one, or more."""
    acts = [actors.caller("before"), actors.writer(1), actors.caller("sibling", part=True)]
    return acts[: random.randrange(len(acts) + 1)]
