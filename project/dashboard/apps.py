"""The dashboard as an installed app, for its templates and static files."""

from django.apps import AppConfig


class DashboardConfig(AppConfig):
    """It has no models."""

    name = "project.dashboard"
