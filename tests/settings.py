"""The settings of the test suite: the example project's, on a database file of this process's own.

A file, for threads and processes share it as they share a real one; `conftest.py` adds the alias `postgres`.
"""

import os
import tempfile
from pathlib import Path

import django

from project.settings import *  # noqa: F403
from project.settings import DATABASES as PROJECT_DATABASES
from project.settings import INSTALLED_APPS as PROJECT_APPS
from project.settings import MIDDLEWARE as PROJECT_MIDDLEWARE

SECRET_KEY = "tests"  # noqa: S105  (protects nothing)
DEBUG = False
INSTALLED_APPS = [*PROJECT_APPS, "tests"]
FILE = os.environ.get("TEST_DATABASE_FILE", str(Path(tempfile.gettempdir()) / f"statistics-{os.getpid()}.sqlite3"))
DATABASES = {"default": PROJECT_DATABASES["default"] | {"NAME": FILE, "TEST": {"NAME": FILE}}}
DATABASE_ROUTERS = ["tests.routers.TestRouter"]
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
    "statistics": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "statistics"},
}
# No proof grows old by the machine's own clock, which may stand still for a minute, or be set: only by one that a test
# moves (`clock` in conftest.py).
STATISTICS_CACHE = {"CACHE_ALIAS": "statistics", "JITTER": 0, "PROOF_INTERVAL": 7200}
CELERY_BROKER_URL = "memory://"
CELERY_BROKER_TRANSPORT_OPTIONS = {"polling_interval": 0.01, "max_retries": 0}
CELERY_TASK_ALWAYS_EAGER = False
CELERY_TASK_EAGER_PROPAGATES = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # users of tests have no secrets, and many log in
SECURE_CSP = {"default-src": ["'self'"]}
HAS_POLICY = django.VERSION >= (6, 0)
MIDDLEWARE = [
    "django.middleware.csp.ContentSecurityPolicyMiddleware" if HAS_POLICY else "tests.policy.PolicyMiddleware",
    *PROJECT_MIDDLEWARE,
]
