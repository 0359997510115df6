"""The example project serves the admin, whether all is well, and a first page that shows what statistics are like."""

from django.contrib import admin
from django.urls import include, path

from statistics_cache.web.health import health

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", health),
    path("", include("project.dashboard.urls")),
]
