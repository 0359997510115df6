"""What the page of an entry says first, and what it keeps behind a toggle."""

import pytest
from django.test import Client

from tests.admin.conftest import LIST, RED, row_of
from tests.samples import Color, stock

pytestmark = pytest.mark.django_db


def page_of(client: Client, key: str) -> str:
    """Give the page of an entry."""
    return client.get(f"{LIST}{row_of(key).pk}/change/").content.decode()


def test_the_protocol_is_closed(admin_client: Client) -> None:
    """Tiers, tokens, scopes and generations stand behind one toggle, and nowhere else."""
    stock(Color.RED)
    before, inside = page_of(admin_client, RED).split('<details class="sc-protocol">')
    for part in ("Hot tier", "Cold tier", "Generation", "Epoch", "Tokens", "every variant", "schema"):
        assert part in inside
        assert part not in before
