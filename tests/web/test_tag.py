"""A statistic in a template."""

import pytest
from django.template import Context, Template
from django.test import RequestFactory

from tests.models import Paint
from tests.samples import Color, stock

pytestmark = pytest.mark.django_db
TEXT = '{% load statistics_cache %}{% statistic "tests.stock" color=color as found %}{{ found.litres }}'


def test_one_request_is_given_one_value() -> None:
    """Though it changes meanwhile; the next request, and a template without one, are given what is there."""
    Paint.objects.create(color="red", litres=3)
    request = RequestFactory().get("/")
    template = Template(TEXT)
    assert template.render(Context({"color": Color.RED, "request": request})) == "3"
    Paint.objects.create(color="red", litres=4)
    assert template.render(Context({"color": Color.RED, "request": request})) == "3"
    assert template.render(Context({"color": Color.RED, "request": RequestFactory().get("/")})) == "7"
    assert template.render(Context({"color": Color.RED})) == str(stock(Color.RED).litres)
