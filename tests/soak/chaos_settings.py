"""The soak's settings where servers are hurt: impatient, so that a run of seconds goes through many outages."""

from project.settings import redis_cache
from tests.soak.settings import *  # noqa: F403
from tests.soak.settings import CAPTURE, DATABASES, REDIS_URL

TIMEOUT = 0.3
PROOF_INTERVAL = 3.0
LEASE_TTL = 20.0  # far above WAIT_TIMEOUT: a lease that is left standing is seen by whoever waits for it

IMPATIENT = redis_cache(REDIS_URL)
IMPATIENT["OPTIONS"] |= {"SOCKET_TIMEOUT": TIMEOUT, "SOCKET_CONNECT_TIMEOUT": TIMEOUT}  # type: ignore[operator]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}, "statistics": IMPATIENT}
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT, "max_retries": 0}
DATABASES["default"]["OPTIONS"] = {"connect_timeout": 2}  # the shortest that libpq takes
STATISTICS_CACHE = {
    "CACHE_ALIAS": "statistics",
    "CAPTURE": CAPTURE,
    "PROOF_INTERVAL": PROOF_INTERVAL,
    "BREAKER_PAUSE": 0.5,
    "LEASE_TTL": LEASE_TTL,
    "WAIT_TIMEOUT": 6,
    "TICK": 1,
}
LOGGING_CONFIG = None  # what is logged is told to the soak: see `Enduring`
