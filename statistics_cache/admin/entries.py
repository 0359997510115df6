"""The admin of stored entries: a list, a page for each, and a page of all that is declared."""

from typing import Any

import django
from django.contrib import admin
from django.contrib.admin.filters import DateFieldListFilter
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from statistics_cache.models import DeclaredStatistic, StatisticEntry
from statistics_cache.visibility import visible_declarations

from . import actions, declared
from .cards import banner, cards
from .changelist import EntryList, EntryPaginator
from .columns import COLUMNS, variant
from .detail import describe
from .filters import PARAMETERS, ErrorFilter, StateFilter, StatisticFilter
from .overview import LIMIT, overview_of
from .readonly import ReadOnly
from .visibility import visible_entries

TEMPLATES = "admin/statistics_cache/statisticentry"
HAS_LISTED_BREADCRUMBS = django.VERSION >= (6, 1)  # there they are an <ol>, before a <div>


@admin.register(StatisticEntry)
class EntryAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]  # at run time it takes none
    """Stored entries: looked at, refreshed and cleared by those who may; added and edited by nobody."""

    list_display = COLUMNS
    list_display_links = (variant,)
    list_filter = (StateFilter, StatisticFilter, ErrorFilter, ("computed_at", DateFieldListFilter))
    search_fields = ("key",)
    search_help_text = gettext_lazy("Part of a key: a statistic's name, a parameter or its value.")
    ordering = ("key", "schema")
    list_per_page = 25
    list_max_show_all = 200
    show_full_result_count = False
    paginator = EntryPaginator
    actions = actions.ACTIONS
    change_list_template = f"{TEMPLATES}/list.html"

    class Media:
        """One style sheet on the admin's own variables, one small script."""

        css = {"all": ("statistics_cache/admin.css",)}  # noqa: RUF012  (as Django has it)
        js = ("statistics_cache/admin.js",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Ask for Django's own permission to view."""
        return request.user.has_perm("statistics_cache.view_statisticentry")

    def has_refresh_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to compute."""
        return request.user.has_perm("statistics_cache.refresh_statisticentry")

    def has_clear_permission(self, request: HttpRequest) -> bool:
        """Ask for the permission to invalidate and clear."""
        return request.user.has_perm("statistics_cache.clear_statisticentry")

    def get_queryset(self, request: HttpRequest) -> QuerySet[StatisticEntry]:
        """Give the rows that the user may see, in order."""
        return visible_entries(request).order_by(*self.get_ordering(request))

    def get_changelist(self, request: HttpRequest, **_: Any) -> type[EntryList]:
        """Judge each page as a whole."""
        return EntryList

    def get_paginator(self, request: HttpRequest, *arguments: Any, **options: Any) -> EntryPaginator:
        """Tell the paginator what is known of the table's size."""
        found = EntryPaginator(*arguments, **options)
        found.is_large = not overview_of(request).is_small
        return found

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Allow what the filters ask for alone: a lookup on a value would tell what is hidden."""
        return lookup in PARAMETERS

    def get_urls(self) -> list[Any]:
        """Add the page of all that is declared, and its button."""
        view = self.admin_site.admin_view
        return [
            path("registry/", view(self.registry_view), name="statistics_cache_registry"),
            path("registry/<str:name>/run/", view(self.run_view), name="statistics_cache_run"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list, with cards above it."""
        response: HttpResponse = super().changelist_view(request, extra_context)
        context = response.context_data if isinstance(response, TemplateResponse) else None
        if context and (entries := context.get("cl")):
            context["cards"] = cards(request, entries)
            context["banner"] = banner(request, entries)
            context["limit"] = LIMIT
            context["registry_url"] = self.registry_url()
        return response

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Show one entry; 404 for one that the user may not see."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        self.demand_view(request)
        entry = self.get_object(request, object_id)
        if entry is None:
            raise Http404(f"There is no entry {object_id}.")
        title = {"title": entry.statistic, "original": entry, "actions_offered": self.offered(request)}
        return self.page(request, "detail.html", title | describe(entry, request))

    def offered(self, request: HttpRequest) -> list[tuple[str, str]]:
        """Give the name and the label of each action that the user may take."""
        choices = self.get_action_choices(request, [])
        return [(str(name), str(label).split(" (")[0]) for name, label in choices]

    def registry_view(self, request: HttpRequest) -> HttpResponse:
        """Show every declared statistic that the user may see."""
        self.demand_view(request)
        context = {"title": _("Declared statistics"), "rows": declared.rows(request)}
        return self.page(request, "registry.html", context | {"may_run": self.has_refresh_permission(request)})

    def run_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Compute what a statistic keeps warm, or its default variant."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self.demand_view(request)
        if not self.has_refresh_permission(request):
            raise PermissionDenied
        declaration = visible_declarations(request).get(name)
        if declaration is None:
            raise Http404(f"There is no statistic {name}.")
        declared.run_now(self, request, declaration)
        return HttpResponseRedirect(self.registry_url())

    def registry_url(self) -> str:
        """Give where the registry stands: in the site's index, or among the entries where that lists no such page."""
        is_listed = self.admin_site.is_registered(DeclaredStatistic)
        name = "statistics_cache_declaredstatistic_changelist" if is_listed else "statistics_cache_registry"
        return reverse(f"admin:{name}", current_app=self.admin_site.name)

    def demand_view(self, request: HttpRequest) -> None:
        """Refuse who may not view entries."""
        if not self.has_view_permission(request):
            raise PermissionDenied

    def page(self, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
        """Give a page of our own in the admin's frame."""
        request.current_app = self.admin_site.name
        frame = self.admin_site.each_context(request) | {"opts": self.opts, "media": self.media}
        frame["has_listed_breadcrumbs"] = HAS_LISTED_BREADCRUMBS
        return TemplateResponse(request, f"{TEMPLATES}/{template}", frame | context)
