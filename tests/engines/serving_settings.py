"""The example project's settings on a cluster: `REDIS_URL` are the addresses of its nodes, with commas between."""

import json
import os

from project.settings import *  # noqa: F403
from project.settings import INSTALLED_APPS as PROJECT_APPS
from project.settings import MEMORY, REDIS_URL, redis_cache

CLUSTER = redis_cache("")
CLUSTER["LOCATION"] = REDIS_URL.split(",")
CLUSTER["OPTIONS"]["CLIENT_CLASS"] = "statistics_cache.cluster.ClusterClient"  # type: ignore[index]
INSTALLED_APPS = [*PROJECT_APPS, "tests"]
CACHES = {"default": MEMORY, "statistics": CLUSTER}
STATISTICS_CACHE = {"CACHE_ALIAS": "statistics"} | json.loads(os.environ.get("STATISTICS_CACHE", "{}"))
