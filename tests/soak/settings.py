"""The example project's settings with the models of the tests; for processes that tests start on servers of their own.

A cache that is slow on a busy machine is not out: nothing that these processes show is about outages.
"""

from project.settings import *  # noqa: F403
from project.settings import CAPTURE, MEMORY, REDIS_URL, STATISTICS_CACHE
from project.settings import INSTALLED_APPS as PROJECT_APPS
from tests.servers import patient_cache

INSTALLED_APPS = [*PROJECT_APPS, "tests"]
CACHES = {"default": MEMORY, "statistics": patient_cache(REDIS_URL)}
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 60, "socket_connect_timeout": 60, "max_retries": 0}
STATISTICS_CACHE["AUDIT"] = 0  # an auditor of the soak's own knows what may differ
if CAPTURE == "triggers":
    STATISTICS_CACHE["PROOF_INTERVAL"] = 2  # so short that what nobody delivers must be noticed again and again
