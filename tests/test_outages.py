"""Every verb against every outage, on real servers that the tests start and hurt themselves.

A cell does the verb twice, changes a source, and does it again, all during the outage; then everything must be fresh,
right and hot again. What a verb may give meanwhile is said in `tests/outages/verbs.py`; what it may raise is what the
database itself raises where nothing can be given without it.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from statistics import median
from time import monotonic
from typing import Any, NamedTuple

import psycopg
import pytest
import redis
import time_machine
from django.core.cache import caches
from django.db import InternalError, connections
from pytest_django import Settings

from project.settings import redis_cache
from statistics_cache import ComputeFailed, judging
from statistics_cache.api import registry
from statistics_cache.breaker import Breaker
from statistics_cache.broker import queue
from statistics_cache.changing import receiving
from statistics_cache.cold import rows as cold
from statistics_cache.cold import transactions
from statistics_cache.declaring.declaration import Declaration
from statistics_cache.entry import Found
from statistics_cache.hot import asking, generations
from statistics_cache.hot import entries as hot
from tests.commanding import refuse
from tests.conftest import NOON
from tests.figures import Figure
from tests.outages import declared
from tests.outages.database import LOCK_TIMEOUT
from tests.outages.declared import declare
from tests.outages.hot_tier import GONE, MAX_PAYLOAD, keys
from tests.outages.others import HOUR
from tests.outages.proxy import HOST, Proxy, unix
from tests.outages.servers import Pair, Valkey
from tests.outages.table import ON_POSTGRES, ON_SQLITE, STRANGE, Outage
from tests.outages.verbs import VERBS, Verb, check_given
from tests.outages.world import PROOF_INTERVAL, REFUSALS, SOCKET_TIMEOUT, Done, Pauses, World, connected, slow_breakers
from tests.routers import TestRouter
from tests.samples import Color
from tests.servers import URL
from tests.spaces import identity_of
from tests.waiting import until

READS = 200  # before, during and after an outage whose reads are counted
OURS = ["statistics_cache", "tests"]
READERS = ("call", "answer", "answer at once", "get", "get_many", "is_fresh", "entry", "set", "hydrate", "show command")
THIRD = ("answer", "get", "get_many", "set", "clear", "write", "tick", "refresh command")


class Servers(NamedTuple):
    """What all tests of this module share."""

    pair: Pair
    broker: Valkey
    postgres: Proxy


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Run a cache with a replica, a broker, and a way to PostgreSQL that can be closed."""
    folder = tmp_path_factory.mktemp("outages")
    made = Servers(Pair(folder / "pair"), Valkey(folder / "broker"), Proxy(unix(postgres_socket())))
    yield made
    made.pair.stop()
    made.broker.stop()
    made.postgres.close()


def postgres_socket() -> str:
    """Name the file through which PostgreSQL is reached."""
    wanted = psycopg.conninfo.conninfo_to_dict(os.environ[URL])
    return f"{wanted['host']}/.s.PGSQL.{wanted.get('port', 5432)}"


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    """Name the database of the test."""
    return str(getattr(request, "param", "default"))


@pytest.fixture
def outage() -> Outage | None:
    """Give no outage, where a test has none of the table."""
    return None


@pytest.fixture
def world(
    database: str,
    outage: Outage | None,
    servers: Servers,
    settings: Settings,
    conf: Any,
) -> Iterator[World]:
    """Give servers that are well, one statistic, and warm entries of it."""
    settings.CACHES = settings.CACHES | {"statistics": brief(redis_cache(f"{servers.pair.url}/0"))}
    conf(MAX_PAYLOAD=MAX_PAYLOAD, PROOF_INTERVAL=PROOF_INTERVAL)
    registry.named = {}
    receiving.WATCHES.clear()
    statistic = declare(outage.on_change if outage else "expire")
    TestRouter.database = database
    pauses = Pauses()
    with (
        time_machine.travel(NOON, tick=True) as clock,
        slow_breakers(pauses),
        connected(database, **connection_settings(database, servers)),
    ):
        made = World(
            database, servers.pair, servers.broker, servers.postgres, os.environ[URL], clock, pauses, statistic
        )
        made.begin()
        yield made
    TestRouter.database = "default"
    caches["statistics"].close()


