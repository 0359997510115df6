"""Telling Celery's app otherwise for a test."""

import pytest
from django.conf import settings


def set_celery(patch: pytest.MonkeyPatch, **keys: object) -> None:
    """Set options through Django's settings: before 5.7 Celery hides its own `conf` behind them."""
    for name, value in keys.items():
        patch.setattr(settings, f"CELERY_{name.upper()}", value, raising=False)
