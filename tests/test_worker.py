"""A real worker and a real beat in processes of their own, on a real broker: what readers are promised of them.

Computes are counted by what each notes in a Valkey database that nothing under test touches. Each compute counts the
pots of a colour, so 0 is the value before a pot is put there, and 1 the one after.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from time import time
from typing import NamedTuple

import pytest
import redis

from statistics_cache.broker.schedule import REFRESH
from tests.figures import Figure
from tests.waiting import PATIENCE, pass_time, until
from tests.worker.agreed import BRIEF_STALE, COLORS, WARM
from tests.worker.crew import Crewman, Seen
from tests.worker.outages import deaf, refused, stoppable
from tests.worker.servers import LEASE_TTL, QUEUE, SHORT, TICK, Site, sites

STORIES = "worker and beat"  # the heading of figures
SLOW = 1.0  # seconds that a compute lasts where something is to happen meanwhile
FOREVER = 2 * PATIENCE  # seconds that one lasts which never ends unless a test lets it
IN_SQL = 2.0  # seconds that a statement lasts: longer than its time limit, and no server works on it for long
READS = 100  # of each reader while a broker is out, in each pause
PAUSES = 2
LASTING = SHORT | {"BREAKER_PAUSE": 3600.0}  # a pause is over when a test says so
TTLS = 5  # during which what is hydrated is watched
ANSWERING = "redis answering"
BROKERS = ("redis refused", "redis deaf", "redis stopped", "amqp refused", "amqp deaf")


class Outages(NamedTuple):
    """What readers saw in each pause, by their broker; and whether anybody asked where results would be kept."""

    pauses: dict[str, list[list[Seen]]]
    asked_for_results: bool


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Site]]:
    """Run a site on PostgreSQL and one on SQLite for all tests."""
    with sites(tmp_path_factory.mktemp("sites")) as made:
        yield made


@pytest.fixture
def here(both: dict[str, Site], request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give the site on PostgreSQL."""
    yield from cleaned(both["postgres"], request)


