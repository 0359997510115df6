"""Which statistics a user may see: what `visible_to` hides is hidden wherever a page could tell of it."""

from typing import Any

from django.http import HttpRequest

from .api import registry
from .declaring.declaration import Declaration
from .signals import visibility_failed

Declarations = dict[str, Declaration[..., Any]]
MEMO = "_statistics_visible"  # on the request: `visible_to` is a user's code, and is asked once


def visible_declarations(request: HttpRequest) -> Declarations:
    """Give the statistics that the user of a request may see, by name."""
    memo = vars(request)
    if MEMO not in memo:
        declared = (found.declaration for found in registry.all())
        user = getattr(request, "user", None)
        memo[MEMO] = {each.name: each for each in declared if is_visible(each, user)}
    found: Declarations = memo[MEMO]
    return found


def is_visible(declaration: Declaration[..., Any], user: Any) -> bool:
    """Tell whether a user may see a statistic; where `visible_to` raises, nobody may, and that is told."""
    try:
        return declaration.is_visible_to(user)
    except Exception as error:  # noqa: BLE001  (a user's code: a fault in it hides one statistic, and breaks no page)
        visibility_failed.send_robust(sender=type(declaration), statistic=declaration.name, error=error)
        return False
