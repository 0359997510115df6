"""All that `visible_to` allows: `path("statistics/", include("statistics_cache.web.urls"))`."""

from django.urls import path

from .openapi import describe
from .views import StatisticView

app_name = "statistics_cache"
urlpatterns = [
    path("openapi.json", describe, name="openapi"),
    path("<str:name>/", StatisticView.as_view(), name="statistic"),
]