def brief(alias: dict[str, Any]) -> dict[str, Any]:
    """Let a cache's clients wait for less long."""
    timeouts = {"SOCKET_CONNECT_TIMEOUT": SOCKET_TIMEOUT, "SOCKET_TIMEOUT": SOCKET_TIMEOUT}
    return alias | {"OPTIONS": alias["OPTIONS"] | timeouts}


def connection_settings(database: str, servers: Servers) -> dict[str, Any]:
    """Let SQLite wait for less long for a lock, and PostgreSQL be reached through the proxy."""
    if database == "postgres":
        return {"HOST": HOST, "PORT": servers.postgres.port, "OPTIONS": {}, "CONN_MAX_AGE": None}
    options = connections[database].settings_dict["OPTIONS"]
    return {"OPTIONS": options | {"timeout": LOCK_TIMEOUT}}


def on(database: str) -> pytest.MarkDecorator:
    """Let a test have one database, really committed to; only our tables are emptied, which takes milliseconds."""
    return pytest.mark.django_db(transaction=True, databases=[database], available_apps=OURS)


def cells(database: str, outages: dict[str, Outage], verbs: Iterable[str], *marks: pytest.MarkDecorator) -> list[Any]:
    """Give every pair of a verb and an outage."""
    end = "-postgres" if database == "postgres" else ""
    return [
        pytest.param(
            VERBS[verb], outage, database, id=f"{verb}-{name}{end}".replace(" ", "_"), marks=[*marks, on(database)]
        )
        for name, outage in outages.items()
        for verb in verbs
    ]


TABLE = [
    *cells("default", ON_SQLITE, VERBS),
    *cells("default", STRANGE, READERS),
    *cells("postgres", ON_POSTGRES, THIRD, pytest.mark.postgres),
    *cells("postgres", STRANGE, ["answer"], pytest.mark.postgres),
]


@pytest.mark.parametrize(("verb", "outage", "database"), TABLE, indirect=["database"])
def test_table(verb: Verb, outage: Outage, world: World) -> None:
    """During an outage each verb gives what is right, or stale and marked, or the database's own error, and leaves
    alone what is out; afterwards everything is fresh and right."""
    play(verb, outage, world)


def play(verb: Verb, outage: Outage, world: World) -> None:
    """Play one cell."""
    with outage.around(world):
        with outage.hurt(world):
            judged(world, verb)
            assert asking.breaker.is_open or not outage.is_dead
            was_open = asking.breaker.is_open
            second = judged(world, verb)
            assert second.asked == 0 or not was_open, "what is out is left alone"
            change(world)
            judged(world, verb)
        recovers(world)


def judged(world: World, verb: Verb) -> Done:
    """Do a verb, and hold what comes of it against the contract."""
    done = world.do(verb.act)
    if done.error is None:
        verb.check(world, done.given)
    else:
        may_refuse = world.refuses == "reads" or (world.refuses == verb.needs == "writes")
        if not (may_refuse and verb.needs != "nothing" and isinstance(done.error, REFUSALS)):
            raise done.error
    return done


def change(world: World) -> None:
    """Write: it is committed unless the database refuses."""
    judged(world, VERBS["write"])


def recovers(world: World) -> None:
    """When an outage is over, the first reads are within the contract, and soon all is fresh, right and hot."""
    world.refuses = "nothing"
    world.recover()
    for color in Color:
        check_given(world, world.statistic.answer(color), color)
    world.work()
    for color in Color:
        answer = world.statistic.answer(color)
        assert (answer.value, answer.state) == (world.truth(color), "fresh"), answer
    world.warm()
    for color in Color:
        assert world.statistic(color) == world.truth(color)
    assert not asking.breaker.is_open
    assert not queue.breaker.is_open
    assert not asking._undelivered


# What the table does not show


