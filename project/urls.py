"""The example project serves the admin, statistics over HTTP, whether all is well, and a page with all at work."""

from django.contrib import admin
from django.urls import include, path, re_path

from project.catalog.views import CategoryView
from statistics_cache.web.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health),
    re_path(r"^statistics/(?P<category>\w+)/$", CategoryView.as_view()),  # the names of statistics have a dot
    path("statistics/", include("statistics_cache.web.urls")),
    path("", include("project.dashboard.urls")),
]
