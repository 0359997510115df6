"""Whom the first page serves: whoever sits at this machine, while DEBUG is on."""

from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
View = Callable[..., HttpResponse]


def for_this_machine(view: View) -> View:
    """Serve a view under a strict policy, to loopback addresses with DEBUG only: it has no login. Raises Http404."""

    @wraps(view)
    def guarded(request: HttpRequest, **parts: str) -> HttpResponse:
        if not (settings.DEBUG and is_loopback(request.META.get("REMOTE_ADDR", ""))):
            raise Http404
        response = view(request, **parts)
        response["Content-Security-Policy"] = POLICY
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def is_loopback(address: str) -> bool:
    """Tell whether an address is of this machine alone."""
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
