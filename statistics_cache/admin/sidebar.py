"""*Declared statistics* in the admin's index and sidebar: a model to Django, and to people the registry's page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path

from statistics_cache.models import DeclaredStatistic, StatisticEntry

from .entries import EntryAdmin
from .readonly import ReadOnly


@admin.register(DeclaredStatistic)
class DeclaredAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """One page, for whoever may view entries; there is nothing to add, change or delete."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for the permission to view entries."""
        return self.entries.has_view_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Stand in the index for whoever may open the page."""
        return self.has_view_permission(request)

    @property
    def entries(self) -> EntryAdmin:
        """Give the admin of entries on this site, which has the page."""
        return EntryAdmin(StatisticEntry, self.admin_site)

    def get_urls(self) -> list[Any]:
        """Have no page but the list."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_changelist"
        return [path("", self.admin_site.admin_view(self.changelist_view), name=name)]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the registry."""
        return self.entries.registry_view(request)
