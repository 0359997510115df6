"""Celery on a real RabbitMQ, where one is installed: classic and quorum queues, and a broker that is started anew."""

import json
from collections.abc import Iterator

import pytest

from tests.engines.load import refresh
from tests.engines.rabbit import SERVER, Rabbit, rabbit
from tests.servers import own_valkey
from tests.worker.servers import QUEUE, WORKER, Site

pytestmark = pytest.mark.skipif(SERVER is None, reason="RabbitMQ is missing: apt-get install rabbitmq-server")
SETTINGS = {"classic": "tests.worker.settings", "quorum": "tests.engines.quorum_settings"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rabbit]:
    """Run a broker."""
    with rabbit(tmp_path_factory.mktemp("rabbit") / "broker") as made:
        yield made


@pytest.fixture(params=SETTINGS)
def site(request: pytest.FixtureRequest, broker: Rabbit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Run a site on it, with queues of a type."""
    folder = tmp_path_factory.mktemp("site")
    with own_valkey() as valkey, broker.connection() as connection:
        connection.channel().queue_delete(QUEUE)
        made = Site(folder / "site", f"sqlite:///{folder / 'site.sqlite3'}", valkey.connection_url)
        made.environment |= {
            "DJANGO_SETTINGS_MODULE": SETTINGS[request.param],
            "CELERY_BROKER_URL": broker.url,
            "TRANSPORT_OPTIONS": json.dumps({"confirm_publish": True}),
        }
        try:
            made.clerk.do("migrate")
            yield made
            connection.close()
            has_type(broker, request.param)
        finally:
            made.end()


def has_type(broker: Rabbit, kind: str) -> None:
    """Declare the queue as it should be: RabbitMQ refuses what it is not."""
    with broker.connection() as connection:
        connection.channel().queue_declare(QUEUE, durable=True, auto_delete=False, arguments={"x-queue-type": kind})


def test_a_worker_refreshes_before_and_after_its_broker_was_out(site: Site, broker: Rabbit) -> None:
    """What is stale is new soon; while the broker is out it is given as it is; the same worker goes on afterwards."""
    site.wait_for(site.celery("worker", *WORKER))
    assert site.clerk.read("pots", "red").value == 0
    refresh(site, 1)
    broker.stop()
    site.clerk.do("write", color="red")
    out = [site.clerk.read("pots", "red") for _ in range(5)]
    assert {(read.state, read.value) for read in out} == {("stale", 1)}
    assert sum(read.asked for read in out) == 1
    assert site.clerk.do("is_resting")
    broker.start()
    last = site.clerk.read_until("fresh", "pots", "red")[-1]
    assert (last.value, last.tier != "computed") == (2, True)
