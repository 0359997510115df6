"""The settings of one peer's process, which the environment names: what all share, and what that peer wants."""

import os
from typing import Any

import dj_database_url

from project.settings import BROKER_TIMEOUTS, redis_cache

PEER_REDIS = os.environ["PEER_REDIS"]
SECRET_KEY = "peers"  # noqa: S105  (protects nothing)
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"])}
INSTALLED_APPS = ["tests.benchmarks.peers"]
CACHES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": PEER_REDIS},
}
CELERY_BROKER_URL = os.environ["PEER_BROKER"]
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0, **BROKER_TIMEOUTS["redis"]}

SHARES = "peers.share"
HERD = {"CLIENT_CLASS": "django_redis.client.HerdClient"}
CACHEOPS_SETTINGS = {"CACHEOPS_REDIS": PEER_REDIS, "CACHEOPS": {SHARES: {"ops": (), "timeout": 3600}}}
WANTED: dict[str, dict[str, Any]] = {
    "django-text": {"CACHES": {"default": redis_cache(PEER_REDIS)}},
    "django-core": {
        "CACHES": {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": PEER_REDIS}}
    },
    "herd": {"CACHES": {"default": CACHES["default"] | {"OPTIONS": HERD}}},
    "cacheback": {"INSTALLED_APPS": ["cacheback", *INSTALLED_APPS]},
    "cacheops": {"INSTALLED_APPS": ["cacheops", *INSTALLED_APPS], **CACHEOPS_SETTINGS},
    "cacheops-fresh": {"INSTALLED_APPS": ["cacheops", *INSTALLED_APPS], **CACHEOPS_SETTINGS},
    "cacheops-queryset": {"INSTALLED_APPS": ["cacheops", *INSTALLED_APPS], **CACHEOPS_SETTINGS},
    "cachalot": {"INSTALLED_APPS": ["cachalot", *INSTALLED_APPS]},
    "statistics-cache": {
        "INSTALLED_APPS": ["statistics_cache", *INSTALLED_APPS],
        "CACHES": {"default": redis_cache(PEER_REDIS)},
        "STATISTICS_CACHE": {"CACHE_ALIAS": "default", "JITTER": 0},
    },
}
globals().update(WANTED.get(os.environ["PEER"], {}))
