"""The settings of the test suite: the example project's, in memory."""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as PROJECT_APPS

SECRET_KEY = "tests"  # noqa: S105  (protects nothing)
DEBUG = False
INSTALLED_APPS = [*PROJECT_APPS, "tests"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "statistics": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "statistics"},
}
STATISTICS_CACHE = {"CACHE_ALIAS": "statistics"}
