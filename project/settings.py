"""Settings of the example project, read from the environment.

`DATABASE_URL` (default: a SQLite file in `RUN_DIR`), `REDIS_URL` (default: in-process memory), `CELERY_BROKER_URL`
(default: `REDIS_URL`; without either, tasks run where they are sent, which is for trying out only), `SECRET_KEY`,
`DEBUG`, `ALLOWED_HOSTS`, `CAPTURE` (default: `signals`; or `triggers`) and `RUN_DIR` (default: `.demo`, where the demo
keeps its files).
"""

import os
from pathlib import Path

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from redis.backoff import NoBackoff
from redis.retry import Retry

from statistics_cache import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent
RUN_DIR = Path(os.environ.get("RUN_DIR", BASE_DIR / ".demo"))
try:
    RUN_DIR.mkdir(exist_ok=True)
except OSError as error:
    raise ImproperlyConfigured(
        f"RUN_DIR {RUN_DIR} cannot be made: {error.strerror}. Set it to a folder to write in."
    ) from error

DEBUG = os.environ.get("DEBUG", "1").lower() in {"1", "true", "yes", "on"}
SECRET_KEY = os.environ.get("SECRET_KEY") or (get_random_secret_key() if DEBUG else "")
if not SECRET_KEY:
    raise ImproperlyConfigured("SECRET_KEY is not set. Set it in the environment, or set DEBUG=1 to try things out.")
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "statistics_cache",
    "project.catalog",
    "project.dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
STATIC_URL = "static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"

SQLITE_FILE = f"sqlite:///{RUN_DIR / 'db.sqlite3'}"
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
DATABASES = {"default": dj_database_url.config(default=SQLITE_FILE, conn_max_age=60)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS


def redis_cache(url: str) -> dict[str, object]:
    """The cache alias of a Redis or Valkey server, as statistics need it (`manage.py check` explains each option)."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {
            "SERIALIZER": "statistics_cache.serializer.TextSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
            "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
        },
    }


REDIS_URL = os.environ.get("REDIS_URL", "")
MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {
    "default": MEMORY,
    "statistics": redis_cache(REDIS_URL) if REDIS_URL else MEMORY | {"LOCATION": "statistics"},
}
CAPTURE = os.environ.get("CAPTURE", "signals")
STATISTICS_CACHE: dict[str, object] = {"CACHE_ALIAS": "statistics", "CAPTURE": CAPTURE, "AUDIT": 1}

CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL") or REDIS_URL or None
CELERY_TASK_ALWAYS_EAGER = CELERY_BROKER_URL is None
CELERY_BROKER_CONNECTION_TIMEOUT = 0.5  # of a RabbitMQ that does not answer
BROKER_TIMEOUTS = {
    "redis": {"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
    "amqp": {"read_timeout": 0.2, "write_timeout": 0.2},
}
CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0} | next(
    (timeouts for scheme, timeouts in BROKER_TIMEOUTS.items() if (CELERY_BROKER_URL or "").startswith(scheme)), {}
)
CELERY_TASK_ROUTES = {"statistics_cache.*": {"queue": "statistics"}}
CELERY_BEAT_SCHEDULE = {**BEAT_SCHEDULE}
CELERY_BEAT_SCHEDULE_FILENAME = str(RUN_DIR / "celerybeat-schedule")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