@pytest.mark.parametrize("outage", [pytest.param(ON_SQLITE[name], id=name.replace(" ", "_")) for name in GONE])
@on("default")
def test_each_pause_one_read_asks_again(outage: Outage, world: World) -> None:
    """While the cache is out, a read in each pause asks it, and all are right, also of what was written meanwhile."""
    with outage.hurt(world):
        for _ in range(2):
            change(world)
            world.pauses.skip()
            asked = [judged(world, VERBS["answer"]).asked for _ in range(4)]
            assert asked[0] > 0 or outage is ON_SQLITE["cache refused"]  # nobody is there to count
            assert asked[1:] == [0, 0, 0] or not outage.is_dead
    recovers(world)


@on("default")
def test_a_full_cache_is_still_told_of_changes(world: World) -> None:
    """What a server without memory cannot move it deletes, so that no process believes what is hot."""
    before = keys(world, "generation")
    with ON_SQLITE["cache full"].hurt(world):
        change(world)
        assert not asking.breaker.is_open
        assert len(keys(world, "generation")) == len(before) - 1


@on("default")
def test_a_change_during_the_probe_is_delivered_too(world: World) -> None:
    """What is refused while another caller finds out that the cache answers is delivered when that is known."""
    asking.breaker.failed(ConnectionError())
    world.pauses.skip()
    before = values(world, "generation")

    def refused_meanwhile(_: object) -> bool:
        generations.bump(identity_of(world.statistic), {world.statistic.name: ["*"]})
        return bool(asking._undelivered)

    assert asking.ask(refused_meanwhile, default=False)
    assert not asking._undelivered
    assert values(world, "generation") != before


def values(world: World, kind: str) -> list[Any]:
    """Give what stands at the keys of one kind."""
    return [world.admin.get(key) for key in sorted(keys(world, kind))]


@on("default")
def test_the_breaker_closes_by_itself(world: World, conf: Any) -> None:
    """A pause after the cache answers again, a read finds out, in real time."""
    conf(BREAKER_PAUSE=0.1)
    asking.breaker.clock = monotonic
    with world.pair.proxy.refusing():
        judged(world, VERBS["answer"])
        assert asking.breaker.is_open
    until(lambda: judged(world, VERBS["answer"]).error is None and not asking.breaker.is_open, "it does not close")


NOTHING: dict[str, Callable[[World], object]] = {
    "answer at once": lambda world: world.statistic.answer(Color.RED, wait=False),
    "get": lambda world: world.statistic.get(Color.RED),
    "entry": lambda world: world.statistic.entry(Color.RED),
}
OUT = [
    pytest.param(ON_SQLITE["database gone"], "default", id="sqlite", marks=on("default")),
    pytest.param(ON_POSTGRES["database down"], "postgres", id="postgres", marks=[on("postgres"), pytest.mark.postgres]),
]


@pytest.mark.parametrize(("outage", "database"), OUT, indirect=["database"])
def test_with_nothing_to_give_a_call_raises_what_the_database_raises(outage: Outage, world: World) -> None:
    """With the database out and nothing in the cache, a call raises its error; what only looks finds nothing."""
    world.admin.flushall()
    with outage.hurt(world):
        for look in NOTHING.values():
            assert look(world) is None
        assert not world.statistic.is_fresh(Color.RED)
        for verb in ("call", "answer", "get_many", "refresh"):
            with pytest.raises(REFUSALS):
                VERBS[verb].act(world)
    recovers(world)


@pytest.mark.parametrize(("outage", "database"), OUT, indirect=["database"])
def test_without_the_database_what_changed_is_not_given(outage: Outage, world: World) -> None:
    """A change that another process delivered makes the hot copy unbelievable, also with the database out."""
    before = world.truth(Color.RED)
    world.write()
    world.admin.delete(*world.admin.keys("*:generation:*"))  # what is unknown is as good as moved
    with outage.hurt(world):
        assert world.statistic.get(Color.RED) is None
        assert before != world.truth(Color.RED)
    recovers(world)


