"""What nobody writes by hand."""

from typing import Any

from django.http import HttpRequest


class ReadOnly:
    """An admin in which nothing is added, changed or deleted, whatever permissions a user has."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: clearing deletes, and has a permission of its own."""
        return False
