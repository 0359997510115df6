"""The first page of the demo, and what it asks."""

from django.urls import path

from . import views

app_name = "dashboard"
urlpatterns = [
    path("", views.page, name="page"),
    path("dashboard/state/", views.state, name="state"),
    path("dashboard/compared/", views.compared, name="compared"),
    path("dashboard/do/<slug:name>/", views.act, name="act"),
]