@on("default")
def test_a_failure_under_a_clock_that_was_ahead_blocks_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pause after a failure is over at once when the clock is set back by an hour."""
    with monkeypatch.context() as patch:
        patch.setattr(declared, "count_stock", refuse(ZeroDivisionError()))
        world.write()
        world.clock.shift(HOUR)
        with pytest.raises(ZeroDivisionError):
            world.statistic(Color.RED)
        with pytest.raises(ComputeFailed):
            world.statistic(Color.RED)
        world.clock.shift(-HOUR)
    assert world.statistic.refresh(Color.BLUE).state == "fresh"
    assert world.statistic.answer(Color.RED).value == world.truth(Color.RED)


@on("default")
def test_a_hung_cache_is_asked_by_one_read(world: World, figure: Figure) -> None:
    """The first read asks it; no other does until the pause is over."""
    before = reads_of(world)
    with world.pair.hung():
        first, *others = reads_of(world)
        world.pauses.skip()
        later, *last = reads_of(world)
    for name, reads in (("before", before), ("first pause", [first, *others]), ("second pause", [later, *last])):
        figure("reads while the cache hangs", f"{name}: {len(reads)} reads, {percentiles(reads)}")
    assert first.asked
    assert later.asked
    assert not any(each.asked for each in [*others, *last])


def reads_of(world: World) -> list[Done]:
    """Read many times."""
    return [judged(world, VERBS["answer"]) for _ in range(READS)]


def percentiles(reads: list[Done]) -> str:
    """Give the median and the 99th percentile in milliseconds."""
    taken = sorted(each.seconds * 1000 for each in reads)
    return f"p50 {median(taken):.1f} ms, p99 {taken[int(len(taken) * 0.99)]:.1f} ms, longest {taken[-1]:.1f} ms"


# Broken versions


def without(errors: tuple[type[Exception], ...], error: type[Exception]) -> tuple[type[Exception], ...]:
    """Leave one out of a closed list."""
    return tuple(each for each in errors if each is not error)


def believe_anything(declaration: Declaration[..., Any], read: hot.Read, *_: object) -> Found[Any] | None:
    """Believe a hot copy however old its proof is."""
    is_same = read.copy is not None and read.copy.hot == read.found
    return judging.opened(declaration, read.copy, "fresh", None, read.at) if read.copy and is_same else None


def ask_connection(connection: Any) -> bool:
    """Connect to learn whether a transaction is the user's own."""
    return not connection.in_atomic_block and not connection.get_autocommit()


class Broken(NamedTuple):
    """What is replaced by what, and a cell that then fails."""

    module: Any
    name: str
    version: Any
    verb: str
    outage: str
    database: str = "default"


BROKEN = {
    "full is no outage": Broken(
        asking, "OUTAGES", without(asking.OUTAGES, redis.OutOfMemoryError), "answer", "cache full"
    ),
    "read-only is no outage": Broken(
        asking, "OUTAGES", without(asking.OUTAGES, redis.ReadOnlyError), "answer", "cache read-only"
    ),
    "a breaker that never opens": Broken(Breaker, "failed", lambda *_: None, "answer", "cache refused"),
    "nothing is delivered again": Broken(asking, "deliver_again", lambda _: None, "write", "cache hung"),
    "no proof grows old": Broken(judging, "hot_hit", believe_anything, "answer", "cache failed over"),
    "a read-only database is no outage": Broken(
        cold, "OUTAGES", without(cold.OUTAGES, InternalError), "set", "database read-only", "postgres"
    ),
    "who looks connects": Broken(transactions, "is_manual", ask_connection, "get", "database gone for long"),
}


@pytest.mark.parametrize(
    ("broken", "database"),
    [
        pytest.param(each, each.database, id=name.replace(" ", "_"), marks=on(each.database))
        for name, each in BROKEN.items()
    ],
    indirect=["database"],
)
def test_a_broken_version_is_caught(broken: Broken, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each known way to fall over makes a cell of the table fail."""
    outages = ON_POSTGRES if broken.database == "postgres" else ON_SQLITE
    monkeypatch.setattr(broken.module, broken.name, broken.version)
    with pytest.raises((AssertionError, redis.RedisError, *REFUSALS)):
        play(VERBS[broken.verb], outages[broken.outage], world)
