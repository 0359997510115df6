"""Each peer of the benchmark caches the same statistic, and gives what is right."""

from collections.abc import Iterator
from importlib.metadata import distributions

import pytest

from tests.benchmarks.comparing.children import Missing, started
from tests.benchmarks.comparing.surroundings import Surroundings, surroundings
from tests.benchmarks.peers.catalogue import OURS, PEERS

INSTALLED = {each.name.lower() for each in distributions()}
HERE = [name for name, peer in PEERS.items() if peer.package in INSTALLED]


@pytest.fixture(scope="module")
def servers() -> Iterator[Surroundings]:
    """The servers of a run."""
    with surroundings() as made:
        yield made


@pytest.mark.parametrize("name", HERE)
def test_a_peer_gives_the_right_value(servers: Surroundings, name: str) -> None:
    """What is read first, again, and after a change is what computing gives; also in a second process."""
    with started(servers, name) as child:
        assert child.ask("values") == [True, True, True]


def test_a_peer_that_cannot_be_imported_is_missing(servers: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who starts a peer that is not installed is told so, and what is not there."""
    monkeypatch.setenv("PYTHONPATH", str(servers.folder))
    (servers.folder / "cache_memoize.py").write_text("raise ModuleNotFoundError('none of that name')")
    with pytest.raises(Missing, match="ModuleNotFoundError: none of that name"), started(servers, "cache-memoize"):
        pass


def test_our_own_jobs_measure_what_they_say(servers: Surroundings) -> None:
    """Entries that are dropped were stored and fresh; many callers cost one compute; a change during it is not lost."""
    with started(servers, OURS) as child:
        assert child.ask("filled", number=1001) == 0
        child.ask("forget")
        told, computes = child.ask("cold", callers=10, at=0, cost=0.1)
        assert ([error for _, error in told], computes) == ([""] * 10, 1)
        assert child.ask("race") == "new"
