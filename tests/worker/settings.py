"""The example project's settings with the statistics of this app; `STATISTICS_CACHE` is JSON in the environment."""

import json
import os

from project.settings import *  # noqa: F403
from project.settings import CELERY_BROKER_TRANSPORT_OPTIONS as PROJECT_OPTIONS
from project.settings import INSTALLED_APPS as PROJECT_APPS
from project.settings import MEMORY, REDIS_URL
from tests.servers import patient_cache

INSTALLED_APPS = [*PROJECT_APPS, "tests", "tests.worker"]
CACHES = {"default": MEMORY, "statistics": patient_cache(REDIS_URL)}  # only brokers are out here
STATISTICS_CACHE = {"CACHE_ALIAS": "statistics"} | json.loads(os.environ.get("STATISTICS_CACHE", "{}"))
CELERY_RESULT_BACKEND = os.environ.get("CELERY_RESULT_BACKEND")
CELERY_BROKER_TRANSPORT_OPTIONS = PROJECT_OPTIONS | json.loads(os.environ.get("TRANSPORT_OPTIONS", "{}"))
