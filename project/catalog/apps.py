"""The example app: AI models by category, and the work done with them."""

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Registers the app under the label `catalog`."""

    name = "project.catalog"
    label = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
