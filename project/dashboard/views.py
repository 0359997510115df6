"""The page, what it asks every second, and what its buttons do."""

from time import monotonic

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_GET, require_POST

from . import charts, controls, deeds
from .comparing import compare
from .figures import SECONDS, strip
from .guarding import for_this_machine
from .tiles import tiles
from .traffic import traffic

PARTS = ("tiles", "shares", "strip", "told")


@for_this_machine
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Give the whole page."""
    traffic.want()
    servers = [(name, title) for name, title in SERVERS.items() if controls.is_kept(name)]
    return render(request, "dashboard/page.html", {"servers": servers, "parts": parts()})


@for_this_machine
@require_GET
def state(request: HttpRequest) -> HttpResponse:
    """Give the parts of the page that live."""
    traffic.want()
    return JsonResponse(parts())


@for_this_machine
@require_GET
def compared(request: HttpRequest) -> HttpResponse:
    """Measure, and give milliseconds and the factor."""
    found = compare()
    return JsonResponse({**found._asdict(), "factor": found.factor})


@for_this_machine
@require_POST
def act(request: HttpRequest, name: str) -> HttpResponse:
    """Do what a button says. Raises Http404."""
    if name not in deeds.DEEDS:
        raise Http404
    traffic.want()
    return JsonResponse({"text": deeds.do(name).text})


def parts() -> dict[str, str]:
    """Render the parts that live."""
    drawn, now = tiles(), monotonic()
    minute = strip(traffic.last_minute(), now)
    labels = [f"{SECONDS - at} s ago: {count} reads" for at, count in enumerate(minute.per_second)]
    seconds = charts.bars(minute.per_second, labels)
    shown = {"tiles": drawn, "strip": minute, "seconds": seconds, "told": list(deeds.told)}
    return {name: render_to_string(f"dashboard/{name}.html", shown) for name in PARTS}


SERVERS = {"valkey": "Valkey", "worker": "the worker"}
