"""The app: finds the statistics of every installed app, and registers the system checks."""

import atexit

from django.apps import AppConfig
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.utils.module_loading import autodiscover_modules


class StatisticsCacheConfig(AppConfig):
    """Loads every installed app's `statistics.py` when all models are ready, as the admin does with `admin.py`."""

    name = "statistics_cache"
    verbose_name = "Statistics"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import what registers itself; see to it that what a process counted is not lost with it."""
        from . import checks, tasks, underway  # noqa: F401  (all need the app registry)
        from .api import registry
        from .changing import migrating, unseen  # noqa: F401  (it hears statements)
        from .changing.receiving import watch
        from .hot import counters
        from .identity import known
        from .telemetry import metrics
        from .triggering import following as _  # noqa: F401  (it hears statements)
        from .triggering import migrating as triggers

        autodiscover_modules("statistics")
        for statistic in registry.all():
            watch(statistic.declaration)
            if home := fixed_home(statistic.declaration.using):
                known.begin(home)
        migrating.connect()
        triggers.connect()
        underway.stand_alone()
        metrics.begin()
        atexit.register(counters.flush)


def fixed_home(using: str | None) -> str | None:
    """Give the database of a statistic where no router has to be asked: at start it may not be able to answer."""
    return using or (None if settings.DATABASE_ROUTERS else DEFAULT_DB_ALIAS)
