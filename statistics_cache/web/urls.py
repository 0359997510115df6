"""All that `visible_to` allows: `path("statistics/", include("statistics_cache.web.urls"))`."""

from django.urls import path

from .views import StatisticView

app_name = "statistics_cache"
urlpatterns = [
    path("<str:name>/", StatisticView.as_view(), name="statistic"),
]
