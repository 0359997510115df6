"""The catalogue in the admin."""

from datetime import UTC, datetime

import pytest
from django.test import Client

from project.catalog.models import Category, UsageRecord
from tests.catalog.conftest import MakeModel


@pytest.mark.parametrize("query", ["", "?q=Ember", "?category=clip", "?nsfw__exact=1"])
def test_models_are_listed_searched_and_filtered(admin_client: Client, make_model: MakeModel, query: str) -> None:
    """The list of models shows what is asked for, odd records too."""
    make_model("Ember", Category.CLIP, nsfw=True, problems=["tags: …"], tags=[None])
    page = admin_client.get(f"/admin/catalog/modelrecord/{query}")
    assert page.status_code == 200
    assert b"Ember" in page.content


def test_work_is_listed_and_edited(admin_client: Client, make_model: MakeModel) -> None:
    """The list of work names the models, and the form of one piece of work does not list them all."""
    model, other = make_model("Ember"), make_model("Raven")
    work = UsageRecord.objects.create(model=model, created_at=datetime(2025, 1, 1, tzinfo=UTC), kudos=7)
    assert b"Ember" in admin_client.get("/admin/catalog/usagerecord/?q=Emb").content
    form = admin_client.get(f"/admin/catalog/usagerecord/{work.pk}/change/").content.decode()
    assert other.name not in form
