"""A real worker and a real beat in processes of their own, on a real broker: what readers are promised of them.

Computes are counted by what each notes in a Valkey database that nothing under test touches. Each compute counts the
pots of a colour, so 0 is the value before a pot is put there, and 1 the one after.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from time import time

import pytest
import redis

from statistics_cache.broker.schedule import REFRESH
from tests.figures import Figure
from tests.waiting import pass_time, until
from tests.worker.agreed import BRIEF_STALE, COLORS, TIME_LIMIT, WARM
from tests.worker.crew import Crewman, Seen
from tests.worker.outages import deaf, refused, stoppable
from tests.worker.servers import BREAKER_PAUSE, LEASE_TTL, QUEUE, TICK, Site, sites

STORIES = "worker and beat"  # the heading of figures
SLOW = 1.0  # seconds that a compute lasts where something is to happen meanwhile
FOREVER = 60.0  # seconds that one lasts which never ends
IN_SQL = 2.0  # seconds that a statement lasts: longer than its time limit, and no server works on it for long
OUTAGE = 2.5  # seconds that readers read while a broker is out
NOTICED = 0.4  # seconds above which a read has waited for a broker: its timeout is 0.5
ANSWERING = "redis answering"
BROKERS = ("redis refused", "redis deaf", "redis stopped", "amqp refused", "amqp deaf")


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
    here.notebook.slowness = SLOW
    stale = here.clerk.read_until("stale", statistic, "red")[-1]
    returned = time()
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
    here.clerk.read("pots", "red")
    until(lambda: len(here.notebook.of("began", "pots")) == 2)
    worker.kill()
    here.notebook.slowness = 0
    here.working()
    *stale, fresh = here.clerk.read_until("fresh", "pots", "red")
    assert {(each.state, each.value) for each in stale} == {("stale", 0)}
    assert (fresh.value, fresh.tier != "computed") == (1, True)
    (_, killed, again), ready = here.notebook.of("began", "pots"), here.notebook.of("ready")[-1]
    figure(STORIES, f"killed: refreshed {again.at - killed.at:.1f} s after the compute that was killed began")
    assert killed.at + LEASE_TTL <= again.at < max(killed.at + LEASE_TTL, ready.at) + LEASE_TTL


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
    """For 5 ttls no reader of a hydrated statistic finds it stale, or computes it."""
    here.wait_for(here.working(), here.ticking())
    until(lambda: hydrated(here))
    seconds = 5 * WARM.total_seconds()
    readers = [here.clerk, *here.readers(1)]
    for reader in readers:
        reader.begin("watch", statistic="warm", colors=COLORS, seconds=seconds, pause=0.005)
    seen = [Seen(*each) for reader in readers for each in reader.end()]
    stale = [each for each in seen if each.state != "fresh" or each.tier == "computed"]
    computes = len(here.notebook.of("began", "warm"))
    middle, slowest = latencies(seen)
    counts = f"{len(stale)} stale reads of {len(seen):,} in {seconds:g} s; {computes} computes"
    figure(STORIES, f"hydrated: {counts}; p50 {middle:.1f} ms, p99 {slowest:.1f} ms")
    assert stale == []
    assert len(seen) > 1000
    assert computes >= 5 * len(COLORS), "what was read was never computed again"


def test_what_changed_is_current_within_two_ticks(here: Site, figure: Figure) -> None:
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
    assert max(took) < 2 * TICK


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
        apart = [later - earlier for earlier, later in pairwise(began)]
        figure(STORIES, f"two beats: {color} computed after {', '.join(f'{seconds:.2f} s' for seconds in apart)}")
        assert apart
        assert min(apart) > 0.9 * WARM.total_seconds() - 2 * TICK - 0.2, "it was not due yet"


def test_a_compute_past_its_time_limit_is_ended_and_recorded(here: Site) -> None:
    """The worker ends it, the entry tells of it, and the old value is given until a later try brings a new one."""
    here.wait_for(here.working())
    make_stale(here, "limited")
    here.notebook.slowness = FOREVER
    assert here.clerk.read("limited", "red").state == "stale"
    until(lambda: here.clerk.do("row", statistic="limited", color="red")["failures"])
    ended = time() - here.notebook.of("began", "limited")[-1].at
    row = here.clerk.do("row", statistic="limited", color="red")
    assert (row["payload"], row["failures"], row["last_error"].split(":")[0]) == ("0", 1, "SoftTimeLimitExceeded")
    assert ended < TIME_LIMIT.total_seconds() + 5
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
def outages(both: dict[str, Site]) -> dict[str, list[Seen]]:
    """Give what readers saw, each with a broker that is out in another way, and all with a result backend that is."""
    here = both["postgres"]
    here.clean()
    with ExitStack() as stack:
        stopped, answering = stack.enter_context(stoppable()), stack.enter_context(stoppable())
        nobody, silent = stack.enter_context(refused()), stack.enter_context(deaf())
        urls = {
            ANSWERING: answering.url,
            "redis stopped": stopped.url,
            "redis refused": f"redis://{nobody}",
            "redis deaf": f"redis://{silent}",
            "amqp refused": f"amqp://{nobody}//",
            "amqp deaf": f"amqp://{silent}//",
        }
        results = f"redis://{silent}"
        readers = {
            name: here.crewman(CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=results) for name, url in urls.items()
        }
        for name, reader in readers.items():
            here.clerk.read("pots", name)
            here.clerk.do("write", color=name)
            reader.read("pots", name)
            here.clerk.do("write", color=name)
        with redis.Redis.from_url(answering.url) as client:
            assert client.llen(QUEUE) == 1
        stopped.hang()
        for name, reader in readers.items():
            reader.begin("watch", statistic="pots", colors=[name], seconds=OUTAGE, pause=0.005)
        seen = {name: [Seen(*each) for each in reader.end()] for name, reader in readers.items()}
        for reader in readers.values():
            reader.kill()
        return seen


@pytest.mark.parametrize("broker", BROKERS)
def test_a_broker_that_is_out_costs_one_read_of_each_pause(
    outages: dict[str, list[Seen]], broker: str, figure: Figure
) -> None:
    """Of all reads one waits, for less than a second; then nobody asks the broker until the pause is over."""
    seen = outages[broker]
    slow = [each.seconds for each in seen if each.seconds > NOTICED]
    rest = [each for each in seen if each.seconds <= NOTICED]
    assert {(each.state, each.value) for each in seen} == {("stale", 0)}
    assert len(slow) <= OUTAGE / (NOTICED + BREAKER_PAUSE) + 1
    assert max(slow, default=0) < 1
    assert bool(slow) == ("refused" not in broker), "a broker that does not answer is noticed by who waits for it"
    usual, usual_slowest = latencies(outages[ANSWERING])
    middle, slowest = latencies(rest)
    waited = f"{len(seen)} reads, {len(slow)} waited ({', '.join(f'{each:.2f} s' for each in slow)})"
    others = f"the rest p50 {middle:.1f} ms, p99 {slowest:.1f} ms; while it answers {usual:.1f}, {usual_slowest:.1f}"
    figure("stale reads while the broker is out", f"{broker}: {waited}; {others}")
    assert middle < 2 * usual + 2
    assert slowest < 1000 * NOTICED / 2


def test_a_result_backend_that_is_out_costs_nothing(outages: dict[str, list[Seen]]) -> None:
    """Nobody wants the result of a refresh: where results would be kept is never asked."""
    assert max(each.seconds for each in outages[ANSWERING]) < NOTICED


def test_no_reader_waits_behind_others_for_a_broker_that_hangs(here: Site) -> None:
    """Thirty threads find thirty stale entries as the broker hangs: each waits less than a second; then all goes on."""
    colors = [f"color {number}" for number in range(30)]
    with stoppable() as broker, redis.Redis.from_url(broker.url) as client:
        reader = here.crewman(CELERY_BROKER_URL=broker.url)
        reader.do("read_at_once", statistic="pots", colors=colors)
        usual = slowest_of_stale(here, reader, colors)
        assert client.llen(QUEUE)
        broker.hang()
        slowest = slowest_of_stale(here, reader, colors)
        broker.go_on()
        print(f"the slowest read took {usual:.2f} s, and as the broker hung {slowest:.2f} s")  # noqa: T201
        assert NOTICED < slowest < 1 + usual
        queued = client.llen(QUEUE)
        here.clerk.do("write", color=colors[0])
        until(lambda: reader.read("pots", colors[0]) and client.llen(QUEUE) > queued)


def slowest_of_stale(here: Site, reader: Crewman, colors: list[str]) -> float:
    """Let every entry be stale and each be read by a thread, all at once; give the seconds that the slowest took."""
    for color in colors:
        here.clerk.do("write", color=color)
    seen = [Seen(*each) for each in reader.do("read_at_once", statistic="pots", colors=colors)]
    assert {each.state for each in seen} == {"stale"}
    return max(each.seconds for each in seen)
