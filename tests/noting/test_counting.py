"""What is asked of the server around a statement ends with the statement, however that ends."""

from typing import Any

import pytest
from django.db import OperationalError, connections

from statistics_cache.noting import counting
from tests.conftest import BACKENDS, Backend

pytestmark = pytest.mark.django_db(databases=["default", "postgres"], transaction=True)


class Interrupted(Exception):
    """What a time limit raises, at any moment."""


def interrupt(_: Any) -> dict[str, int]:
    """End a compute here."""
    raise Interrupted


@pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
def test_who_is_interrupted_leaves_no_transaction(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else what is written next on the connection would be in one that nobody commits."""
    connection = connections[backend.database]
    connection.ensure_connection()
    monkeypatch.setattr(counting, "counts_of", interrupt)
    with pytest.raises(Interrupted), counting.counted(connection, set()):
        pass
    assert counting.state_of(connection) == counting.IDLE


@pytest.mark.parametrize("backend", BACKENDS[2:], indirect=True, ids="-".join)
def test_a_server_that_goes_away_is_told_in_djangos_words(backend: Backend) -> None:
    """Whoever catches Django's errors catches this one, too; and Django knows that the connection is of no use."""
    connection = connections[backend.database]
    connection.ensure_connection()
    other = connections.create_connection(backend.database)
    try:
        with pytest.raises(OperationalError), counting.counted(connection, set()), other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [connection.connection.info.backend_pid])
        assert connection.errors_occurred
    finally:
        other.close()
        connection.close()
