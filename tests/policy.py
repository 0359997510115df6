"""A strict policy for every page that the tests open: Django's own where there is one, else the same header."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "default-src 'self'"


class PolicyMiddleware:
    """Sends the header; for Django before 6.0."""

    def __init__(self, respond: Callable[[HttpRequest], HttpResponse]) -> None:
        """Take what answers."""
        self.respond = respond

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer with the header."""
        response = self.respond(request)
        response["Content-Security-Policy"] = POLICY
        return response
