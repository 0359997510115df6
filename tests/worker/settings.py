"""The example project's settings with the statistics of this app; `STATISTICS_CACHE` is JSON in the environment."""

import json
import os

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as PROJECT_APPS
from project.settings import MEMORY, REDIS_URL, redis_cache

INSTALLED_APPS = [*PROJECT_APPS, "tests", "tests.worker"]
PATIENT = redis_cache(REDIS_URL)  # a cache that is slow on a busy machine is not out: only brokers are out here
PATIENT["OPTIONS"] = dict(PATIENT["OPTIONS"], SOCKET_TIMEOUT=30, SOCKET_CONNECT_TIMEOUT=30)  # type: ignore[call-overload]
CACHES = {"default": MEMORY, "statistics": PATIENT}
STATISTICS_CACHE = {"CACHE_ALIAS": "statistics"} | json.loads(os.environ.get("STATISTICS_CACHE", "{}"))
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND")
