"""The settings of the soak, with a SQLite file beside its PostgreSQL: a write is measured on both in one run."""

import dj_database_url

from project.settings import SQLITE_FILE, SQLITE_OPTIONS
from tests.soak.settings import *  # noqa: F403
from tests.soak.settings import DATABASES as SOAK_DATABASES

DATABASES = SOAK_DATABASES | {"sqlite": {**dj_database_url.parse(SQLITE_FILE), "OPTIONS": SQLITE_OPTIONS}}
DATABASE_ROUTERS = ["tests.routers.TestRouter"]
