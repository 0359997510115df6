"""How a project tests what it does with statistics. `python manage.py test`, or pytest with the plugin of the kit."""

import json
from datetime import timedelta
from urllib.request import urlopen

from django.test import LiveServerTestCase, TestCase, TransactionTestCase
from django.utils.timezone import now

from project.catalog.models import Category, ModelRecord, UsageRecord
from project.catalog.statistics import category_statistics, usage_statistics
from statistics_cache.testing import (
    IsolatedStatistics,
    age_entry,
    assert_computes,
    assert_invalidated,
    assert_not_invalidated,
    capture_refreshes,
    override_statistic,
    run_refreshes_inline,
)

URL = "/statistics/clip/"


class DeclarationTest(IsolatedStatistics, TestCase):
    """What a statistic depends on, and how it is refreshed: its declaration."""

    clip: ModelRecord

    @classmethod
    def setUpTestData(cls) -> None:
        """One model."""
        cls.clip = ModelRecord.objects.create(category=Category.CLIP, name="ViT-B/32")

    def test_a_new_model_concerns_its_category(self) -> None:
        """And no other."""
        with (
            assert_invalidated(category_statistics, Category.CLIP),
            assert_not_invalidated(category_statistics, Category.BLIP),
        ):
            ModelRecord.objects.create(category=Category.CLIP, name="ViT-L/14")

    def test_the_next_read_counts_it(self) -> None:
        """In a `TestCase` nothing commits: run the callbacks, and it is as in production."""
        with self.captureOnCommitCallbacks(execute=True):
            ModelRecord.objects.create(category=Category.CLIP, name="ViT-L/14")
        with assert_computes(1, category_statistics):
            self.assertEqual(category_statistics(Category.CLIP).total_models, 2)
            self.assertEqual(category_statistics.answer(Category.CLIP).tier, "hot")

    def test_a_change_of_usage_is_refreshed_by_a_worker(self) -> None:
        """Readers are given what was stored, until a worker has computed it anew."""
        usage_statistics(Category.CLIP)
        with self.captureOnCommitCallbacks(execute=True):
            UsageRecord.objects.create(model=self.clip, created_at=now(), kudos=1)
        with capture_refreshes() as asked:
            self.assertEqual(usage_statistics(Category.CLIP).total_count, 0)
        self.assertEqual([each.parameters["category"] for each in asked], [Category.CLIP])
        with run_refreshes_inline():
            usage_statistics(Category.CLIP)
        self.assertEqual(usage_statistics(Category.CLIP).total_count, 1)


class PageTest(IsolatedStatistics, TestCase):
    """A page that shows a statistic: whatever its value, its age, its failure."""

    def test_it_shows_the_value(self) -> None:
        """No record is made, and nothing computed."""
        shown = category_statistics.compute(Category.CLIP).model_copy(update={"total_models": 42})
        with override_statistic("catalog.category_statistics", value=shown):
            self.assertEqual(self.client.get(URL).json()["value"]["total_models"], 42)

    def test_it_says_that_it_is_stale(self) -> None:
        """An entry that is older than its ttl is given as stale."""
        category_statistics(Category.CLIP)
        age_entry(category_statistics, Category.CLIP, by=timedelta(minutes=10))
        with capture_refreshes() as asked:
            self.assertEqual(self.client.get(URL).json()["state"], "stale")
        self.assertEqual(len(asked), 1)

    @override_statistic("catalog.category_statistics", raises=ZeroDivisionError("no models"))
    def test_it_says_that_a_compute_failed(self) -> None:
        """The page is 503, and says nothing of why."""
        with self.assertLogs("django.request", "ERROR"):
            self.assertEqual(self.client.get(URL).status_code, 503)


class CommittedTest(IsolatedStatistics, TransactionTestCase):
    """Where transactions commit, nothing has to be captured."""

    def test_the_next_read_counts_a_new_model(self) -> None:
        """The change is delivered before `create` returns."""
        self.assertEqual(category_statistics(Category.CLIP).total_models, 0)
        ModelRecord.objects.create(category=Category.CLIP, name="ViT-B/32")
        self.assertEqual(category_statistics(Category.CLIP).total_models, 1)


class ServedTest(IsolatedStatistics, LiveServerTestCase):
    """What a test does holds for the threads of a live server, too."""

    def test_a_server_is_given_the_value(self) -> None:
        """It answers in a thread of its own."""
        shown = category_statistics.compute(Category.CLIP).model_copy(update={"total_models": 42})
        with override_statistic(category_statistics, value=shown), urlopen(self.live_server_url + URL) as answer:  # noqa: S310  (our own)
            self.assertEqual(json.load(answer)["value"]["total_models"], 42)
