"""The example project serves the admin, and a first page that shows what statistics are like."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("", include("project.dashboard.urls"))]
