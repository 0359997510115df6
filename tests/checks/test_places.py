"""A statistic that is declared where not every process looks is told of: by name, at once, and by a check."""

import subprocess
import sys
from pathlib import Path

import pytest

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["django.contrib.contenttypes", "statistics_cache", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
STATISTICS_CACHE = {"CACHE_ALIAS": "default"}
CELERY_TASK_ALWAYS_EAGER = True
ROOT_URLCONF = "shop.urls"
"""
DECLARES = """
from statistics_cache import statistic
@statistic(depends_on=["contenttypes.ContentType"])
def items() -> int:
    return 1
"""
APPS = """
from django.apps import AppConfig
class Shop(AppConfig):
    name = "shop"
    def ready(self):
        import shop.loaded
"""


def check(folder: Path, **modules: str) -> str:
    """Write a site, run `check` on it as Celery's part of it would, and give what is said."""
    files = {"__init__": "", "urls": "urlpatterns = []"} | modules
    (folder / "shop").mkdir()
    for name, text in files.items():
        (folder / "shop" / f"{name}.py").write_text(text)
    (folder / "site_settings.py").write_text(SETTINGS)
    command = [sys.executable, "-m", "django", "check", "--tag", "statistics_cache", "--settings", "site_settings"]
    ran = subprocess.run([*command, "--pythonpath", str(folder)], capture_output=True, text=True, check=True)
    return ran.stdout + ran.stderr


def test_what_only_views_import_is_told(tmp_path: Path) -> None:
    """By the check, which imports the site's URLs whatever was imported before, and by one line on the console."""
    said = check(tmp_path, views=DECLARES, urls="from shop import views\nurlpatterns = []")
    assert "statistics_cache.W019) shop.items: it is declared in shop.views" in said
    assert "declared late: shop.items: other processes do not import shop.views" in said


@pytest.mark.parametrize("place", ["statistics", "models", "loaded"])
def test_what_every_process_imports_is_fine(place: str, tmp_path: Path) -> None:
    """A module that the apps load: `statistics.py`, one of models, one that an app's `ready` imports."""
    others = {"apps": APPS} if place == "loaded" else {}
    urls = f"from shop import {place}\nurlpatterns = []"
    assert "late" not in (said := check(tmp_path, **{place: DECLARES}, **others, urls=urls))
    assert "W019" not in said


def test_urls_that_cannot_be_imported_break_no_check(tmp_path: Path) -> None:
    """What they raise is Django's own check's to say."""
    assert "ZeroDivisionError" not in check(tmp_path, urls="1 / 0")
