"""The example project's settings with the models of the tests; for processes that tests start on servers of their own.

A cache that is slow on a busy machine is not out: nothing that these processes show is about outages.
"""

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as PROJECT_APPS
from project.settings import MEMORY, REDIS_URL, redis_cache

INSTALLED_APPS = [*PROJECT_APPS, "tests"]
PATIENT = redis_cache(REDIS_URL)
PATIENT["OPTIONS"] = dict(PATIENT["OPTIONS"], SOCKET_TIMEOUT=60, SOCKET_CONNECT_TIMEOUT=60)  # type: ignore[call-overload]
CACHES = {"default": MEMORY, "statistics": PATIENT}
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": 60, "socket_connect_timeout": 60, "max_retries": 0}