@pytest.fixture
def small(both: dict[str, Site], request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give the site on SQLite, which any number of readers may read: PostgreSQL allows a hundred connections."""
    yield from cleaned(both["sqlite"], request)


def cleaned(site: Site, request: pytest.FixtureRequest) -> Iterator[Site]:
    """Give a site where nothing has happened yet; show what its processes said if the test fails."""
    site.clean()
    failed = request.session.testsfailed
    yield site
    if request.session.testsfailed > failed:
        print(site.logs())  # noqa: T201


def make_stale(site: Site, statistic: str) -> None:
    """Have a value computed, then change what it is computed from."""
    assert site.clerk.read(statistic, "red").value == 0
    site.clerk.do("write", color="red")


def read_together(site: Site, statistic: str, threads: int) -> list[Seen]:
    """Let so many threads of four processes each ask at the same moment."""
    readers = site.readers(4)
    for reader in readers:
        reader.begin("read_at_once", statistic=statistic, colors=["red"] * threads)
    return [Seen(*seen) for reader in readers for seen in reader.end()]


def stored(site: Site, statistic: str, color: str = "red") -> str | None:
    """Give a stored payload, past the reading code."""
    payload: str | None = site.clerk.do("row", statistic=statistic, color=color)["payload"]
    return payload


def hydrated(site: Site) -> bool:
    """Tell whether every variant that is to be hydrated is stored."""
    return all(stored(site, name, color) is not None for name in ("warm", "followed") for color in COLORS)


def latencies(seen: list[Seen]) -> tuple[float, float]:
    """Give the median and the slowest hundredth of some reads, in milliseconds."""
    seconds = sorted(1000 * each.seconds for each in seen)
    return seconds[len(seconds) // 2], seconds[len(seconds) * 99 // 100]


@pytest.mark.parametrize(
    ("statistic", "change", "reason"), [("pots", "write", "source"), ("aging", "write_unseen", "age")]
)
def test_a_stale_read_returns_at_once_and_the_value_is_new_soon(
    here: Site, statistic: str, change: str, reason: str
) -> None:
    """What is stale is given, marked, before its refresh ends; the worker computes it; then the value is new."""
    here.wait_for(here.working())
    assert here.clerk.read(statistic, "red")[:4] == ("fresh", None, "computed", 0)
    here.clerk.do(change, color="red")
    here.notebook.slowness = FOREVER
    stale = here.clerk.read_until("stale", statistic, "red")[-1]
    returned = time()
    here.notebook.slowness = 0
    assert (stale.reason, stale.value, stale.tier != "computed") == (reason, 0, True)
    until(lambda: stored(here, statistic) == "1")
    assert here.clerk.read(statistic, "red").value == 1
    by_reader, by_worker = here.notebook.of("ended")[:2]
    assert returned < by_worker.at
    assert by_reader.pid == here.clerk.popen.pid != by_worker.pid


def test_two_hundred_readers_of_one_stale_entry_cause_one_refresh(small: Site) -> None:
    """Four processes of 50 threads each: all are answered at once, one message is sent, one compute is made."""
    small.wait_for(small.working())
    make_stale(small, "pots")
    small.notebook.slowness = SLOW
    seen = read_together(small, "pots", 50)
    assert len(seen) == 200
    assert {(each.state, each.value) for each in seen} <= {("stale", 0), ("fresh", 1)}
    assert "computed" not in {each.tier for each in seen}
    until(lambda: stored(small, "pots") == "1" and small.is_idle())
    assert len(small.notebook.of("task", REFRESH)) == 1
    assert len(small.notebook.of("began", "pots")) == 2, "the first, and the refresh"
    assert small.clerk.read("pots", "red")[:4] == ("fresh", None, "hot", 1)


@pytest.mark.parametrize("broken", [False, True], ids=["as it is", "a note without the state"])
def test_a_change_during_a_refresh_is_refreshed_by_the_next_reader(here: Site, broken: bool) -> None:
    """What the worker has not seen is asked for anew, at once; a note of the entry alone would hide it for long."""
    here.wait_for(here.working())
    reader = here.crewman(BROKEN="state") if broken else here.clerk
    make_stale(here, "pots")
    here.notebook.slowness = SLOW / 2
    assert reader.read("pots", "red").value == 0
    until(lambda: len(here.notebook.of("began", "pots")) == 2)
    here.clerk.do("write", color="red")
    until(lambda: stored(here, "pots") == "1")
    assert reader.read("pots", "red")[:2] == ("stale", "source")
    refreshes = 1 if broken else 2
    until(lambda: stored(here, "pots") == str(refreshes))
    pass_time(SLOW / 2)
    assert len(here.notebook.of("task", REFRESH)) == refreshes


def test_a_killed_worker_loses_nothing(here: Site, figure: Figure) -> None:
    """After `kill -9` in mid-compute the old value is given, until the lease has ended and a new worker computes."""
    here.wait_for(worker := here.working())
    make_stale(here, "pots")
    here.notebook.slowness = FOREVER
    asked = time()
    here.clerk.read("pots", "red")
    until(lambda: len(here.notebook.of("began", "pots")) == 2)
    worker.kill()
    here.notebook.slowness = 0
    here.working()
    *stale, fresh = here.clerk.read_until("fresh", "pots", "red")
    assert {(each.state, each.value) for each in stale} == {("stale", 0)}
    assert (fresh.value, fresh.tier != "computed") == (1, True)
    _, killed, again = here.notebook.of("began", "pots")
    figure(STORIES, f"killed: refreshed {again.at - killed.at:.1f} s after the compute that was killed began")
    assert asked + LEASE_TTL <= again.at, "while the lease lasts nobody else computes"


def test_while_the_worker_is_stopped_readers_compute_once(small: Site) -> None:
    """When what is stored may be served no more, one of all who ask computes it; the worker then drops its old news."""
    small.wait_for(worker := small.working())
    make_stale(small, "brief")
    with worker.standing_still():
        assert small.clerk.read("brief", "red").state == "stale"
        queued = time()
        row = small.clerk.do("row", statistic="brief", color="red")
        until(lambda: time() > row["computed_at"] + BRIEF_STALE.total_seconds())
        small.notebook.slowness = SLOW / 2
        seen = read_together(small, "brief", 25)
        assert len(seen) == 100
        assert {each.value for each in seen} == {1}
        until(lambda: time() > queued + LEASE_TTL)
    until(lambda: small.notebook.of("dropped", "True"))
    assert len(small.notebook.of("began", "brief")) == 2, "the first, and one reader's"


def test_beat_keeps_what_is_hydrated_from_ever_being_stale(here: Site, figure: Figure) -> None:
    """While it is computed anew five times no reader of a hydrated statistic finds it stale, or computes it."""
    here.wait_for(here.working(), here.ticking())
    until(lambda: hydrated(here))
    seen: list[Seen] = []
    while min(computes_of_warm(here)) <= TTLS:
        seen += watched(here)
    stale = [each for each in seen if each.state != "fresh" or each.tier == "computed"]
    middle, slowest = latencies(seen)
    counts = f"{len(stale)} stale reads of {len(seen):,}; {sum(computes_of_warm(here))} computes"
    figure(STORIES, f"hydrated: {counts}; p50 {middle:.1f} ms, p99 {slowest:.1f} ms")
    assert stale == []


def watched(site: Site) -> list[Seen]:
    """Let two processes read what is hydrated for a while."""
    readers = [site.clerk, *site.readers(1)]
    for reader in readers:
        reader.begin("watch", statistic="warm", colors=COLORS, times=300, pause=0.005)
    return [Seen(*each) for reader in readers for each in reader.end()]


def computes_of_warm(site: Site) -> list[int]:
    """Count the computes of each colour."""
    return [len(site.notebook.of("began", "warm", color)) for color in COLORS]


def test_what_changed_becomes_current(here: Site, figure: Figure) -> None:
    """A hydrated variant follows the writes to its source, though nobody reads it."""
    here.wait_for(here.working(), here.ticking())
    until(lambda: hydrated(here))
    took = []
    for pots, total in [(1, 1), (50, 51), (1, 52)]:
        here.clerk.do("write", color="red", pots=pots)
        written = time()
        until(lambda: stored(here, "followed") == str(total))  # noqa: B023  (called before the next)
        took.append(time() - written)
    figure(STORIES, f"changed: current {', '.join(f'{seconds:.2f} s' for seconds in took)} after the last write")


def test_two_beats_and_two_workers_do_nothing_twice(here: Site, figure: Figure) -> None:
    """However many ticks there are at a time, each log row is folded once, and what is due is computed once."""
    here.wait_for(here.working(), here.hire(), here.ticking(), here.beat())
    until(lambda: hydrated(here))
    logged = 0
    for _ in range(4):
        logged += here.clerk.do("log", color="red", rows=400)
        here.clerk.do("tick", times=8)
        pass_time(TICK)
    until(lambda: here.clerk.do("folded", color="red")[1] == 0)
    until(here.is_idle)
    assert here.clerk.do("folded", color="red") == [logged, 0]
    for color in COLORS:
        began = [line.at for line in here.notebook.of("began", "warm", color)]
        figure(STORIES, f"two beats: {color} computed after {', '.join(f'{b - a:.2f} s' for a, b in pairwise(began))}")
        assert len(began) > 1
        assert not is_computed_early(here, color)


def is_computed_early(site: Site, color: str) -> bool:
    """Tell whether a colour was computed before it was due, counted from when its last compute may have begun."""
    costs = site.clerk.do("row", statistic="warm", color=color)["costs"]
    due = 0.9 * WARM.total_seconds() - 2 * TICK - max(costs)
    tasks = site.notebook.of("task", REFRESH, "worker.warm", json.dumps({"color": color}, separators=(",", ":")))
    began = site.notebook.of("began", "warm", color)
    starts = [max(task.at for task in tasks if task.pid == note.pid and task.at <= note.at) for note in began]
    return any(later.at < start + due for start, later in zip(starts, began[1:], strict=False))


def test_a_compute_past_its_time_limit_is_ended_and_recorded(here: Site) -> None:
    """The worker ends it, the entry tells of it, and the old value is given until a later try brings a new one."""
    here.wait_for(here.working())
    make_stale(here, "limited")
    here.notebook.slowness = FOREVER
    assert here.clerk.read("limited", "red").state == "stale"
    until(lambda: here.clerk.do("row", statistic="limited", color="red")["failures"])
    row = here.clerk.do("row", statistic="limited", color="red")
    assert (row["payload"], row["failures"], row["last_error"].split(":")[0]) == ("0", 1, "SoftTimeLimitExceeded")
    assert len(here.notebook.of("ended", "limited")) == 1
    here.notebook.slowness = 0
    given = here.clerk.read("limited", "red")
    assert (given.state, given.value) == ("stale", 0)
    assert here.clerk.read_until("fresh", "limited", "red")[-1].value == 1
    row = here.clerk.do("row", statistic="limited", color="red")
    assert (row["failures"], row["last_error"]) == (0, "")


def test_a_statement_past_the_time_limit_is_recorded(here: Site) -> None:
    """What the limit ends in the middle of a statement is recorded as well, though its connection is of no use."""
    here.wait_for(here.working())
    make_stale(here, "limited_in_sql")
    here.notebook.slowness = IN_SQL
    assert here.clerk.read("limited_in_sql", "red").state == "stale"
    until(lambda: here.clerk.do("row", statistic="limited_in_sql", color="red")["failures"])
    row = here.clerk.do("row", statistic="limited_in_sql", color="red")
    assert (row["payload"], row["failures"], row["last_error"].split(":")[0]) == ("0", 1, "SoftTimeLimitExceeded")


@pytest.fixture(scope="module")
def outages(both: dict[str, Site]) -> Outages:
    """Read in each pause of the breaker, each reader with a broker that is out in another way."""
    here = both["postgres"]
    here.clean()
    with ExitStack() as stack:
        stopped, answering = stack.enter_context(stoppable()), stack.enter_context(stoppable())
        nobody, silent, results = (
            stack.enter_context(refused()),
            stack.enter_context(deaf()),
            stack.enter_context(deaf()),
        )
        urls = {
            ANSWERING: answering.url,
            "redis stopped": stopped.url,
            "redis refused": f"redis://{nobody}",
            "redis deaf": f"redis://{silent.address}",
            "amqp refused": f"amqp://{nobody}//",
            "amqp deaf": f"amqp://{silent.address}//",
        }
        backend = f"redis://{results.address}"
        readers = {
            name: lasting(here, CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=backend) for name, url in urls.items()
        }
        for name, reader in readers.items():
            here.clerk.read("pots", name)
            here.clerk.do("write", color=name)
            reader.read("pots", name)
            here.clerk.do("write", color=name)
        with redis.Redis.from_url(answering.url) as client:
            assert client.llen(QUEUE) == 1
        stopped.hang()
        pauses = [read_in_a_pause(readers) for _ in range(PAUSES)]
        for reader in readers.values():
            reader.kill()
        return Outages({name: [seen[name] for seen in pauses] for name in urls}, results.was_asked())


def lasting(site: Site, **environment: str) -> Crewman:
    """Start a process whose breakers rest until a test says otherwise."""
    return site.crewman(STATISTICS_CACHE=json.dumps(LASTING), **environment)


def read_in_a_pause(readers: dict[str, Crewman]) -> dict[str, list[Seen]]:
    """Let a pause be over, and all read until the middle of the next one."""
    for name, reader in readers.items():
        reader.do("end_pause")
        reader.begin("watch", statistic="pots", colors=[name], times=READS, pause=0.005)
    return {name: [Seen(*each) for each in reader.end()] for name, reader in readers.items()}


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_that_is_out_costs_one_read_of_each_pause(outages: Outages, broker: str, figure: Figure) -> None:
    """Of all reads the first asks the broker, once; then nobody does until the pause is over."""
    pauses = outages.pauses[broker]
    assert {(each.state, each.value) for seen in pauses for each in seen} == {("stale", 0)}
    assert [[each.asked for each in seen] for seen in pauses] == [[1] + [0] * (READS - 1)] * PAUSES
    waited = ", ".join(f"{seen[0].seconds:.2f} s" for seen in pauses)
    middle, slowest = latencies([each for seen in pauses for each in seen[1:]])
    usual, usual_slowest = latencies([each for seen in outages.pauses[ANSWERING] for each in seen])
    others = f"the rest p50 {middle:.1f} ms, p99 {slowest:.1f} ms; while it answers {usual:.1f}, {usual_slowest:.1f}"
    figure("stale reads while the broker is out", f"{broker}: the first of each pause waited {waited}; {others}")


def test_a_result_backend_that_is_out_costs_nothing(outages: Outages) -> None:
    """Nobody wants the result of a refresh: where results would be kept is never asked."""
    assert not outages.asked_for_results


def test_no_reader_waits_behind_others_for_a_broker_that_hangs(here: Site, figure: Figure) -> None:
    """Thirty threads find thirty stale entries as the broker hangs: one asks it; when it is back all goes on."""
    colors = [f"color {number}" for number in range(30)]
    with stoppable() as broker, redis.Redis.from_url(broker.url) as client:
        reader = lasting(here, CELERY_BROKER_URL=broker.url)
        reader.do("read_at_once", statistic="pots", colors=colors)
        usual = read_all_stale(here, reader, colors)
        assert client.llen(QUEUE)
        broker.hang()
        hung = read_all_stale(here, reader, colors)
        broker.go_on()
        before, after = (max(each.seconds for each in seen) for seen in (usual, hung))
        figure(STORIES, f"thirty threads: the slowest read took {before:.2f} s, and as the broker hung {after:.2f} s")
        assert sum(each.asked for each in hung) == 1
        here.clerk.do("write", color=colors[0])
        until(lambda: asks_again(reader, colors[0]))


def read_all_stale(here: Site, reader: Crewman, colors: list[str]) -> list[Seen]:
    """Let every entry be stale and each be read by a thread, all at once, after a pause."""
    for color in colors:
        here.clerk.do("write", color=color)
    reader.do("end_pause")
    seen = [Seen(*each) for each in reader.do("read_at_once", statistic="pots", colors=colors)]
    assert {each.state for each in seen} == {"stale"}
    return seen


def asks_again(reader: Crewman, color: str) -> bool:
    """Tell whether, a pause later, a reader asks the broker, and the broker takes what it is asked for."""
    reader.do("end_pause")
    return bool(reader.read("pots", color).asked) and not reader.do("is_resting")
