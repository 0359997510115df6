"""Celery's pools beside prefork, which all other tests of workers have: a worker refreshes what is stale."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.engines.load import refresh
from tests.servers import own_valkey
from tests.worker.servers import WORKER, Site

GEVENT = pytest.param("gevent", marks=pytest.mark.skipif(find_spec("gevent") is None, reason="gevent is not installed"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a site."""
    folder = tmp_path_factory.mktemp("pools")
    with own_valkey() as valkey:
        made = Site(folder / "site", f"sqlite:///{folder / 'site.sqlite3'}", valkey.connection_url)
        try:
            made.clerk.do("migrate")
            yield made
        finally:
            made.end()


@pytest.mark.parametrize("pool", ["solo", "threads", GEVENT])
def test_a_worker_of_any_pool_refreshes(site: Site, pool: str) -> None:
    """What is stale is new soon, and the reader has not computed it."""
    site.clean()
    site.wait_for(site.celery("worker", *WORKER, "--pool", pool))
    assert site.clerk.read("pots", "red").value == 0
    refresh(site, 1)
